"""Progress of a study: a live table in a terminal, a line a trial elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from statewright.masking import mask_value
from statewright.terminal.words import clock, counted, one_line, shortened, width_of
from statewright.tuning.study import (
    AGAIN,
    DEFAULT,
    DONE,
    FAILED,
    PRUNED,
    REPEATED,
    Candidate,
    Study,
    Trial,
)

COLOURS: Mapping[str, str] = {DONE: "green", FAILED: "bold red", PRUNED: "yellow", REPEATED: "blue"}
OTHER_LINES = 6
"""Lines of the screen that the rows of the table leave free."""
MOST_ROWS = 15
"""Maximum number of rows, so that the text before the table stays on the screen."""


@dataclass
class Board:
    """State of the table: the driver sets it, the display reads it."""

    study: Study
    console: Console
    running: dict[int, Trial] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def started(self, trial: Trial) -> None:
        """Note a trial that runs."""
        with self.mutex:
            self.running[trial.number] = trial

    def finished(self, study: Study, trial: Trial) -> None:
        """Note a finished trial; without a terminal, print it."""
        with self.mutex:
            self.study = study
            self.running.pop(trial.number, None)
        if not self.console.is_interactive:
            self.console.print(self._line(trial), highlight=False, markup=False, soft_wrap=True)

    def _line(self, trial: Trial) -> str:
        took = f" in {clock(trial.seconds)}" if trial.seconds else ""
        value = f" {trial.value:.6g}" if trial.value is not None else ""
        best = self.study.best
        mark = ", the best" if best and best.number == trial.number and trial.status == DONE else ""
        reason = f": {one_line(trial.reason)}" if trial.reason else ""
        config = f" ({config_text(trial)})"
        return f"trial {trial.number}: {trial.status}{value}{took}{mark}{config}{reason}"

    def table(self) -> Group:
        """Return the current table, in the lines that the terminal has."""
        with self.mutex:
            study, running = self.study, list(self.running.values())
        width, best = width_of(self.console), study.best
        most = max(3, min(MOST_ROWS, self.console.height - OTHER_LINES) - len(running))
        shown = list(study.trials[-most:])
        if best and all(trial.number != best.number for trial in shown):
            shown = [next(t for t in study.trials if t.number == best.number), *shown[1:]]
        table = Table(box=None, pad_edge=False, expand=False)
        for name, justify in (("trial", "right"), ("state", "left"), ("value", "right"), ("took", "right")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("params", no_wrap=True)
        for trial in (*shown, *sorted(running, key=lambda trial: trial.number)):
            table.add_row(*_cells(trial, best, width))
        return Group(table, Text(shortened(self.summary(), width), style="dim", no_wrap=True))

    def summary(self) -> str:
        """Return the line below the table."""
        study = self.study
        parts = [f"{len(study.trials)} of {counted(study.budget, 'trial')}"]
        if study.best:
            parts.append(f"best {study.best.value:.6g} (trial {study.best.number})")
        if study.default:
            parts.append(f"defaults {study.default.value:.6g}")
        parts.append(clock(time.monotonic() - self.began))
        return ", ".join(parts)


def _cells(trial: Trial, best: Candidate | None, width: int) -> tuple[Text | str, ...]:
    state = trial.status or "running"
    seconds = trial.seconds if trial.status else max(0.0, time.time() - trial.started)
    number = f"{'* ' if best and trial.number == best.number else ''}{trial.number}"
    value = "" if trial.value is None else f"{trial.value:.6g}"
    note = config_text(trial) if trial.status != FAILED else one_line(trial.reason)
    return (
        number,
        Text(state, style=COLOURS.get(state, "")),
        value,
        clock(seconds) if seconds else "",
        Text(shortened(note, max(10, width - 40)), style="dim"),
    )


def config_text(trial: Trial) -> str:
    """Return the params of a trial on one line, without secrets."""
    if trial.kind == DEFAULT:
        return "the defaults"
    values = ", ".join(f"{name}={short(mask_value(name, value))}" for name, value in trial.config.items())
    return f"again, seed {trial.seed}: {values}" if trial.kind == AGAIN else values


def short(value: object) -> str:
    """Return a value for a table; a float has four digits."""
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


@contextmanager
def live_table(board: Board) -> Iterator[None]:
    """Show the table live during the block, if there is a terminal."""
    if board.console.quiet or not board.console.is_interactive:
        yield
        return
    with Live(get_renderable=board.table, console=board.console, refresh_per_second=4):
        yield
