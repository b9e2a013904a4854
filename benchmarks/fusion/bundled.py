"""Development sets of the rule of choice: tables of scikit-learn and statsmodels."""

from __future__ import annotations

from benchmarks.fusion._bundled import bundled
from benchmarks.fusion._study import Study, lost_table, measure, regret_table
from benchmarks.parts import Tables
from methods.fusion.resplits import random_splits

SPLITS, SHARE, FOLDS = 5, 0.4, 4


def tables(repeat: int) -> Tables:
    """Yield absent modalities and regret of each set."""
    for name, data in bundled().items():
        study = measure(Study(data, random_splits(data, SPLITS, SHARE, seed=0), FOLDS))
        slug = name.replace(", ", "_").replace(" ", "_")
        label = f"{name.capitalize()}: {len(data.y):,} rows, {SPLITS} splits, {SHARE:.0%} of the rows test"
        yield lost_table(f"{slug}_lost", f"{label}. One modality absent at test. Development figures.", study)
        yield regret_table(f"{slug}_regret", f"{label}. Regret. Development figures.", name, study)
