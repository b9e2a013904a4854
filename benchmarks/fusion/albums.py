"""Year of an album from lyrics and audio, by artist; most albums lack audio."""

from __future__ import annotations

import numpy as np

from benchmarks.fusion._sets import albums
from benchmarks.fusion._study import Study, accuracy_table, lost_table, measure, regret_table
from benchmarks.parts import Tables
from methods.fusion.resplits import random_splits

SPLITS, SHARE = 10, 0.2


def tables(repeat: int) -> Tables:
    """Yield scores, absent modalities and regret."""
    data = albums()
    known = int((~np.isnan(data.views["audio"]).all(axis=1)).sum())
    study = measure(Study(data, random_splits(data, SPLITS, SHARE, seed=0), folds=3))
    label = f"Year of {len(data.y):,} albums, {known:,} with audio, {SPLITS} splits by artist"
    yield accuracy_table(
        "albums", f"{label}: R² and gain over concatenation with a 95 % interval.", study, SHARE
    )
    yield lost_table("albums_lost", f"{label}: one modality absent at test. Goal: share at most 0.5.", study)
    yield regret_table(
        "albums_regret", f"{label}: regret of the choice. Goal: 0.5 points of R².", "albums", study
    )
