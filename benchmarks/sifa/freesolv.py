"""Free energy of hydration of FreeSolv, by scaffold and at random."""

from __future__ import annotations

from benchmarks.parts import Tables, external_data
from benchmarks.sifa._chemistry import graph_tables


def tables(repeat: int) -> Tables:
    """Yield the errors of every model; repetitions change nothing."""
    path = external_data("learning/molecules/freesolv.parquet")
    yield from graph_tables(path, "FreeSolv", "kcal/mol", (2.40, 1.2), "freesolv")
