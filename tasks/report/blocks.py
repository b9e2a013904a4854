"""Blocks of a report page (prose, pictures, tables), and the format of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import ClassVar, NamedTuple


@dataclass(frozen=True)
class Prose:
    """One paragraph, or a list of points."""

    kind: ClassVar[str] = "prose"
    text: str = ""
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commands:
    """Shell commands, one per line."""

    kind: ClassVar[str] = "commands"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Inline SVG with an optional heading and note; `svg` is not escaped."""

    svg: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """One picture of full width, or several small ones, with one caption.

    A small picture is at least `tile` rem wide. `title` says in a few words what the figure shows.
    """

    kind: ClassVar[str] = "figure"
    pictures: tuple[Picture, ...]
    caption: str
    tile: int = 19
    title: str = ""

    @property
    def small(self) -> bool:
        """True if the pictures are tiles of a grid."""
        return len(self.pictures) > 1


@dataclass(frozen=True)
class Cell:
    """Text of a table cell; `best` marks the best value of a column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table; the first cell of a row is its header; `text_columns` hold words."""

    kind: ClassVar[str] = "grid"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: frozenset[int] = field(default_factory=frozenset)


Block = Prose | Commands | Figure | Grid


@dataclass(frozen=True)
class Section:
    """A titled part of a page, folded until a reader opens it.

    `key` is its anchor in the table of contents. `hint` is a short sentence beside the title that says
    what the section holds.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    hint: str = ""


@dataclass(frozen=True)
class Opening:
    """First screens of a page: what it asks, three plain sentences, three figures.

    There are fewer figures only if a small run did not measure what they show.
    """

    title: str
    sentences: tuple[str, str, str]
    figures: tuple[Figure, ...]


class ReportOutputs(NamedTuple):
    """The page, and its findings as plain text for a terminal."""

    report: str
    findings: str


def findings(points: Sequence[str]) -> Section:
    """Build the section that lists the findings."""
    hint = f"{plural(len(points), 'sentence')} with the figures behind them."
    return Section("findings", "All findings", (Prose(points=tuple(points)),), hint)


def findings_text(title: str, points: Sequence[str]) -> str:
    """Write the findings as lines of at most 100 characters for a terminal."""
    lines = [fill(point, 100, initial_indent="- ", subsequent_indent="  ") for point in points]
    return "\n".join([title, *lines, ""])


def grid(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], text: Sequence[int] = ()
) -> Grid:
    """Build a table; `text` lists the columns of words, which are left-aligned."""
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Grid(caption, tuple(columns), cells, frozenset(text))


def count(number: float) -> str:
    """Format a number of items: ``12,345``."""
    return f"{int(number):,}"


def signed(number: float, digits: int = 3) -> str:
    """Format a number with its sign: ``+0.012`` or ``−0.012``."""
    return f"{number:+.{digits}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = 3) -> str:
    """Format the bounds of an interval: ``−0.004 to 0.002``."""
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def share(number: float) -> str:
    """Format a share: ``93%``; 0% and 100% are exact, else ``<1%`` and ``>99%``."""
    if 0 < number < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= number < 1 else f"{number:.0%}"


def joined(words: Iterable[str]) -> str:
    """Join words into a list: ``a, b and c``."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def plural(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 year``, ``2 years``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
