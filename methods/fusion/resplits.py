"""Judge operators on random resplits, with lost and permuted modalities.

A modality is lost by making it absent in all test rows, with the model as it was trained. It is permuted by
exchanging its rows among the test rows, which breaks its relation with the target and with the other
modalities. Both drops are of the score on the same test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from methods.fusion.choice import Data
from methods.fusion.importance import permutation_drop
from methods.fusion.operators import Settings, fit_all
from methods.fusion.scores import row_losses
from methods.fusion.views import Fitted, Floats, Ints, Views, take, without
from methods.fusion.workers import call_each


@dataclass(frozen=True)
class Drops:
    """Fall of the score of one operator, for each modality.

    Attributes
    ----------
    absent : dict of str to float
        If the modality is absent in every test row.
    permuted : dict of str to float
        If the rows of the modality are exchanged.
    """

    absent: dict[str, float]
    permuted: dict[str, float]


@dataclass(frozen=True)
class Resplit:
    """Scores of the operators on one test part.

    Attributes
    ----------
    scores : dict of str to float
        Accuracy or R² of each operator.
    drops : dict of str to Drops
        Of the operators that are explained.
    importance : dict of str to dict of str to float
        Weights alpha of each operator that has them.
    """

    scores: dict[str, float]
    drops: dict[str, Drops]
    importance: dict[str, dict[str, float]]


def resplit_scores(
    data: Data,
    names: Sequence[str],
    settings: Settings,
    splits: Sequence[tuple[Ints, Ints]],
    explained: Sequence[str] = (),
    processes: int = 1,
) -> list[Resplit]:
    """Fit operators on the training part of each split, and score them.

    Parameters
    ----------
    data : Data
    names : sequence of str
        Operators and baselines.
    settings : Settings
    splits : sequence of (training rows, test rows)
    explained : sequence of str
        Those of them whose drops are measured.
    processes : int
        Number of processes among which the splits are divided; the result does not depend on it.
    """
    work = [(data, (names, explained), settings, split, index) for index, split in enumerate(splits)]
    return call_each(_resplit, work, processes)


def random_splits(data: Data, count: int, test_share: float, seed: int) -> list[tuple[Ints, Ints]]:
    """Draw training and test rows: by class, and never dividing a group."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    options = {"n_splits": count, "test_size": test_share, "random_state": seed}
    labels = data.y.astype(int) if data.problem.classes else np.zeros(len(data.y), int)
    if data.groups is not None:
        splitter = GroupShuffleSplit(**options)
    elif data.problem.classes and np.bincount(labels)[np.unique(labels)].min() >= 2:
        splitter = StratifiedShuffleSplit(**options)
    else:
        splitter = ShuffleSplit(**options)
    return list(splitter.split(np.zeros((len(labels), 1)), labels, data.groups))


def score_views(operator: Fitted, views: Views, data: Data, rows: Ints) -> float:
    """Return accuracy or R² of an operator on views of the given rows."""
    return 1 - float(_losses(operator, views, data, rows).mean())


def _losses(operator: Fitted, views: Views, data: Data, rows: Ints) -> Floats:
    variance = max(float(np.var(data.y)), 1e-300)
    return row_losses(operator.predict(views), data.y[rows], data.problem, variance)


def _resplit(
    data: Data,
    names: tuple[Sequence[str], Sequence[str]],
    settings: Settings,
    split: tuple[Ints, Ints],
    index: int,
) -> Resplit:
    train, test = data.take(split[0]), split[1]
    views = take(data.views, test)
    fitted = fit_all(names[0], train.views, train.y, data.problem, settings, train.groups)
    base = {name: _losses(operator, views, data, test) for name, operator in fitted.items()}
    drops = {}
    for name in names[1]:
        losses = partial(_losses, fitted[name], data=data, rows=test)
        drops[name] = Drops(
            {m: float((losses(without(views, [m])) - base[name]).mean()) for m in views},
            {
                m: permutation_drop(
                    losses, views, [m], seed=[settings.seed, index], repeats=1, base=base[name]
                ).mean
                for m in views
            },
        )
    importance = {name: dict(operator.details.importance) for name, operator in fitted.items()}
    return Resplit({name: 1 - float(rows.mean()) for name, rows in base.items()}, drops, importance)
