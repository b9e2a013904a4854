"""A failed stage in a terminal: error, end of its output, path of its log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from statewright.running.output import end_of_log
from statewright.running.process import LOG, LONGEST_CAUSE
from statewright.terminal.words import shortened

MOST_LINES = 15
"""Maximum number of lines of a log that are printed: the end of a traceback, with its last frames."""


def print_failure(error: str, console: Console) -> None:
    """Print the error of a stage; a traceback as a block.

    Parameters
    ----------
    error : str
        Text of a `StageFailedError`. Its log has no secrets.
    """
    text, separator, log = error.rpartition(LOG)
    lines = end_of_output(Path(log)) if separator else []
    cause = f": {shortened(lines[-1], LONGEST_CAUSE).strip()}" if lines else ""
    # A stage function names its fault itself, in whole sentences; a timeout has no cause in the log.
    if len(lines) < 2 or not text.endswith(cause):
        console.print(Text(error, style="red"), soft_wrap=True)
        return
    console.print(Text(f"{text.removesuffix(cause)}:", style="red"), soft_wrap=True)
    print_block(lines, console)
    console.print(Text(f"log: {log}", style="red"), soft_wrap=True)


def print_block(lines: Sequence[str], console: Console) -> None:
    """Print lines of output, each behind a bar."""
    for line in lines:
        text = Text("  | ", style="dim").append(shortened(line, LONGEST_CAUSE), style="not dim")
        console.print(text, soft_wrap=True)


def end_of_output(log: Path) -> list[str]:
    """Return the last lines of a log, which begin with the traceback if it fits."""
    try:
        lines = [line.rstrip() for line in end_of_log(log)]
    except OSError:
        return []
    begins = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if begins and len(lines) - begins[-1] <= MOST_LINES:
        return lines[begins[-1] :]
    if len(lines) <= MOST_LINES:
        return lines
    left_out = len(lines) - MOST_LINES + 1
    return [f"... {left_out} earlier lines are in the log", *lines[left_out:]]
