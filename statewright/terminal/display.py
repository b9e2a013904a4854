"""Progress of a run: a live table in a terminal, lines elsewhere.

Without a terminal, the output of the stages is printed too, each line with the name of its stage.
In a terminal, the table shows the last line of each running stage; with `verbose`, all output is
printed above the table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from statewright.planning.plan import Plan
from statewright.terminal.words import about, clock, counted, one_line, shortened, terminal, width_of

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

ENDED = ("ran", "done", "restored", "skipped", "failed", "blocked")
"""States of a stage that has ended."""


@dataclass
class Row:
    """Progress of one stage; `note` is the last line of its output."""

    state: str = "waiting"
    started: float | None = None
    finished: float | None = None
    note: str = ""


@dataclass
class Board:
    """Current progress of all stages; threads write it and the display reads it.

    Parameters
    ----------
    verbose : bool
        Whether to print the output of the stages also in a terminal.
    complete : bool
        Whether the table shows all stages, also those for which the terminal has no line.
    """

    plan: Plan
    rows: dict[str, Row]
    console: Console
    verbose: bool = False
    complete: bool = False
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def update(self, address: str, state: str | None = None, note: str | None = None) -> None:
        """Set the state or the note of a stage; without a terminal, print a new state."""
        with self.mutex:
            row = self.rows[address]
            if note is not None:
                row.note = one_line(note)
            if state is None or state == row.state:
                return
            row.state = state
            if state == "running":
                row.started, row.finished = time.monotonic(), None
            else:
                row.finished = time.monotonic()
            took = f" in {clock(row.finished - row.started)}" if row.finished and row.started else ""
            # The error of a failed stage is printed once, at the end of the run.
            extra = f": {row.note}" if state in ("blocked", "waiting") and row.note else ""
        if not self.console.is_interactive:
            self._print(f"{one_line(self.plan.label(address))}: {state}{took}{extra}\n")

    def output(self, address: str, lines: Sequence[str], unfinished: str = "") -> None:
        """Take output of a stage: print the lines, and keep the last text as its note."""
        last = next((text for text in (unfinished, *reversed(lines)) if text.strip()), None)
        if last is not None:
            self.rows[address].note = one_line(last)
        if not lines or self.console.quiet or (self.console.is_interactive and not self.verbose):
            return
        prefix = f"{one_line(self.plan.label(address))} | "
        self._print("".join(f"{prefix}{line}\n" for line in lines))

    def _print(self, text: str) -> None:
        """Print lines; a reader that has gone must not fail the stage that prints."""
        if self.console.quiet:
            return
        with suppress(OSError, ValueError):
            if self.console.is_interactive:
                # Not under the mutex: the live table takes Rich's lock first, and then the mutex.
                self.console.print(Text(text.removesuffix("\n")), soft_wrap=True)
            else:
                # Not by Rich, which is too slow for millions of lines.
                with self.mutex:
                    self.console.file.write(text)
                    self.console.file.flush()

    def table(self) -> Group:
        """Return the current table, in the lines that the terminal has."""
        table = Table(box=None, pad_edge=False, expand=False)
        predicted = any(self.plan.decisions[address].seconds for address in self.rows)
        for name in ("stage", "state", "elapsed", *(["predicted"] if predicted else []), ""):
            table.add_column(
                name, justify="right" if name in ("elapsed", "predicted") else "left", no_wrap=True
            )
        width = width_of(self.console)
        rows = self.rows
        shown = list(rows) if self.complete else _most_relevant(rows, self.console.height - 4)
        names = min(max((len(a) for a in shown), default=0), width // 2)
        for address in shown:
            row = rows[address]
            elapsed = (row.finished or time.monotonic()) - row.started if row.started else None
            note = row.note if row.state in ("running", "blocked") else ""
            table.add_row(
                Text(shortened(one_line(self.plan.label(address)), names)),
                Text(row.state, style=COLOURS.get(row.state, "")),
                clock(elapsed) if elapsed is not None else "",
                *([about(self.plan.decisions[address].seconds)] if predicted else []),
                Text(shortened(note, max(10, width - names - 30)), style="dim", overflow="ellipsis"),
            )
        if len(shown) < len(rows):
            states = [row.state for row in rows.values()]
            ended = sum(state in ENDED for state in states)
            total = f"{ended} of {counted(len(rows), 'stage')} ended, {states.count('running')} running"
            return Group(table, Text(total, style="dim", no_wrap=True))
        return Group(table)


def _most_relevant(rows: Mapping[str, Row], most: int) -> list[str]:
    """Return the stages for a table of `most` lines, running and failed ones first."""
    if len(rows) <= most:
        return list(rows)
    order = {"running": 0, "failed": 0, "waiting": 1}
    ranked = sorted(rows, key=lambda address: order.get(rows[address].state, 2))
    chosen = set(ranked[: max(1, most)])
    return [address for address in rows if address in chosen]


def new_board(plan: Plan, console: Console | None = None, *, verbose: bool = False) -> Board:
    """Return a board with a row for each stage that has work."""
    return Board(plan, {address: Row() for address in plan.work}, console or terminal(), verbose)


@contextmanager
def live_board(board: Board) -> Iterator[None]:
    """Show the board live during the block, if there is a terminal."""
    if board.console.quiet or not board.console.is_interactive:
        yield
        return
    with Live(get_renderable=board.table, console=board.console, refresh_per_second=4):
        try:
            yield
        finally:
            board.complete = True  # the last table stays, so it may be longer than the screen
