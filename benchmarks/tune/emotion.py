"""Tune the fusion of emotions: validation years for the search, test years for the comparison."""

from __future__ import annotations

import json
import sys

import numpy as np

from benchmarks.parts import Tables
from benchmarks.tune._ours import our_copy
from benchmarks.tune._study import Case, Unseen, compare, table
from statewright import parameters

BUDGET, SEARCHES = 12, 1
EPOCHS = 20
TEST_SEEDS = range(1, 6)
SPACE = """\
emotion.fusion.learning_rate: {low: 0.0005, high: 0.03, log: true}
emotion.fusion.weight_decay: {low: 0.001, high: 2.0, log: true}
emotion.fusion.dropout: {low: 0.0, high: 0.5}
emotion.fusion.hide: {low: 0.1, high: 0.8}
emotion.fusion.kept: {low: 0.1, high: 8.0, log: true}
emotion.fusion.batch_size: [128, 256, 512]
"""


def tables(repeat: int) -> Tables:
    """Yield the table; the cost does not allow `repeat` searches."""
    fixed = {
        "emotion.fusion.epochs": EPOCHS,
        "emotion.fusion.draws": 100,
        "emotion.fusion.pca_iterations": 20,
    }
    with our_copy(fixed) as root:
        case = Case(
            "emotion-fusion",
            root,
            "emotion-fusion",
            "data/emotion/fusion.json:held_out.validation.year_audio.fusion.rmse",
            "min",
            SPACE,
            lambda rows: float(np.mean(rows)),
            _judge,
            {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )
        yield table(
            "emotion",
            f"RMSE of predicting the audio of years from the other modalities, {EPOCHS} epochs, {BUDGET} "
            f"trials, {SEARCHES} search. Unseen: test years, {len(TEST_SEEDS)} trainings with other seeds.",
            compare(case, budget=BUDGET, seeds=SEARCHES),
        )


def _judge(case: Case) -> Unseen:
    """Return the RMSE in the test years of trainings with other seeds than that of the search."""
    scores = []
    for seed in TEST_SEEDS:
        parameters.apply(case.root / "params.yaml", [("emotion.fusion.seed", seed)])
        case.run("run", case.target, "--quiet")
        metrics = json.loads((case.root / "data/emotion/fusion.json").read_text("utf-8"))
        scores.append(metrics["held_out"]["test"]["year_audio"]["fusion"]["rmse"])
    parameters.apply(case.root / "params.yaml", [("emotion.fusion.seed", 0)])
    print(f"  test years: {np.round(scores, 4)}", file=sys.stderr)
    return Unseen(np.array(scores))
