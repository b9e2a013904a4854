"""Figure of the hierarchical attention graph: levels from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.report.drawing import BLUE, GREY, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from methods.attention.graph import AttentionGraph

MOST_NODES = 12
"""Nodes of a level that are drawn: those with the largest share in the result."""


def largest(graph: AttentionGraph, most: int = MOST_NODES) -> AttentionGraph:
    """Return the nodes of each level with the largest shares in the result.

    A row may then sum to less than 1; it is scaled, so that it shows the shares among the drawn nodes.
    """
    from methods.attention.graph import AttentionGraph

    kept = [np.arange(len(graph.levels[0]))]
    share = np.full((1, len(graph.levels[0])), 1 / len(graph.levels[0]))
    for weights in graph.adjacency:
        share = share @ weights
        kept.append(np.sort(np.argsort(-share[0], kind="stable")[:most]))
    adjacency = []
    for level, weights in enumerate(graph.adjacency):
        part = weights[np.ix_(kept[level], kept[level + 1])]
        total = part.sum(axis=1, keepdims=True)
        adjacency.append(np.divide(part, total, out=np.zeros_like(part), where=total > 0))
    levels = tuple(
        tuple(names[node] for node in nodes) for names, nodes in zip(graph.levels, kept, strict=True)
    )
    return AttentionGraph(levels, tuple(adjacency))


def draw(figure: Figure, graph: AttentionGraph) -> None:
    """Draw nodes, and edges as wide as their weight; those below 1% are left out."""
    from methods.attention.graph import positions

    axes = figure.subplots()
    heights = positions(graph)
    for edge in sorted(graph.edges(), key=lambda edge: edge.weight):
        if edge.weight >= 0.01:
            level = edge.level - 1
            start = heights[level][graph.levels[level].index(edge.source)]
            end = heights[level + 1][graph.levels[level + 1].index(edge.target)]
            axes.plot(
                [level, level + 1], [1 - start, 1 - end], color=BLUE, zorder=1,
                linewidth=0.4 + 7 * edge.weight, alpha=0.25 + 0.6 * edge.weight, solid_capstyle="round",
            )  # fmt: skip
    last = len(graph.levels) - 1
    for level, names in enumerate(graph.levels):
        for name, height in zip(names, heights[level], strict=True):
            axes.text(
                level, 1 - height, _short(name), va="center", ha="left" if level == last else "center",
                fontsize=8, color=INK, zorder=2,
                bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": GREY},
            )  # fmt: skip
    axes.set(xlim=(-0.35, last + 0.6), ylim=(-0.02, 1.02))
    axes.axis("off")


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
