"""Adversarial accuracy on turned digits against the cost of the attack.

Specification 4 §6.2. The pipeline varies the radius at ten steps. Here the radius is fixed and the cost
grows: projected gradient ascent with several starts, beside a random search that has as many scores as the
ascent has gradients. Accuracy that still falls at the largest cost is an upper bound, not a robustness.
"""

from __future__ import annotations

import numpy as np
import torch
from safetensors.numpy import load_file

from benchmarks.parts import ROOT, Omission, Tables
from methods.sifa.model import Settings, Task, Trained, train
from methods.trust.black_box import Budget, robustness
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

VARIANTS = ("sifa", "no-symmetry", "no-renormalisation", "plain", "cnn")
STEPS = (1, 5, 20, 100)
RESTARTS, RADIUS, ATTACKED = 3, 0.1, 100
COLUMNS = ["variant", "clean", *(f"{steps} steps" for steps in STEPS), "search alone", "masked", "spread"]


def tables(repeat: int) -> Tables:
    """Yield accuracies by the number of steps, for the seeds of the pipeline."""
    path = ROOT / "data" / "sifa" / "digits.safetensors"
    if not path.is_file():
        yield Omission(f"{path} is missing; run `statewright run sifa-preprocess`")
        return
    data = load_file(path)
    seeds = sorted(int(name.removeprefix("train.")) for name in data if name.startswith("train."))
    rows: list[list[TextOrNumber]] = []
    for variant in VARIANTS:
        figures = []
        for seed in seeds[:repeat]:
            learned, judged = data[f"train.{seed}"], data[f"test.{seed}"][:ATTACKED]
            trained = train(
                variant, "digits", data["x"][learned], data["y"][learned], Task("classification", 10),
                seed=seed, settings=Settings(),
            )  # fmt: skip
            figures.append(by_steps(trained, data["x"][judged], data["y"][judged], seed))
            print(variant, seed, [round(value, 3) for value in figures[-1]], flush=True)
        spread = float(np.std([row[len(STEPS)] for row in figures], ddof=1)) if len(figures) > 1 else None
        rows.append([variant, *np.mean(figures, axis=0).tolist(), spread])
    yield BenchmarkTable(
        name="attack",
        title=f"Accuracy on {ATTACKED} turned digits within radius {RADIUS:g} by the steps of projected "
        f"gradient ascent with {RESTARTS} starts, beside a random search with as many scores; a row counts "
        f"if neither breaks it. Means over {len(figures)} seeds; search alone, masked (rows that only the "
        f"search breaks) and the spread over seeds at {STEPS[-1]} steps.",
        columns=COLUMNS,
        rows=rows,
        decimals=dict.fromkeys(COLUMNS[1:], 3),
    )


def by_steps(trained: Trained, x: np.ndarray, y: np.ndarray, seed: int) -> list[float]:
    """Return the accuracies of a row of the table, and the masked share."""
    if trained.module is None:
        raise ValueError("the model has no gradient; expected one with a module")
    kind = next(trained.module.parameters()).dtype
    inputs, labels = torch.as_tensor(np.ascontiguousarray(x), dtype=kind), torch.as_tensor(y)
    clean = float((trained.predict(x).argmax(axis=1) == y).mean())
    results = [
        robustness(
            trained.module, inputs, labels, radii=[RADIUS],
            budget=Budget(steps, RESTARTS, RESTARTS * steps), seed=seed, bounds=(0.0, 1.0),
        )[0]
        for steps in STEPS
    ]  # fmt: skip
    return [clean, *(result.robust for result in results), results[-1].black_box, results[-1].masked]
