"""Print a difference of revisions to the terminal, and write it as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statewright.comparison.difference import RevisionDifference
from statewright.comparison.summary import (
    ValueRow,
    headline,
    output_rows,
    size_line,
    stage_rows,
    value_rows,
)
from statewright.planning.plan import Plan
from statewright.planning.reasons import Reason, show
from statewright.terminal.display import COLOURS
from statewright.terminal.words import counted, megabytes, one_line, width_of

MAX_ROWS = 50
"""Maximum number of rows of a Markdown table: GitHub rejects a comment of over 65,536 characters."""

MAX_LINES = 20
"""Maximum number of params, metrics or outputs in a terminal."""

MARKER = "<!-- statewright diff -->"
"""First line of the Markdown, by which a workflow finds its earlier comment."""


def print_difference(difference: RevisionDifference, console: Console) -> None:
    """Print the stages, params, metrics and sizes that differ."""
    console.print(headline(difference), soft_wrap=True)
    if rows := stage_rows(difference):
        predicted = any(row.duration for row in rows)
        table = _table("stage", "change", *(["predicted"] if predicted else []), "why")
        for row, stage in zip(rows, difference.stages, strict=True):
            style = COLOURS[stage.verdict] if stage.verdict != "skip" else ""
            times = [row.duration] if predicted else []
            table.add_row(Text(row.stage), Text(row.change, style=style), *times, Text(row.cause))
        console.print(table, width=width_of(console))
    for title, files in (("params", difference.params), ("metrics", difference.metrics)):
        if values := list(value_rows(files)):
            print_values(title, values, console)
    if outputs := output_rows(difference.stages):
        print_values("outputs", outputs, console)
    if line := size_line(difference):
        console.print(f"data: {line}", soft_wrap=True)
    if difference.unreadable:
        console.print(_unreadable(difference.unreadable), style="yellow", soft_wrap=True)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name != "why")
    return table


def print_values(title: str, rows: Sequence[ValueRow], console: Console) -> None:
    """Print a table of values that differ; a long name is folded, not cut."""
    absent = show(None)
    first = any(row.old != absent for row in rows)
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="fold")
    for name in ("old", "new", "change") if first else ("new", ""):
        table.add_column(name, justify="right", overflow="fold", min_width=len(name))
    for row in rows[:MAX_LINES]:
        texts = (row.name, row.old, row.new, row.change) if first else (row.name, row.new, row.change)
        table.add_row(*map(Text, texts))
    console.print(table, width=width_of(console))
    if len(rows) > MAX_LINES:
        console.print(Text(f"and {len(rows) - MAX_LINES} more {title}; --json has all", style="dim"))


def _unreadable(files: Sequence[str]) -> str:
    named = ", ".join(files[:3]) + (" and more" if len(files) > 3 else "")
    return f"metrics that cannot be read are not compared: {named}; `dvc fetch` gets missing files"


def print_check(plan: Plan, console: Console) -> None:
    """Print one line for each stage whose record is not up to date, and a summary."""
    stale = [decision for decision in plan.decisions.values() if decision.verdict != "skip"]
    for decision in stale:
        reasons = [reason for reason in decision.reasons if not reason.kind.startswith("passing")]
        console.print(one_line(f"{decision.address}: {_first(reasons)}"), soft_wrap=True)
    if stale:
        text = f"{counted(len(stale), 'stage')} of {len(plan.decisions)} not up to date"
        console.print(f"{text}; `statewright run`, then commit dvc.lock", soft_wrap=True)
    else:
        console.print(f"{counted(len(plan.decisions), 'stage')} up to date")


def _first(reasons: Sequence[Reason]) -> str:
    return reasons[0].text + (f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else "")


def markdown(difference: RevisionDifference) -> str:
    """Return the difference as Markdown, for the comment of a pull request."""
    parts = [MARKER, f"**{_escape(headline(difference))}**"]
    rows = [(_code(r.stage), r.change, r.duration, _escape(r.cause)) for r in stage_rows(difference)]
    if rows:
        parts.append(_markdown_table(("stage", "change", "predicted", "why"), rows))
    for title, files in (("params", difference.params), ("metrics", difference.metrics)):
        values = [(_code(r.name), _code(r.old), _code(r.new), r.change) for r in value_rows(files)]
        if values:
            parts.append(_markdown_table((title, "old", "new", "change"), values))
    outputs = [
        (_code(out.path), _size(out.size_was), _size(out.size_now))
        for stage in difference.stages
        for out in stage.outputs
    ]
    if outputs:
        table = _markdown_table(("output", "old", "new"), outputs)
        summary = _escape(f"Data: {size_line(difference)}")
        parts.append(f"<details><summary>{summary}</summary>\n\n{table}\n\n</details>")
    if difference.unreadable:
        parts.append(_escape(_unreadable(difference.unreadable)))
    return "\n\n".join(parts) + "\n"


def _size(size: int | None) -> str:
    return "" if size is None else megabytes(size)


def _markdown_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(row) + " |" for row in rows[:MAX_ROWS]]
    text = "\n".join(lines)
    return f"{text}\n\nand {len(rows) - MAX_ROWS} more" if len(rows) > MAX_ROWS else text


_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "\\`*_[]|#~"} | {"<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "}
)


def _escape(text: str) -> str:
    """Return a text that Markdown shows literally, without a mention."""
    return text.translate(_SPECIAL).replace("@", "@<!-- -->")


def _code(text: str) -> str:
    """Return a text as code in a cell of a table."""
    plain = text.replace("\n", " ").replace("\r", " ").replace("|", "\\|")
    if not plain.strip():
        return ""
    fence = "``" if "`" in plain else "`"
    space = " " if "`" in plain else ""
    return f"{fence}{space}{plain}{space}{fence}"
