"""Handwritten digits from six views, with many and with few labels."""

from __future__ import annotations

from benchmarks.fusion._sets import digits
from benchmarks.fusion._study import Study, accuracy_table, lost_table, measure, regret_table
from benchmarks.parts import Omission, Tables
from methods.fusion.resplits import random_splits

SPLITS = 10
GOALS = {0.02: 0.93, 0.8: 0.985}


def tables(repeat: int) -> Tables:
    """Yield scores, absent modalities and regret at 2 % and at 80 % of the labels."""
    data = digits()
    if isinstance(data, Omission):
        yield data
        return
    for share, goal in GOALS.items():
        splits = random_splits(data, SPLITS, 1 - share, seed=0)
        folds = 3 if share > 0.5 else 4
        study = measure(Study(data, splits, folds=folds))
        name = f"digits_{round(100 * share)}"
        label = f"Digits, {SPLITS} stratified splits, {share:.0%} of the labels"
        yield accuracy_table(
            name,
            f"{label}. Goal: {goal}. Gain over concatenation with a 95 % interval (corrected resampled t).",
            study,
            1 - share,
        )
        yield lost_table(f"{name}_lost", f"{label}: one view absent at test. Goal: share at most 0.5.", study)
        yield regret_table(
            f"{name}_regret",
            f"{label}: regret of the choice by {folds}-fold cross-validation. Goal: 0.5 points.",
            f"digits, {share:.0%}",
            study,
        )
