"""Tune the fusion of emotions on validation years; compare on test years."""

from __future__ import annotations

import sys

import numpy as np
from ruamel.yaml import YAML

from benchmarks.parts import Tables
from benchmarks.tune._ours import our_copy
from benchmarks.tune._study import Case, Unseen, compare, table

BUDGET, SEARCHES = 10, 1
EPOCHS = 12
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
    with our_copy("emotion", fixed) as root:
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
    """Return the RMSE in the test years of trainings with fresh seeds.

    The stage is called as a function: five runs of the pipeline would take longer.
    """
    import pandas as pd

    from tasks.emotion.fusion import fusion
    from tasks.emotion.params import FusionParams, SplitParams

    block = YAML(typ="safe").load((case.root / "params.yaml").read_text("utf-8"))["emotion"]
    features = pd.read_parquet(case.root / "data/emotion/features.parquet")
    scores = []
    for seed in TEST_SEEDS:
        params = FusionParams.model_validate({**block["fusion"], "seed": seed})
        done = fusion(features, params=params, split=SplitParams.model_validate(block["split"]))
        scores.append(done.fusion.held_out["test"]["year_audio"].fusion.rmse)
    print(f"  test years: {np.round(scores, 4)}", file=sys.stderr)
    return Unseen(np.array(scores))
