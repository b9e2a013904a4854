"""Place the nodes of a graph in columns (Sugiyama, Tagawa and Toda, 1981).

::

    column = length of the longest path to the node
    order in a column = mean position of the neighbours, in sweeps; the one with the fewest crossings wins
    height = mean height of the neighbours, as near as the order allows (isotonic regression)

Edges that follow from others are left out (transitive reduction). Pipelines that share nothing but a
first stage lie below one another, in lanes.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

GAP_X, GAP_Y, BOX_HEIGHT = 56.0, 12.0, 40.0
LANE_GAP, TITLE_HEIGHT = 34.0, 22.0
BEND_HEIGHT = 6.0
"""Height that an edge takes in a column that it passes."""
SWEEPS = 12

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Place of a node, in pixels from the upper left corner."""

    x: float
    y: float
    width: float
    height: float = BOX_HEIGHT


@dataclass(frozen=True)
class Lane:
    """Heading of nodes that belong together; `y` is its upper edge."""

    title: str
    y: float


@dataclass(frozen=True)
class Layout:
    """Places of all nodes, and the points that each edge passes."""

    boxes: Mapping[str, Box]
    edges: Mapping[tuple[str, str], tuple[Point, ...]]
    lanes: tuple[Lane, ...]
    width: float
    height: float


Bend = tuple[str, str, int]
"""A point at which an edge passes a column: the two nodes of the edge, and the column."""


def place(widths: Mapping[str, float], edges: Iterable[tuple[str, str]]) -> Layout:
    """Return the layout of an acyclic graph.

    Parameters
    ----------
    widths : mapping of str to float
        Name of each node -> width of its box in pixels.
    """
    reduced = without_implied_edges(widths, edges)
    columns = _columns(reduced)
    number = max(columns.values(), default=0) + 1
    wide = [max((widths[n] for n, c in columns.items() if c == k), default=0.0) for k in range(number)]
    left = [sum(wide[:k]) + GAP_X * k for k in range(number)]
    boxes: dict[str, Box] = {}
    bends: dict[Bend, float] = {}
    lanes: list[Lane] = []
    top = 0.0
    groups = _lanes(reduced)
    for title, nodes in groups:
        if len(groups) > 1:
            lanes.append(Lane(title, top))
            top += TITLE_HEIGHT if title else 0.0
        heights = _heights(nodes, reduced, columns)
        low = min(heights[n] - BOX_HEIGHT / 2 for n in nodes)
        for item, y in heights.items():
            if isinstance(item, str):
                boxes[item] = Box(left[columns[item]], top + y - low - BOX_HEIGHT / 2, widths[item])
            else:
                bends[item] = top + y - low
        top = max(boxes[n].y for n in nodes) + BOX_HEIGHT + LANE_GAP
    paths = {(a, b): _path(a, b, boxes, bends, columns, (left, wide)) for a, b in reduced.edges}
    width = max((box.x + box.width for box in boxes.values()), default=0.0)
    lowest = [box.y + box.height for box in boxes.values()] + list(bends.values())
    return Layout(boxes, paths, tuple(lanes), width, max(lowest, default=0.0))


