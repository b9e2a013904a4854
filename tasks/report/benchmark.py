"""Tables of benchmark results."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Document

TextOrNumber = str | int | float | None


class BenchmarkTable(Document):
    """A table of measured numbers.

    ``name`` is unique within its part. ``decimals`` is the number of decimals of a column of measured
    numbers, 3 by default. A cell without a value is null.
    """

    name: str = Field(min_length=1)
    title: str
    columns: list[str] = Field(min_length=1)
    rows: list[list[TextOrNumber]]
    decimals: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_wide_as_its_heading(self) -> Self:
        if wrong := [row for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(
                f"table '{self.name}': found a row of {len(wrong[0])} cells ({wrong[0]}), expected "
                f"{len(self.columns)}, one per column"
            )
        if unknown := sorted(set(self.decimals) - set(self.columns)):
            raise ValueError(
                f"table '{self.name}': decimals names {', '.join(unknown)}; the columns are "
                f"{', '.join(self.columns)}"
            )
        return self

    def formatted(self) -> list[list[str]]:
        """Return the cells as text."""
        digits = [self.decimals.get(column, 3) for column in self.columns]
        return [[_formatted(cell, d) for cell, d in zip(row, digits, strict=True)] for row in self.rows]


class Measurement(BenchmarkTable):
    """A table with the date, the command and the library versions of its measurement."""

    date: str
    command: str
    versions: dict[str, str]


class Benchmark(Document):
    """Tables of one part of the benchmarks."""

    part: str
    tables: list[Measurement]


def _formatted(cell: TextOrNumber, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}".replace("-", "−")
    return f"{cell:,}" if isinstance(cell, int) else cell
