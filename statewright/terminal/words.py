"""Texts that several outputs share: counts, durations, printable names."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console

if TYPE_CHECKING:
    from statewright.planning.plan import Fetch

WIDTH = 100
"""Maximum width of a line in columns; a narrower terminal has its own width."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and cursor movements
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # window titles and links
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_SUSPECT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_A_CHARACTER = re.compile("[\ud800-\udfff]")


class _Terminal(Console):
    """Console whose reader may leave: `statewright plan | head`."""

    def on_broken_pipe(self) -> None:
        """End a command whose results nobody reads; a run continues."""
        self.quiet = True
        if not self.stderr:
            raise BrokenPipeError


def terminal(*, stderr: bool = True, quiet: bool = False, live: bool = True) -> Console:
    """Return a console that prints every text literally, or nothing if it is quiet.

    Without a terminal it is wide enough for long lines. Names can hold ``[red]`` or ``:key:``, which
    Rich would read as markup and as an emoji.

    Parameters
    ----------
    live : bool
        Whether a run may draw a table that it updates, if there is a terminal.
    """
    # With FORCE_COLOR, as in many CI systems, Rich would draw live tables into a file.
    stream = sys.stderr if stderr else sys.stdout
    interactive = live and stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    console = _Terminal(
        stderr=stderr,
        quiet=quiet,
        markup=False,
        emoji=False,
        highlight=False,
        force_interactive=interactive,
    )
    if not console.is_terminal:
        console.width = 240
    return console


def width_of(console: Console) -> int:
    """Return the width of the lines that are printed to a console."""
    return min(console.width, WIDTH)


def printable(text: str) -> str:
    """Return a text without control characters; line ends and tabs stay."""
    if _SUSPECT.search(text) is None:
        return text
    return _NOT_A_CHARACTER.sub("\ufffd", _CONTROL.sub("", text))


def one_line(text: str) -> str:
    """Return a text as one printable line."""
    return " ".join(printable(text).split())


def shortened(text: str, width: int) -> str:
    """Return a text cut to `width` columns, with an ellipsis at the end."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """Return a text cut or filled with spaces to exactly `width` columns."""
    return set_cell_size(shortened(text, width), width)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 stage``, ``2 stages``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def joined(texts: Iterable[str]) -> str:
    """Return texts as a list in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def clock(seconds: float) -> str:
    """Return a duration as text: ``0.4 s``, ``12 s``, ``3:05``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def span(seconds: tuple[float, float] | None) -> str:
    """Return a range of durations as text: ``2.0 s to 1:10``."""
    if not seconds:
        return ""
    low, high = clock(seconds[0]), clock(seconds[1])
    return low if low == high else f"{low} to {high}"


def about(seconds: tuple[float, float] | None) -> str:
    """Return a range of durations in round numbers: ``2-5 s``, ``6-9 min``."""
    if not seconds:
        return ""
    if seconds[1] < 0.95:
        return "< 1 s"
    unit, size = next(((u, s) for u, s, limit in _UNITS if seconds[1] < limit * s), ("days", 86400.0))
    low, high = (_round(number / size) for number in seconds)
    if low == "0":
        return f"< {high} {unit}"
    return f"{high} {unit}" if low == high else f"{low}-{high} {unit}"


_UNITS = (("s", 1.0, 90.0), ("min", 60.0, 90.0), ("h", 3600.0, 48.0))
"""Units of a duration, with their seconds and the number from which the next unit is used."""


def _round(number: float) -> str:
    """Return a number with one digit after the point below 3, else without."""
    return f"{number:.1f}".removesuffix(".0") if number < 3 else f"{number:.0f}"


def megabytes(size: int) -> str:
    """Return a number of bytes as text: ``12 bytes``, ``3.4 MB``."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def fetching(fetch: Fetch) -> str:
    """Return what a restore gets from the remote, with the expected time."""
    about_s = about((fetch.seconds, fetch.seconds))
    time = about_s if about_s.startswith("<") else f"about {about_s}"
    verb = "is" if fetch.bytes == 1 else "are"
    return f"{megabytes(fetch.bytes)} {verb} fetched from '{fetch.remote}' ({time}, {fetch.rate} rate)"
