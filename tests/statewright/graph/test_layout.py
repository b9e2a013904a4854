"""The layout of a graph: no overlap, edges to the right, dependencies kept."""

from __future__ import annotations

from itertools import combinations, pairwise

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from statewright.graph.layout import BOX_HEIGHT, GAP_Y, _crossings, _separated, place

NAMES = [f"n{k}" for k in range(12)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, float], list[tuple[str, str]]]:
    """Draw an acyclic graph: edges lead from a name to a later one."""
    count = draw(st.integers(1, len(NAMES)))
    pairs = list(combinations(NAMES[:count], 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return {name: draw(st.floats(40, 300)) for name in NAMES[:count]}, edges


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_boxes_do_not_overlap_and_edges_lead_to_the_right(graph: tuple[dict[str, float], list]) -> None:
    widths, edges = graph
    layout = place(widths, edges)
    assert set(layout.boxes) == set(widths)
    for a, b in combinations(layout.boxes.values(), 2):
        apart_x = a.x + a.width <= b.x or b.x + b.width <= a.x
        apart_y = a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
        assert apart_x or apart_y
    for box in layout.boxes.values():
        assert box.x >= 0 and box.y >= -1e-6
        assert box.x + box.width <= layout.width + 1e-6 and box.y + box.height <= layout.height + 1e-6
    for (a, b), points in layout.edges.items():
        start, end = layout.boxes[a], layout.boxes[b]
        assert points[0] == (start.x + start.width, start.y + start.height / 2)
        assert points[-1] == (end.x, end.y + end.height / 2)
        assert all(before[0] <= after[0] for before, after in pairwise(points))


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_the_drawn_edges_imply_all_edges_and_no_other(graph: tuple[dict[str, float], list]) -> None:
    widths, edges = graph
    whole = nx.DiGraph(edges)
    drawn = nx.DiGraph(list(place(widths, edges).edges))
    for each in (whole, drawn):
        each.add_nodes_from(widths)
    assert set(nx.transitive_closure(drawn).edges) == set(nx.transitive_closure(whole).edges)
    assert drawn.number_of_edges() <= whole.number_of_edges()


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=15))
def test_separated_heights_are_the_nearest_ones_that_keep_the_gaps(wishes: list[float]) -> None:
    layer = [f"n{k}" for k in range(len(wishes))]
    heights = np.array(_separated(wishes, layer))
    offsets = np.arange(len(wishes)) * (BOX_HEIGHT + GAP_Y)
    expected = (
        IsotonicRegression().fit_transform(np.arange(len(wishes)), np.array(wishes) - offsets) + offsets
    )
    np.testing.assert_allclose(heights, expected, atol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), unique=True, max_size=20))
def test_crossings_are_those_that_enumeration_finds(pairs: list[tuple[int, int]]) -> None:
    left, right = [f"a{k}" for k in range(7)], [f"b{k}" for k in range(7)]
    chain: nx.Graph[str] = nx.Graph()
    chain.add_nodes_from([*left, *right])
    chain.add_edges_from((left[a], right[b]) for a, b in pairs)
    crossing = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(pairs, 2))
    assert _crossings([left, right], chain) == crossing


def test_pipelines_that_share_a_first_stage_are_lanes() -> None:
    edges = [("code", f"{p}-ingest") for p in ("a", "b")]
    edges += [(f"{p}-ingest", f"{p}-fit") for p in ("a", "b")] + [
        (f"{p}-fit", f"{p}-report") for p in ("a", "b")
    ]
    names = dict.fromkeys(name for edge in edges for name in edge)
    layout = place(dict.fromkeys(names, 100.0), edges)
    assert [lane.title for lane in layout.lanes] == ["", "a", "b"]
    lowest = max(box.y + box.height for name, box in layout.boxes.items() if name.startswith("a-"))
    assert lowest < min(box.y for name, box in layout.boxes.items() if name.startswith("b-"))
