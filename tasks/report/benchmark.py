"""Tables that a benchmark measured: as they are kept in ``benchmarks/figures``, and as a page shows them."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Document
from tasks.report.blocks import Grid, grid

TextOrNumber = str | int | float | None


class BenchmarkTable(Document):
    """A table with the numbers as they were measured.

    ``name`` tells it from the other tables of its part. ``decimals`` is how many decimals a column of
    measured numbers is shown with, 3 where it does not say. A cell without a value is null.
    """

    name: str = Field(min_length=1)
    title: str
    columns: list[str] = Field(min_length=1)
    rows: list[list[TextOrNumber]]
    decimals: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _as_wide_as_its_heading(self) -> Self:
        if wrong := [row for row in self.rows if len(row) != len(self.columns)]:
            raise ValueError(f"table '{self.name}' has {len(self.columns)} columns, but a row {wrong[0]}")
        if unknown := sorted(set(self.decimals) - set(self.columns)):
            raise ValueError(f"table '{self.name}' has no column {', '.join(unknown)}, which decimals names")
        return self

    def shown(self) -> list[list[str]]:
        """The cells as text."""
        digits = [self.decimals.get(column, 3) for column in self.columns]
        return [[_shown(cell, d) for cell, d in zip(row, digits, strict=True)] for row in self.rows]


class Measured(BenchmarkTable):
    """A table, the day and the command that made it, and the libraries that it rests on."""

    date: str
    command: str
    versions: dict[str, str]


class Benchmark(Document):
    """What is kept of one part of the benchmarks."""

    part: str
    tables: list[Measured]


def _shown(cell: TextOrNumber, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}".replace("-", "−")
    return f"{cell:,}" if isinstance(cell, int) else cell


def benchmark_grids(benchmark: Benchmark) -> list[Grid]:
    """The tables for a page, each with its day and command."""
    return [
        grid(
            f"{table.title} Measured on {table.date} by “{table.command}”.",
            table.columns,
            table.shown(),
            text=[k for k in range(1, len(table.columns)) if _holds_words(table, k)],
        )
        for table in benchmark.tables
    ]


def _holds_words(table: BenchmarkTable, column: int) -> bool:
    return any(isinstance(row[column], str) and not row[column][:1].isdigit() for row in table.rows)
