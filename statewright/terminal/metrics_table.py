"""The metrics that differ from the last commit, as a short table."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statewright.repository.metrics_diff import MetricChange, MetricChanges
from statewright.terminal.words import counted, one_line, shortened, width_of

MAX_ROWS = 10
"""Maximum number of metrics in the table; `dvc metrics diff` prints all."""


def print_metrics(changes: MetricChanges | None, console: Console) -> None:
    """Print the metrics that differ most from the last commit."""
    if changes is not None and changes.problem:
        problem = f"metrics were not compared with {changes.commit[:7]}: {one_line(changes.problem)}"
        console.print(Text(problem), soft_wrap=True)
    if changes is None or not changes.changes:
        return
    ranked = sorted(changes.changes, key=_relative, reverse=True)
    width = width_of(console)
    table = Table(box=None, pad_edge=False)
    table.add_column(f"metric (against {changes.commit[:7]})", no_wrap=True)
    for name in ("was", "is", "change"):
        table.add_column(name, no_wrap=True, justify="right")
    for change in ranked[:MAX_ROWS]:
        difference = _difference(change)
        table.add_row(
            Text(shortened(one_line(f"{change.file}: {change.key}"), width - 42)),
            _shown(change.old),
            _shown(change.new),
            "" if difference is None else f"{difference:+.4g}",
        )
    console.print(table)
    if len(ranked) > MAX_ROWS:
        more = counted(len(ranked) - MAX_ROWS, "other metric")
        console.print(Text(f"and {more} (`dvc metrics diff`)", style="dim"))
    if changes.unreadable:
        files = counted(len(changes.unreadable), "file")
        console.print(Text(f"metrics of {files} cannot be read at {changes.commit[:7]}", style="dim"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _difference(change: MetricChange) -> float | None:
    if _is_number(change.old) and _is_number(change.new):
        return float(change.new) - float(change.old)
    return None


def _relative(change: MetricChange) -> float:
    """Return the size of a change relative to its values; infinity for a new value."""
    difference = _difference(change)
    if difference is None:
        return math.inf
    largest = max(abs(change.old), abs(change.new))
    return abs(difference) / largest if largest else 0.0


def _shown(value: Any) -> Text:
    if value is None:
        return Text("-")
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return Text(shortened(one_line(text), 12))
