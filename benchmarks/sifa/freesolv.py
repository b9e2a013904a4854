"""Free energy of hydration of FreeSolv, by scaffold and at random."""

from __future__ import annotations

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.sifa._chemistry import (
    Comparison,
    by_scaffold,
    compare,
    grouped,
    read_graphs,
    root_square,
)

MODELS = (
    "sifa", "mixture", "no-symmetry", "no-metric", "no-information", "no-symplectic", "no-renormalisation",
    "forest", "boosted", "kernel", "mlp", "attention", "plain", "gat", "gcn",
)  # fmt: skip
UNIT = "Root mean square error, kcal/mol"


def tables(repeat: int) -> Tables:
    """Yield the errors of every model; repetitions change nothing."""
    path = external_data("learning/molecules/freesolv.parquet")
    if isinstance(path, Omission):
        yield path
        return
    data = read_graphs(path)
    for name, goal, divisions in (
        ("scaffold", 2.40, by_scaffold(data)),
        ("random", 1.2, grouped(data)),
    ):
        title = f"FreeSolv, {name} split. {UNIT}. Goal: at most {goal}."
        yield compare(data, Comparison(f"freesolv_{name}", title, "freesolv", MODELS, divisions, root_square))
