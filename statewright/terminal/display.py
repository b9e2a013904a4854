"""The plan as a table, and the progress of a run as a live table or plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from statewright.planning.plan import Plan
from statewright.planning.reasons import Reason
from statewright.scheduling.prediction import Prediction

COLOURS: Mapping[str, str] = {
    "must": "yellow",
    "may": "cyan",
    "restore": "blue",
    "skip": "dim",
    "waiting": "dim",
    "running": "yellow",
    "ran": "green",
    "done": "green",
    "restored": "blue",
    "skipped": "dim",
    "failed": "bold red",
    "blocked": "red",
}


MOST_NAMED = 3
"""Maximum number of changed functions or earlier stages in a row; `--json` lists all."""


NO_STAGES = "no stage is declared; `dvc stage add` or `statewright init PIPELINE` declares one"


@dataclass
class Row:
    """Progress of one stage; `note` is the last line of its output."""

    state: str = "waiting"
    started: float | None = None
    finished: float | None = None
    note: str = ""


@dataclass
class Board:
    """Current progress of all stages; threads write it and the display reads it."""

    plan: Plan
    rows: dict[str, Row]
    console: Console
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def update(self, address: str, state: str | None = None, note: str | None = None) -> None:
        """Set the state or the note of a stage; without a terminal, print a new state."""
        with self.mutex:
            row = self.rows[address]
            if note is not None:
                row.note = note
            if state is None or state == row.state:
                return
            row.state = state
            if state == "running":
                row.started, row.finished = time.monotonic(), None
            else:
                row.finished = time.monotonic()
            if not self.console.is_terminal:
                took = f" in {clock(row.finished - row.started)}" if row.finished and row.started else ""
                extra = f": {row.note}" if state in ("failed", "blocked", "waiting") and row.note else ""
                self.console.print(
                    f"{address}: {state}{took}{extra}", highlight=False, markup=False, soft_wrap=True
                )

    def table(self) -> Group:
        """Return the current table."""
        table = Table(box=None, pad_edge=False, expand=False)
        for name in ("stage", "state", "elapsed", "predicted", ""):
            table.add_column(
                name, justify="right" if name in ("elapsed", "predicted") else "left", no_wrap=True
            )
        with self.mutex:
            for address, row in self.rows.items():
                elapsed = (row.finished or time.monotonic()) - row.started if row.started else None
                note = row.note if row.state in ("running", "failed", "blocked") else ""
                table.add_row(
                    Text(address),
                    Text(row.state, style=COLOURS.get(row.state, "")),
                    clock(elapsed) if elapsed is not None else "",
                    span(self.plan.decisions[address].seconds),
                    Text(note[-100:], style="dim", overflow="ellipsis"),
                )
        return Group(table)


def terminal(*, stderr: bool = True) -> Console:
    """Return a console; without a terminal it is wide enough for long lines."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=240)


def new_board(plan: Plan, console: Console | None = None) -> Board:
    """Return a board with a row for each stage that has work."""
    return Board(plan, {address: Row() for address in plan.work}, console or terminal())


@contextmanager
def live_board(board: Board) -> Iterator[None]:
    """Show the board live during the block, if there is a terminal."""
    if not board.console.is_terminal:
        yield
        return
    with Live(get_renderable=board.table, console=board.console, refresh_per_second=4):
        yield


def print_plan(plan: Plan, console: Console, prediction: Prediction | None = None, workers: int = 1) -> None:
    """Print verdict, predicted duration and reasons of each stage, and a summary.

    A prediction of the total is printed only if at least one stage has a recorded duration.
    """
    if not plan.decisions:
        console.print(NO_STAGES, markup=False, highlight=False)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "verdict", "predicted", "why"):
        table.add_column(name, justify="right" if name == "predicted" else "left", no_wrap=name != "why")
    for address, decision in plan.decisions.items():
        table.add_row(
            Text(address),  # as text, because rich reads `a@[x]` as markup
            Text(decision.verdict, style=COLOURS[decision.verdict]),
            span(decision.seconds),
            Text(why(decision.reasons)),
        )
    console.print(table)
    console.print(summary(plan), highlight=False)
    if prediction and any(plan.decisions[address].seconds for address in plan.work):
        console.print(
            f"predicted {span((prediction.low, prediction.high))} on {counted(workers, 'core')}; "
            f"critical path: {' > '.join(prediction.critical)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def why(reasons: Iterable[Reason]) -> str:
    """Return reasons as one text."""
    reasons = list(reasons)
    texts = [reason.text for reason in reasons if reason.kind not in ("code", "upstream")]
    for kind in ("code", "upstream"):
        subjects = [reason.subject for reason in reasons if reason.kind == kind]
        if subjects:
            more = f" and {len(subjects) - MOST_NAMED} more" if len(subjects) > MOST_NAMED else ""
            texts.append(Reason(kind, ", ".join(subjects[:MOST_NAMED]) + more).text)
    return "; ".join(texts)


def summary(plan: Plan) -> str:
    """Return the number of stages for each verdict and the total of their durations."""
    verdicts = [decision.verdict for decision in plan.decisions.values()]
    parts = [f"{verdicts.count(v)} {v}" for v in ("must", "may", "restore", "skip") if v in verdicts]
    times = [plan.decisions[a].seconds for a in plan.work if plan.decisions[a].verdict != "restore"]
    known = [time for time in times if time]
    text = ", ".join(parts)
    if known:
        low, high = sum(t[0] for t in known), sum(t[1] for t in known)
        unknown = len(times) - len(known)
        without = f", {counted(unknown, 'stage')} without a prediction" if unknown else ""
        text += f"; commands take {span((low, high))} in total{without}"
    return text


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 stage``, ``2 stages``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """Return a duration as text: ``0.4 s``, ``12 s``, ``3:05``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def span(seconds: tuple[float, float] | None) -> str:
    """Return a range of durations as text: ``2.0 s to 1:10``."""
    if not seconds:
        return ""
    low, high = clock(seconds[0]), clock(seconds[1])
    return low if low == high else f"{low} to {high}"
