"""The check for cycles against DVC's own."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import pytest
from dvc.exceptions import CyclicGraphError
from dvc.repo import graph as dvc_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.repository.acyclic import _find_cycle, check_cycles_by_order


@dataclass(frozen=True)
class Named:
    """A stage, as far as the error names it."""

    addressing: str


@settings(max_examples=100, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_a_cycle_is_found_as_dvc_finds_it(edges: set[tuple[int, int]]) -> None:
    check_cycles_by_order()
    graph = nx.DiGraph((Named(str(up)), Named(str(down))) for up, down in sorted(edges))
    try:
        _find_cycle(graph)
    except CyclicGraphError as expected:
        with pytest.raises(CyclicGraphError) as raised:
            dvc_graph.check_acyclic(graph)
        assert sorted(str(raised.value)) == sorted(str(expected))  # the stages are in a set
    else:
        dvc_graph.check_acyclic(graph)


def test_a_long_chain_visits_each_edge_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statewright.repository.acyclic._find_cycle", lambda _: pytest.fail("a search"))
    check_cycles_by_order()
    dvc_graph.check_acyclic(nx.path_graph(20_000, create_using=nx.DiGraph))
