"""Judge operators on random resplits, with lost and permuted modalities.

A modality is lost by making it absent in all test rows, with the model as it was trained. It is permuted by
exchanging its rows among the test rows, which breaks its relation with the target and with the other
modalities. Both drops are of the score on the same test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.fusion.choice import Data
from methods.fusion.operators import Settings, fit_all
from methods.fusion.scores import row_losses
from methods.fusion.views import Fitted, Floats, Ints, Views, take, without


@dataclass(frozen=True)
class Resplit:
    """Scores of the operators on one test part.

    Attributes
    ----------
    scores : dict of str to float
        Accuracy or R² of each operator.
    absent : dict of str to dict of str to float
        Score of each operator when a modality is absent: operator, then modality.
    permuted : dict of str to dict of str to float
        Score when the rows of a modality are exchanged.
    importance : dict of str to dict of str to float
        Weights alpha of each operator that has them.
    """

    scores: dict[str, float]
    absent: dict[str, dict[str, float]]
    permuted: dict[str, dict[str, float]]
    importance: dict[str, dict[str, float]]


def resplit_scores(
    data: Data,
    names: Sequence[str],
    settings: Settings,
    splits: Sequence[tuple[Ints, Ints]],
    processes: int = 1,
) -> list[Resplit]:
    """Fit operators on the training part of each split, and score them."""
    from joblib import Parallel, delayed

    return list(
        Parallel(n_jobs=processes)(
            delayed(_one)(data, names, settings, split, index) for index, split in enumerate(splits)
        )
    )


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
    variance = max(float(np.var(data.y)), 1e-300)
    losses = row_losses(operator.predict(views), data.y[rows], data.problem, variance)
    return 1 - float(losses.mean())


def _one(
    data: Data, names: Sequence[str], settings: Settings, split: tuple[Ints, Ints], index: int
) -> Resplit:
    train, test = data.take(split[0]), split[1]
    views = take(data.views, test)
    fitted = fit_all(names, train.views, train.y, data.problem, settings, train.groups)
    generator = np.random.default_rng([settings.seed, index])
    exchanged = {name: _exchanged(views, name, generator.permutation(len(test))) for name in views}
    scores, absent, permuted, importance = {}, {}, {}, {}
    for name, operator in fitted.items():
        scores[name] = score_views(operator, views, data, test)
        absent[name] = {m: score_views(operator, without(views, [m]), data, test) for m in views}
        permuted[name] = {m: score_views(operator, exchanged[m], data, test) for m in views}
        importance[name] = dict(operator.details.importance)
    return Resplit(scores, absent, permuted, importance)


def _exchanged(views: Views, name: str, order: Ints) -> dict[str, Floats]:
    return {m: x[order] if m == name else x for m, x in views.items()}
