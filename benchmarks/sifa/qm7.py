"""Heat of formation of QM7 with 1,000 and 5,000 training molecules."""

from __future__ import annotations

import numpy as np

from benchmarks.parts import Omission, Tables
from benchmarks.sifa._chemistry import (
    Comparison,
    Division,
    Floats,
    Molecules,
    absolute,
    compare,
    fitted,
    read_molecules,
    shipped,
    shuffled,
)
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

MODELS = (
    "sifa", "no-symmetry", "no-metric", "no-information", "no-symplectic", "no-renormalisation",
    "kernel", "forest", "mlp", "attention", "plain", "augmented", "gat", "gcn",
)  # fmt: skip
LARGE = ("sifa", "kernel")
TEST = 1_500
UNIT = "Mean absolute error, kcal/mol, 1,500 test molecules"


def tables(repeat: int) -> Tables:
    """Yield the errors of every model, and those on moved molecules."""
    path = shipped("molecules.parquet", "figures/molecules.parquet")
    if isinstance(path, Omission):
        yield path
        return
    data = read_molecules(path)
    small, large = (shuffled(len(data.y), rows, TEST) for rows in (1_000, 5_000))
    yield moved_table(data, small[0])
    title = f"QM7, 1,000 training molecules. {UNIT}. Goal: at most 5.0 (kernel ridge 6.7)."
    yield compare(data, Comparison("qm7_1000", title, "molecules", MODELS, small, absolute))
    title = f"QM7, 5,000 training molecules. {UNIT}. Goal: at most 2.5 (kernel ridge 3.3)."
    yield compare(data, Comparison("qm7_5000", title, "molecules", LARGE, large, absolute))


def moved_table(data: Molecules, division: Division) -> BenchmarkTable:
    """Return errors before and after the test molecules are moved."""
    x, y = data.x[division.test], data.y[division.test]
    other = moved(x, seed=0)
    rows: list[list[TextOrNumber]] = []
    for model in ("sifa", "no-symmetry", "attention", "plain", "augmented"):
        trained = fitted(data, "molecules", model, division)
        before, after = trained.predict(x), trained.predict(other)
        change = float(np.abs(after - before).max())
        rows.append([model, absolute(before, y), absolute(after, y), change, trained.parameters])
    return BenchmarkTable(
        name="qm7_moved",
        title=f"QM7, 1,000 training molecules, seed 0. {UNIT}, then moved. Goal: change of at most 1e-4.",
        columns=["model", "error", "error, moved", "largest change", "parameters"],
        rows=rows,
        decimals={"largest change": 7},
    )


def moved(x: Floats, seed: int) -> Floats:
    """Turn, reflect, move and renumber each molecule at random."""
    from scipy.stats import ortho_group

    rng = np.random.default_rng(seed)
    other = x.copy()
    for molecule in other:
        size = int((molecule[:, 0] > 0).sum())
        turn = ortho_group.rvs(3, random_state=rng)
        molecule[:size, 1:] = molecule[:size, 1:] @ turn + rng.normal(size=3)
        molecule[:size] = molecule[rng.permutation(size)]
    return other
