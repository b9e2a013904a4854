"""ROSMAP: Alzheimer's disease from three omics."""

from __future__ import annotations

from benchmarks.fusion._sets import rosmap
from benchmarks.fusion._study import Study, accuracy_table, lost_table, measure, regret_table
from benchmarks.parts import Omission, Tables
from methods.fusion.resplits import random_splits

RESPLITS = 20


def tables(repeat: int) -> Tables:
    """Yield the given split, resplits, absent modalities and regret."""
    given = rosmap()
    if isinstance(given, Omission):
        yield given
        return
    first = measure(Study(given.data, [(given.train, given.test)]))
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in first[0].weights.items())
    yield accuracy_table(
        "rosmap_given",
        f"ROSMAP, given split, weights of the blend: {weights}. Goal: accuracy 0.858, AUC 0.916; MOGONET "
        "published 0.815 and 0.874. 106 test people: one person is 0.9 points.",
        first,
        0.5,
    )
    share = len(given.test) / (len(given.train) + len(given.test))
    splits = random_splits(given.data, RESPLITS, share, seed=0)
    study = measure(Study(given.data, splits, folds=4))
    yield accuracy_table(
        "rosmap_resplits",
        f"ROSMAP, {RESPLITS} stratified resplits of 245 and 106: means, and gain over concatenation with a "
        "95 % interval (corrected resampled t, Nadeau and Bengio 2003).",
        study,
        share,
    )
    yield lost_table(
        "rosmap_lost",
        "ROSMAP, resplits: one modality absent at test, mean over the modalities. Goal: share at most 0.5.",
        study,
    )
    yield regret_table(
        "rosmap_regret",
        "ROSMAP: regret of the choice on the resplits. Goal: 0.5 points.",
        "ROSMAP",
        study,
    )
