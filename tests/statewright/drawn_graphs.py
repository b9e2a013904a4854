"""Graphs to draw, with names that a page must not read as code."""

from __future__ import annotations

from statewright.graph.model import CauseLine, Cell, Node, StageGraph

HOSTILE = "x</script><script>document.title='hacked'</script>\"'&<b>"
LONG = "a-stage-with-a-very-long-name-" * 4


def chain(count: int = 6) -> StageGraph:
    """Return a chain of stages, a matrix, and two stages with difficult names."""
    cells = {
        f"s{k}": Cell(
            f"s{k}",
            f"s{k}",
            "must" if k == 1 else "may" if k > 1 else "skip",
            (1.0, 2.0),
            causes=(CauseLine("param", "lr 1 -> 2"),)
            if k == 1
            else (CauseLine("upstream", f"after s{k - 1}", (f"s{k - 1}",)),)
            if k > 1
            else (),
            outs=(f"out{k}.csv",),
        )
        for k in range(count)
    }
    nodes = {name: Node(name, (cell,)) for name, cell in cells.items()}
    matrix = tuple(Cell(f"grid@{k}", f"grid@{k}", "skip" if k else "failed", (3.0, 5.0)) for k in range(3))
    nodes["grid"] = Node("grid", matrix)
    nodes[HOSTILE] = Node(HOSTILE, (Cell(HOSTILE, HOSTILE, "restore", desc=HOSTILE),))
    nodes[LONG] = Node(LONG, (Cell(LONG, LONG, "skip"),))
    edges = [(f"s{k}", f"s{k + 1}") for k in range(count - 1)]
    edges += [("s0", "s2"), ("s0", "grid"), ("grid", HOSTILE), ("grid", LONG)]
    return StageGraph(nodes, tuple(edges))
