"""Configuration of a program: engine, threads, batch size and operators.

Every configuration of one specification computes the same table; they differ in time and memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

ENGINES = ("pandas", "polars", "duckdb")

EXECUTIONS = {
    "pandas": ("merge", "lookup"),
    "polars": ("eager", "lazy", "streaming"),
    "duckdb": ("views", "tables"),
}
"""Ways to execute, by engine; the first is the default of `pandas`, `lazy` and `views` of the others.

merge, lookup
    `pandas.merge`, or the positions of the keys in an index of the right table where its keys are unique.
eager, lazy, streaming
    Each step at once, one optimised query, or that query in chunks of `batch_size` rows.
views, tables
    One optimised query, or a temporary table for each table of the specification.
"""

DEFAULT_EXECUTION = {"pandas": "merge", "polars": "lazy", "duckdb": "views"}
READS = ("used", "all")
FILTERS = ("early", "written")


@dataclass(frozen=True)
class Configuration:
    """Choices that change the speed of a generated program, and never its result.

    Attributes
    ----------
    engine : str
        Library that computes: one of `ENGINES`.
    execution : str
        One of `EXECUTIONS[engine]`; empty: the engine's default.
    threads : int
        Threads of the library, at least 1. pandas uses them to read and write only.
    batch_size : int
        Rows of a batch, 0: no batches. pandas reads sources in batches and filters each one, polars
        processes chunks of this size (`streaming` only), duckdb writes row groups of this size.
    read : str
        Columns that are read from a source: "used" ones, or "all" that the specification declares.
    filters : str
        "early": conditions move to the earliest step that has their columns. "written": each stays at
        the place where the specification has it.

    Raises
    ------
    ValueError
        If a value is not one of those above.
    """

    engine: str
    execution: str = ""
    threads: int = 1
    batch_size: int = 0
    read: str = "used"
    filters: str = "early"

    def __post_init__(self) -> None:
        """Fill in the default execution and check every value."""
        _one_of("engine", self.engine, ENGINES)
        if not self.execution:
            object.__setattr__(self, "execution", DEFAULT_EXECUTION[self.engine])
        _one_of(f"execution of {self.engine}", self.execution, EXECUTIONS[self.engine])
        _one_of("read", self.read, READS)
        _one_of("filters", self.filters, FILTERS)
        if self.threads < 1:
            raise ValueError(f"threads is {self.threads}; expected at least 1")
        if self.batch_size < 0:
            raise ValueError(f"batch_size is {self.batch_size}; expected 0 (no batches) or more")


def configurations(
    engines: Sequence[str] = ENGINES,
    threads: Sequence[int] = (1, 2),
    batch_sizes: Sequence[int] = (0, 100_000),
) -> tuple[Configuration, ...]:
    """Return every configuration, each different program once.

    Parameters
    ----------
    engines : sequence of str
        Engines to include.
    threads, batch_sizes : sequence of int
        Values to combine. A batch size has no effect on polars without streaming: there, 0 is the only one.

    Returns
    -------
    tuple of Configuration
        In a fixed order: by engine, execution, threads, batch size, columns read, place of filters.
    """
    found = []
    for engine in engines:
        for execution, count, size, read, filters in product(
            EXECUTIONS[engine], threads, batch_sizes, READS, FILTERS
        ):
            without_batches = engine == "polars" and execution != "streaming"
            if not (without_batches and size):
                found.append(Configuration(engine, execution, count, size, read, filters))
    return tuple(found)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is '{value}'; expected one of: {', '.join(allowed)}")
