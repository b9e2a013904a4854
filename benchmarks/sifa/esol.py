"""Solubility of ESOL, by scaffold and at random."""

from __future__ import annotations

from benchmarks.parts import Tables
from benchmarks.sifa._chemistry import graph_tables, shipped


def tables(repeat: int) -> Tables:
    """Yield the errors of every model; repetitions change nothing."""
    path = shipped("solubility.parquet", "figures/solubility.parquet")
    yield from graph_tables(path, "ESOL", "log mol/L", (0.86, 0.60), "solubility")
