"""Solubility of ESOL, by scaffold and at random."""

from __future__ import annotations

from benchmarks.parts import Omission, Tables
from benchmarks.sifa._chemistry import (
    Comparison,
    by_scaffold,
    compare,
    grouped,
    read_graphs,
    root_square,
    shipped,
)

MODELS = (
    "sifa", "mixture", "no-symmetry", "no-metric", "no-information", "no-symplectic", "no-renormalisation",
    "forest", "boosted", "kernel", "mlp", "attention", "plain", "gat", "gcn",
)  # fmt: skip
UNIT = "Root mean square error, log mol/L"


def tables(repeat: int) -> Tables:
    """Yield the errors of every model; repetitions change nothing."""
    path = shipped("solubility.parquet", "figures/solubility.parquet")
    if isinstance(path, Omission):
        yield path
        return
    data = read_graphs(path)
    for name, goal, divisions in (
        ("scaffold", 0.86, by_scaffold(data)),
        ("random", 0.60, grouped(data)),
    ):
        title = f"ESOL, {name} split. {UNIT}. Goal: at most {goal}."
        yield compare(data, Comparison(f"esol_{name}", title, "solubility", MODELS, divisions, root_square))
