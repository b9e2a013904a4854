"""Tune the photograph classifier; compare on the test photographs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.parts import Tables
from benchmarks.tune._ours import our_copy
from benchmarks.tune._study import Case, Unseen, compare, searches, table

BUDGET = 10
SPACE = """\
releaf.vision.learning_rate: {low: 0.0001, high: 0.02, log: true}
releaf.vision.weight_decay: {low: 0.001, high: 0.5, log: true}
releaf.vision.dropout: {low: 0.0, high: 0.8}
releaf.vision.hidden: [128, 256, 512, 1024]
releaf.vision.smoothing: {low: 0.0, high: 0.2}
releaf.vision.mix: {low: 0.0, high: 1.0}
releaf.vision.batch_size: [32, 64, 128]
"""


def tables(repeat: int) -> Tables:
    """Yield the table of `repeat` searches a sampler."""
    with our_copy("releaf", {"releaf.vision.seeds": [0]}) as root:
        case = Case(
            "releaf-vision",
            root,
            "releaf-vision",
            "data/releaf/vision.json:validation.log_loss",
            "min",
            SPACE,
            lambda rows: float(np.mean(rows)),
            _judge,
            {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )
        yield table(
            "releaf",
            f"Log loss of the material in a photograph, one network, {BUDGET} trials, {searches(repeat)}. "
            "Unseen: the test photographs.",
            compare(case, budget=BUDGET, seeds=repeat),
        )


def _judge(case: Case) -> Unseen:
    """Return the log loss of each test photograph."""
    table = pd.read_parquet(case.root / "data/releaf/vision_predictions.parquet")
    test = table[table["split"] == "test"].sort_values("photo_id")
    chosen = np.array([row[f"p_{row['label']}"] for _, row in test.iterrows()], dtype=float)
    return Unseen(-np.log(chosen.clip(1e-6)))