def without_implied_edges(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> nx.DiGraph[str]:
    """Return a graph without the edges that follow from others, in a fixed order.

    The order of networkx's transitive reduction is that of sets, which differs between processes.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    needed = nx.transitive_reduction(graph)
    graph.remove_edges_from([edge for edge in graph.edges if not needed.has_edge(*edge)])
    return graph


def _columns(graph: nx.DiGraph[str]) -> dict[str, int]:
    """Return the column of each node; a first node is near its successors."""
    columns = {node: k for k, layer in enumerate(nx.topological_generations(graph)) for node in layer}
    for node in graph:
        if not graph.in_degree(node) and graph.out_degree(node):
            columns[node] = min(columns[after] for after in graph.successors(node)) - 1
    return columns


def _lanes(graph: nx.DiGraph[str]) -> list[tuple[str, list[str]]]:
    """Return the parts that share at most a first node, each with a title."""
    hubs = [node for node in graph if not graph.in_degree(node) and _divides(graph, node)]
    rest = graph.subgraph([node for node in graph if node not in hubs])
    order = {node: k for k, node in enumerate(graph)}
    parts = sorted(
        nx.weakly_connected_components(rest), key=lambda part: (-len(part), min(order[n] for n in part))
    )
    alone = [node for part in parts if len(part) == 1 for node in part]
    lanes = [(_title(part), sorted(part, key=order.__getitem__)) for part in parts if len(part) > 1]
    if hubs:
        lanes.insert(0, ("", hubs))
    return [*lanes, *([("", sorted(alone, key=order.__getitem__))] if alone else [])]


def _divides(graph: nx.DiGraph[str], node: str) -> bool:
    """Return whether several larger parts are connected by this node only."""
    near = nx.node_connected_component(graph.to_undirected(as_view=True), node)
    rest = graph.subgraph(near - {node})
    return sum(len(part) > 2 for part in nx.weakly_connected_components(rest)) > 1


def _title(nodes: Iterable[str]) -> str:
    """Return the part before the hyphen that all names share, or an empty text."""
    prefixes = {name.partition("-")[0] if "-" in name else "" for name in nodes}
    return prefixes.pop() if len(prefixes) == 1 else ""


def _heights(
    nodes: Sequence[str], graph: nx.DiGraph[str], columns: Mapping[str, int]
) -> dict[str | Bend, float]:
    """Return the height of the middle of each node, and of each bend of an edge."""
    chain: nx.Graph[str | Bend] = nx.Graph()
    layers: dict[int, list[str | Bend]] = {}
    for node in nodes:
        layers.setdefault(columns[node], []).append(node)
        chain.add_node(node)
    inside = set(nodes)
    for a, b in graph.edges:
        if not {a, b} <= inside:
            continue
        items: list[str | Bend] = [a, *((a, b, k) for k in range(columns[a] + 1, columns[b])), b]
        for item in items[1:-1]:
            layers.setdefault(int(item[2]), []).append(item)
        chain.add_edges_from(itertools.pairwise(items))
    ordered = _ordered([layers[k] for k in sorted(layers)], chain)
    heights: dict[str | Bend, float] = {}
    for layer in ordered:
        at = 0.0
        for item in layer:
            heights[item] = at + _size(item) / 2
            at += _size(item) + GAP_Y
    for sweep in range(SWEEPS):
        for layer in ordered if sweep % 2 == 0 else ordered[::-1]:
            wishes = [_mean([heights[other] for other in chain[item]], heights[item]) for item in layer]
            heights |= zip(layer, _separated(wishes, layer), strict=True)
    return heights


def _ordered(layers: list[list[str | Bend]], chain: nx.Graph[str | Bend]) -> list[list[str | Bend]]:
    """Return the order in each column with the fewest crossings found."""
    best, fewest = layers, _crossings(layers, chain)
    current = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        steps = range(1, len(current)) if forward else range(len(current) - 2, -1, -1)
        for k in steps:
            before = {item: n for n, item in enumerate(current[k - 1 if forward else k + 1])}
            own = {item: float(n) for n, item in enumerate(current[k])}
            current[k].sort(
                key=lambda item: _mean([before[o] for o in chain[item] if o in before], own[item])
            )
        crossings = _crossings(current, chain)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in current], crossings
    return best


def _crossings(layers: Sequence[Sequence[str | Bend]], chain: nx.Graph[str | Bend]) -> int:
    """Return the number of pairs of edges between neighbouring columns that cross."""
    total = 0
    for before, after in itertools.pairwise(layers):
        position = {item: n for n, item in enumerate(after)}
        seen: list[int] = []
        for item in before:
            ends = sorted(position[other] for other in chain[item] if other in position)
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _size(item: str | Bend) -> float:
    return BOX_HEIGHT if isinstance(item, str) else BEND_HEIGHT


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _separated(wishes: Sequence[float], layer: Sequence[str | Bend]) -> list[float]:
    """Return the heights nearest to the wishes that keep the order and the gaps.

    With the gaps subtracted, this is isotonic regression: adjacent violators share their mean.
    """
    offsets, at = [], 0.0
    for k, item in enumerate(layer):
        at += (_size(layer[k - 1]) + _size(item)) / 2 + GAP_Y if k else 0.0
        offsets.append(at)
    blocks: list[list[float]] = []  # sum, count
    for wish, offset in zip(wishes, offsets, strict=True):
        blocks.append([wish - offset, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    levels = [total / count for total, count in blocks for _ in range(int(count))]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _path(
    a: str,
    b: str,
    boxes: Mapping[str, Box],
    bends: Mapping[Bend, float],
    columns: Mapping[str, int],
    across: tuple[Sequence[float], Sequence[float]],
) -> tuple[Point, ...]:
    """Return the points of an edge, which crosses other columns horizontally."""
    left, wide = across
    start, end = boxes[a], boxes[b]
    points = [(start.x + start.width, start.y + start.height / 2)]
    for k in range(columns[a] + 1, columns[b]):
        if (a, b, k) in bends:
            points += [(left[k], bends[a, b, k]), (left[k] + wide[k], bends[a, b, k])]
    return (*points, (end.x, end.y + end.height / 2))
