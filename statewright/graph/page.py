"""Write a graph of stages as one HTML page that loads nothing.

Names of stages come from other people: they reach the page as escaped text and as JSON, never as code. The
page's policy allows one script, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from statewright.graph.model import STATES, StageGraph
from statewright.graph.svg import STYLE, drawing_of, label
from statewright.terminal.words import one_line
from statewright.workflow import Workflow

FOLDER = Path(__file__).parent / "page"


def write_page(graph: StageGraph, workflow: Workflow, title: str) -> str:
    """Return the page as text."""
    drawing = drawing_of(graph)
    script = _read("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {**_data(graph, workflow), "width": drawing.width, "height": drawing.height}
    present = {cell.state for cell in graph.cells.values()}
    legend = "".join(f'<li class="{s}"><i></i>{words}</li>' for s, words in STATES.items() if s in present)
    return Template(_read("page.html")).substitute(
        title=escape(one_line(title)),
        summary=escape(graph.summary),
        style=STYLE + _read("page.css"),
        digest=f"sha256-{digest}",
        width=f"{drawing.width:.0f}",
        height=f"{drawing.height:.0f}",
        drawing="\n".join(drawing.parts),
        legend=legend,
        data=_for_script(values),
        script=script,
    )


def _data(graph: StageGraph, workflow: Workflow) -> dict[str, Any]:
    node_of = {cell.address: k for k, node in enumerate(graph.nodes.values()) for cell in node.cells}
    needs = {a: [up for up in workflow.upstream[a] if up in node_of] for a in node_of}
    needed_by: dict[str, list[str]] = {address: [] for address in node_of}
    for address, ups in needs.items():
        for up in ups:
            needed_by[up].append(address)
    stages = {
        cell.address: {
            "label": one_line(cell.label),
            "node": node_of[cell.address],
            "state": cell.state,
            "time": cell.time,
            "desc": cell.desc,
            "causes": [
                {"kind": cause.kind, "text": one_line(cause.text), "origins": list(cause.origins)}
                for cause in cell.causes
            ],
            "outs": [one_line(path) for path in cell.outs],
            "needs": needs[cell.address],
            "neededBy": needed_by[cell.address],
        }
        for cell in graph.cells.values()
    }
    nodes = [
        {"name": label(node), "cells": [cell.address for cell in node.cells], "text": _searched(node.cells)}
        for node in graph.nodes.values()
    ]
    return {"stages": stages, "nodes": nodes, "words": dict(STATES)}


def _searched(cells: Any) -> str:
    """Return the text in which a search looks."""
    parts = [part for c in cells for part in (c.label, STATES[c.state], c.desc, *c.outs)]
    return " ".join(dict.fromkeys(one_line(part).lower() for part in parts))


def _for_script(values: Mapping[str, Any]) -> str:
    """Return JSON in which no text can end the element that holds it."""
    text = json.dumps(values, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
