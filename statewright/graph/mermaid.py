"""Write a graph of stages in Mermaid's language, for Markdown."""

from __future__ import annotations

from statewright.graph.layout import without_implied_edges
from statewright.graph.model import STATES, StageGraph
from statewright.graph.svg import colours, label


def write_mermaid(graph: StageGraph) -> str:
    """Return the flowchart; edges that follow from others are left out."""
    number = {name: f"s{k}" for k, name in enumerate(graph.nodes)}
    reduced = without_implied_edges(graph.nodes, graph.edges)
    lines = ["flowchart LR"]
    for name, node in graph.nodes.items():
        text = f"{_escape(label(node))}<br/>{_escape(node.status)}"
        lines.append(f'  {number[name]}["{text}"]:::{node.state}')
    lines += [f"  {number[a]} --> {number[b]}" for a, b in reduced.edges]
    present = {node.state for node in graph.nodes.values()}
    lines += [
        f"  classDef {state} stroke:{colours()[state]},stroke-width:2px"
        for state in STATES
        if state in present
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Return a text that Mermaid shows literally, with entities such as ``#35;``."""
    return "".join(c if c.isalnum() or c in " -_.,/@" else f"#{ord(c)};" for c in text)
