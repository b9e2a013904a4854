"""Print recorded runs: the list of them, and one in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statewright.comparison.causes import (
    cause,
    headline_metrics,
    metrics_of,
    outcome,
    repeat_commands,
    when,
    why,
)
from statewright.comparison.display import print_values
from statewright.comparison.run_details import RunDetails, prefect_page
from statewright.comparison.summary import output_rows, value_rows
from statewright.record.transitions.model import Transition, Values
from statewright.running.failure import end_of_output, print_block
from statewright.terminal.display import COLOURS
from statewright.terminal.words import clock, counted, one_line, shortened, width_of

STATE_COLOURS: Mapping[str, str] = {"failed": "bold red", "running": "yellow", "stopped": "red"}
MAX_STAGES = 40
"""Maximum number of stages of a run in a terminal; `--json` has all."""


def print_history(
    wanted: Sequence[Transition], values: Mapping[str, Values], console: Console, total: int, limit: int
) -> None:
    """Print a line for each run, the newest first, and its metrics that changed.

    Parameters
    ----------
    wanted : sequence of Transition
        The runs to print and, with which the metrics of the last of them are compared, one more.
    total : int
        Number of recorded runs.
    """
    width, runs = width_of(console), wanted[:limit]
    rows = [(run.id, when(run.run.started), outcome(run), _took(run)) for run in runs]
    taken = sum(max(len(row[column]) for row in rows) + 2 for column in range(4))
    table = Table(box=None, pad_edge=False)
    for name in ("run", "when", "stages", "took", "cause"):
        table.add_column(name, no_wrap=name != "cause", justify="right" if name == "took" else "left")
    earlier = [*wanted[1:], *([] if len(wanted) > limit else [None])]
    for run, before, (name, start, stages, took) in zip(runs, earlier, rows, strict=True):
        metrics = headline_metrics(metrics_of(run, values), metrics_of(before, values))
        room = max(20, width - taken)
        text = Text(shortened(cause(run), room))
        if metrics:
            text.append(f"\n{shortened(metrics, room)}", style="dim")
        style = STATE_COLOURS.get(run.state, "")
        table.add_row(Text(name, style="cyan"), start, Text(stages, style=style), took, text)
    console.print(table)
    if total > len(runs):
        more = counted(total - len(runs), "earlier run")
        console.print(Text(f"and {more}; --limit {total} lists all", style="dim"), soft_wrap=True)


def print_run(details: RunDetails, console: Console) -> None:
    """Print what a run did and why, what it changed, its logs, and how to repeat it."""
    run = details.run
    console.print(Text.assemble((f"run {run.id}", "bold"), f"  {one_line(cause(run))}"), soft_wrap=True)
    style = STATE_COLOURS.get(run.state, "green")
    took = f", took {_took(run)}" if run.run.seconds is not None else ""
    line = Text.assemble(f"{when(run.run.started, precise=True)}{took}, ", (run.state, style))
    if commit := run.run.commit:
        line.append(f", commit {commit[:12]}" + (" with uncommitted changes" if run.run.dirty else ""))
    console.print(line, soft_wrap=True)
    _print_stages(run, console)
    for stage in run.stages:
        if stage.status == "failed" and stage.stage in details.logs:
            console.print(
                Text(f"\nend of the output of {one_line(stage.stage)}", style="red"), soft_wrap=True
            )
            print_block(end_of_output(details.logs[stage.stage]), console)
    changes = details.changes
    for title, files in (("params", changes.params), ("metrics", changes.metrics)):
        if rows := list(value_rows(files)):
            console.print()
            print_values(title, rows, console)
    if outputs := output_rows(changes.stages):
        console.print()
        print_values("outputs", outputs, console)
    console.print()
    for name, text in _links(details):
        console.print(Text.assemble((f"{name:8}", "dim"), text), soft_wrap=True)


def _print_stages(run: Transition, console: Console) -> None:
    if not run.stages:
        return
    width = width_of(console)
    names = min(max(len(stage.stage) for stage in run.stages), width // 2)
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state", "took", "why"):
        table.add_column(name, no_wrap=name != "why", justify="right" if name == "took" else "left")
    failed_first = sorted(run.stages, key=lambda stage: stage.status != "failed")
    shown = run.stages if len(run.stages) <= MAX_STAGES else failed_first[:MAX_STAGES]
    for stage in shown:
        table.add_row(
            Text(shortened(one_line(stage.stage), names)),
            Text(stage.status, style=COLOURS.get(stage.status, "")),
            "" if stage.seconds is None else clock(stage.seconds),
            Text(why(stage)),
        )
    console.print()
    console.print(table, width=width)
    if len(run.stages) > len(shown):
        console.print(Text(f"and {len(run.stages) - len(shown)} more stages; --json has all", style="dim"))


def _links(details: RunDetails) -> list[tuple[str, str]]:
    """Return the lines of logs, pages and commands."""
    run = details.run
    wanted = [stage.stage for stage in run.stages if stage.status == "failed"]
    logs = [details.logs[name] for name in wanted if name in details.logs]
    folders = dict.fromkeys(path.parent for path in details.logs.values())
    lines = [("log", str(path)) for path in logs] or [("logs", f"{folder}/") for folder in folders]
    if not lines and run.stages:
        lines = [("logs", "removed from this folder; MLflow has the end of each")]
    if run.is_recorded:
        pages = [part.run.link or f"run {part.run.run_id}" for part in run.parts or (run,)]
        lines += [("MLflow", page) for page in pages]
    else:
        lines.append(("MLflow", "is being recorded; `statewright record` waits for it"))
    if prefect := prefect_page(run):
        lines.append(("Prefect", prefect))
    return [*lines, *(("repeat", command) for command in repeat_commands(run))]


def _took(run: Transition) -> str:
    return "" if run.run.seconds is None else clock(run.run.seconds)
