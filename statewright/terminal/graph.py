"""The declared graph as text and as JSON: stages, their inputs, connected parts."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from statewright.terminal.words import counted
from statewright.workflow import Stage, Workflow

MOST_NAMED = 6
"""Maximum number of files that are listed for a stage."""


def select(graph: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Return the part of a graph of `repository.describe` with `wanted` addresses."""
    return {
        "stages": [stage for stage in graph["stages"] if stage["address"] in wanted],
        "edges": [[a, b] for a, b in graph["edges"] if a in wanted and b in wanted],
        "order": [address for address in graph["order"] if address in wanted],
    }


def parts(workflow: Workflow, wanted: Collection[str]) -> list[list[str]]:
    """Return the connected parts, largest first, each in an order that can run."""
    label: dict[str, str] = {}

    def root(address: str) -> str:
        while label[address] != address:
            label[address] = address = label[label[address]]
        return address

    for address in workflow.stages:
        if address in wanted:
            label[address] = address
            for up in workflow.upstream[address]:
                if up in label:
                    label[root(up)] = root(address)
    groups: dict[str, list[str]] = {}
    for address in label:
        groups.setdefault(root(address), []).append(address)
    return sorted(groups.values(), key=len, reverse=True)


def print_graph(workflow: Workflow, wanted: Collection[str], console: Console) -> None:
    """Print the stages of each connected part in order, with inputs and outputs."""
    groups = parts(workflow, wanted)
    connected = [group for group in groups if len(group) > 1]
    alone = [address for group in groups if len(group) == 1 for address in group]
    for number, group in enumerate(connected):
        if len(groups) > 1:
            console.print(Text(f"{'' if not number else chr(10)}part {number + 1}", style="bold underline"))
        for address in group:
            _print_stage(workflow, workflow.stages[address], console)
    if alone:
        if connected:
            console.print(Text("\nunconnected stages", style="bold underline"))
        for address in alone:
            _print_stage(workflow, workflow.stages[address], console)
    edges = sum(len(workflow.upstream[address]) for address in wanted)
    console.print(
        f"\n{counted(len(wanted), 'stage')}, {counted(edges, 'edge')}, {counted(len(groups), 'part')}"
        if wanted
        else "no stages are declared",
        style="dim",
        highlight=False,
    )


def _print_stage(workflow: Workflow, stage: Stage, console: Console) -> None:
    ups = workflow.upstream[stage.address]
    line = Text(stage.address, style="bold")
    notes = [word for word, applies in _notes(stage).items() if applies]
    if notes:
        line.append(f"  [{', '.join(notes)}]", style="not bold yellow")
    if stage.desc:
        line.append("  " + textwrap.shorten(stage.desc, 80, placeholder=" ..."), style="not bold dim")
    console.print(line, soft_wrap=True)
    made = {out.path for up in ups for out in workflow.stages[up].outs}
    keys = [f"{file}:{key}" for file, names in stage.params.items() for key in names or ("(all)",)]
    _print_row("after", ups, "cyan", console)
    _print_row("reads", [dep for dep in stage.deps if dep not in made], "", console)
    _print_row("params", keys, "magenta", console)
    _print_row("writes", [out.path for out in stage.outs], "green", console)


def _notes(stage: Stage) -> dict[str, bool]:
    return {
        "data": not stage.cmd and not stage.deps,
        "import": not stage.cmd and bool(stage.deps),
        "frozen": stage.frozen and bool(stage.cmd),
        "always runs": stage.always_changed and bool(stage.cmd),
    }


def _print_row(word: str, names: Collection[str], style: str, console: Console) -> None:
    if not names:
        return
    shown = list(names)[:MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    width = max(20, min(console.width, 120) - 12)
    lines = textwrap.wrap(", ".join(shown) + more, width, break_long_words=False, break_on_hyphens=False)
    for number, text in enumerate(lines):
        console.print(
            Text(f"    {word if not number else '':7}", style="dim").append(text, style=f"not dim {style}"),
            soft_wrap=True,
        )
