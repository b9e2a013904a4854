"""Draw a graph of stages as SVG, with colours for light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.cells import cell_len

from statewright.graph.layout import Box, Point, place
from statewright.graph.model import STATES, Node, StageGraph
from statewright.terminal.words import one_line

CHARACTER, PADDING, MARGIN, HEAD = 7.6, 26.0, 24.0, 64.0
"""Pixels: width of a character at 12 px in the widest usual font, and of the free space around."""

STYLE = (Path(__file__).parent / "page" / "graph.css").read_text(encoding="utf-8")


def draw_svg(graph: StageGraph, title: str) -> str:
    """Return the graph as an SVG file, with title and legend."""
    drawing = drawing_of(graph)
    legend = _legend(graph)
    head = max(len(title), len(graph.summary)) * CHARACTER
    width = max(drawing.width, head, legend[1]) + 2 * MARGIN
    height = drawing.height + HEAD + MARGIN + 28
    return (
        "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
                f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{_text(title)}">',
                f"<style>{STYLE}</style>",
                f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
                f'<text class="title" x="{MARGIN}" y="28">{_text(title)}</text>',
                f'<text class="note" x="{MARGIN}" y="46">{_text(graph.summary)}</text>',
                f'<g transform="translate({MARGIN} {HEAD})">',
                *drawing.parts,
                "</g>",
                f'<g transform="translate({MARGIN} {height - 24:.0f})">{legend[0]}</g>',
                "</svg>",
            ]
        )
        + "\n"
    )


@dataclass(frozen=True)
class Drawing:
    """Elements of a drawn graph, and its size in pixels."""

    parts: Sequence[str]
    width: float
    height: float


def drawing_of(graph: StageGraph) -> Drawing:
    """Return the drawn edges and nodes, each with the class of its state."""
    widths = {name: _width(node) for name, node in graph.nodes.items()}
    layout = place(widths, graph.edges)
    number = {name: k for k, name in enumerate(graph.nodes)}
    parts = [
        f'<path class="edge" data-from="{number[a]}" data-to="{number[b]}" d="{_curve(points)}"/>'
        for (a, b), points in layout.edges.items()
    ]
    parts += [
        f'<text class="lane" x="0" y="{lane.y + 12:.1f}">{_text(lane.title)}</text>'
        for lane in layout.lanes
        if lane.title
    ]
    parts += [_box(node, layout.boxes[name], number[name]) for name, node in graph.nodes.items()]
    return Drawing(parts, layout.width, layout.height)


def label(node: Node) -> str:
    """Return the name of a node as one line."""
    return one_line(node.cells[0].label if len(node.cells) == 1 else node.name)


def _width(node: Node) -> float:
    return max(cell_len(label(node)), cell_len(node.status)) * CHARACTER + PADDING


def _box(node: Node, box: Box, number: int) -> str:
    cell = node.cells[0]
    about = f"{label(node)}: {node.status}" + (f"; {cell.desc}" if cell.desc else "")
    size = f'width="{box.width:.1f}" height="{box.height:.1f}"'
    behind = f'<rect class="behind" x="4" y="4" {size} rx="4"/>' if len(node.cells) > 1 else ""
    return (
        f'<g class="node {node.state}" data-node="{number}" transform="translate({box.x:.1f} {box.y:.1f})">'
        f"<title>{_text(about)}</title>{behind}"
        f'<rect class="box" {size} rx="4"/><rect class="band" width="6" height="{box.height:.1f}" rx="3"/>'
        f'<text class="name" x="14" y="17">{_text(label(node))}</text>'
        f'<text class="status" x="14" y="32">{_text(node.status)}</text></g>'
    )


def _curve(points: Sequence[Point]) -> str:
    """Return the path through points: a curve between columns, a line across one."""
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for k, (to_x, to_y) in enumerate(rest):
        middle = (x + to_x) / 2
        curve = f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        parts.append(curve if k % 2 == 0 else f"L{to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(parts)


def _legend(graph: StageGraph) -> tuple[str, float]:
    """Return the legend of the states that occur, and its width."""
    parts, x = [], 0.0
    present = {cell.state for cell in graph.cells.values()}
    for state, words in STATES.items():
        if state in present:
            parts.append(
                f'<g class="{state}"><rect class="band" x="{x:.1f}" width="12" height="12" rx="3"/></g>'
                f'<text class="note" x="{x + 18:.1f}" y="10">{words}</text>'
            )
            x += 18 + (len(words) + 3) * CHARACTER
    return "".join(parts), x


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)


def colours() -> Mapping[str, str]:
    """Return state -> colour on a light background, for Mermaid."""
    return {"failed": "#cf222e", "must": "#b45309", "may": "#0e7490", "restore": "#1d4ed8", "skip": "#57606a"}
