"""What a page is made of: sections of prose, pictures and tables; and how numbers are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Prose:
    """One paragraph, or a list of points."""

    kind: ClassVar[str] = "prose"
    text: str = ""
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commands:
    """Lines to type."""

    kind: ClassVar[str] = "commands"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Inline SVG with a heading of its own; `svg` is markup and goes into the page as it is."""

    svg: str
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """One picture over the whole width, or several small ones, `tile` rem wide at least; one caption."""

    kind: ClassVar[str] = "figure"
    pictures: tuple[Picture, ...]
    caption: str
    tile: int = 19

    @property
    def small(self) -> bool:
        return len(self.pictures) > 1


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and whether it is the winner of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """A table; the first column of each row is its header. `text_columns` hold words."""

    kind: ClassVar[str] = "grid"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_columns: frozenset[int] = field(default_factory=frozenset)


Block = Prose | Commands | Figure | Grid


@dataclass(frozen=True)
class Section:
    """A heading, the key by which the table of contents links to it, and what stands below."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def grid(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str | Cell]], text: Sequence[int] = ()
) -> Grid:
    """Build a table; `text` are the columns that hold words, set flush left."""
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Grid(caption, tuple(columns), cells, frozenset(text))


def count(number: float) -> str:
    """``12,345``."""
    return f"{int(number):,}"


def signed(number: float, digits: int = 3) -> str:
    """``+0.012`` or ``−0.012``, with a real minus sign."""
    return f"{number:+.{digits}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = 3) -> str:
    """``−0.004 to 0.002``."""
    return f"{low:.{digits}f} to {high:.{digits}f}".replace("-", "−")


def share(number: float) -> str:
    """``93%``, but never 0% or 100% for what is neither."""
    if 0 < number < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= number < 1 else f"{number:.0%}"


def joined(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def plural(number: int, noun: str) -> str:
    """``1 year``, ``2 years``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
