"""Choose a blend of operators by nested cross-validation, with its regret.

For each outer fold, every operator predicts the other folds by inner cross-validation, these predictions
give the weights of a blend, and all are scored on the outer fold. A model without folds i and j serves the
inner validation of both, so that K folds cost K (K + 1) / 2 trainings of an operator in place of K^2.

    weights  those of the blend with the lowest Brier score or squared error; one operator may have all
    regret   score of the best operator in hindsight on all outer folds, minus the score of the blends

The weights for use are those of the outer predictions of all rows.

References
----------
Varma and Simon, "Bias in error estimation when using cross-validation for model selection", BMC
Bioinformatics 7 (2006). `methods.fusion.blend` for the weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from methods.fusion.blend import BLEND, combined, fit_weights
from methods.fusion.operators import Settings, fit_all
from methods.fusion.scores import row_losses
from methods.fusion.views import Bools, Details, Floats, Ints, Problem, Views, rows_of, take
from methods.fusion.workers import call_each


@dataclass(frozen=True)
class Data:
    """Views with their targets and, if rows are not independent, their groups."""

    views: Views
    y: Floats
    problem: Problem
    groups: Ints | None = None

    def take(self, rows: Ints) -> Data:
        """Return the given rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Data(take(self.views, rows), self.y[rows], self.problem, groups)


@dataclass(frozen=True)
class Choice:
    """Result of the nested cross-validation.

    Attributes
    ----------
    chosen : str
        ``blend``, or the operator that has all the weight.
    weights : dict of str to float
        Weights of the operators for use, with sum 1.
    scores : dict of str to (folds,)
        Accuracy or R² of each operator, and of the blend, on each outer fold.
    picked : tuple of str
        Operator with the largest weight by the inner folds, for each outer fold.
    score : float
        Score of the blends on all outer rows: what a user can expect of the procedure.
    regret : float
        Against the best operator on all outer rows, in units of the score. It is negative if blending
        gains.
    fold_regret : (folds,)
        Against the best operator of each fold; its mean exceeds `regret`, more so on small folds.
    means : dict of str to float
        Score of each operator, and of the blend, on all outer rows.
    held_out : dict of str to (rows, classes) or (rows,)
        Predictions of the outer folds.
    fold : (rows,) of int
    details : dict of str to Details
        Figures of each operator fitted on all rows.
    """

    chosen: str
    weights: dict[str, float]
    scores: dict[str, Floats]
    picked: tuple[str, ...]
    score: float
    regret: float
    fold_regret: Floats
    means: dict[str, float]
    held_out: dict[str, Floats]
    fold: Ints
    details: dict[str, Details]


@dataclass(frozen=True)
class Training:
    """Predictions of the rows that a training excluded, NaN elsewhere, and details."""

    predicted: dict[str, Floats]
    details: dict[str, Details]


def choose(
    data: Data, names: Sequence[str], settings: Settings, folds: int = 5, processes: int = 1
) -> Choice:
    """Choose weights of the named operators.

    Parameters
    ----------
    data : Data
    names : sequence of str
        Operators.
    settings : Settings
    folds : int
    processes : int
        Number of processes among which the trainings are divided; the result does not depend on it.

    Raises
    ------
    ValueError
        If there are fewer than 3 folds, or fewer groups than folds.
    """
    if folds < 3:
        raise ValueError(f"{folds} folds; expected at least 3, so that two can be held out of a training")
    fold = assign_folds(data, folds, settings.seed)
    # The largest training is the first, so that no process waits for it in the end.
    excluded: list[tuple[int, ...]] = [(), *((i,) for i in range(folds))]
    excluded += itertools.combinations(range(folds), 2)
    work = [(data, np.isin(fold, out), names, settings) for out in excluded]
    trained = dict(zip(excluded, call_each(_train, work, processes), strict=True))
    predicted = {out: training.predicted for out, training in trained.items()}
    held_out = {
        name: np.stack([predicted[(int(i),)][name][row] for row, i in enumerate(fold)]) for name in names
    }
    blended, picked = np.empty_like(held_out[names[0]]), []
    for i in range(folds):
        inner = {name: np.empty_like(values) for name, values in held_out.items()}
        for j in (j for j in range(folds) if j != i):
            for name, values in predicted[(min(i, j), max(i, j))].items():
                inner[name][fold == j] = values[fold == j]
        weights = fit_weights(take(inner, fold != i), data.y[fold != i], data.problem)
        blended[fold == i] = combined(take(held_out, fold == i), weights)
        picked.append(max(weights, key=lambda name: weights[name]))
    weights = fit_weights(held_out, data.y, data.problem)
    held_out[BLEND] = blended
    variance = max(float(np.var(data.y)), 1e-300)
    losses = {name: row_losses(values, data.y, data.problem, variance) for name, values in held_out.items()}
    means = {name: 1 - float(values.mean()) for name, values in losses.items()}
    scores = {
        name: np.array([1 - values[fold == i].mean() for i in range(folds)])
        for name, values in losses.items()
    }
    best = np.max([scores[name] for name in names], axis=0)
    return Choice(
        chosen=BLEND if len(weights) > 1 else next(iter(weights)),
        weights=weights,
        scores=scores,
        picked=tuple(picked),
        score=means[BLEND],
        regret=max(means[name] for name in names) - means[BLEND],
        fold_regret=best - scores[BLEND],
        means=means,
        held_out=held_out,
        fold=fold,
        details=trained[()].details,
    )


def assign_folds(data: Data, folds: int, seed: int) -> Ints:
    """Return the fold of each row: by class, and never dividing a group.

    Raises
    ------
    ValueError
        If there are fewer rows or groups than folds.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    units = rows_of(data.views) if data.groups is None else len(np.unique(data.groups))
    if units < folds:
        raise ValueError(f"{units} {'rows' if data.groups is None else 'groups'}; expected {folds} or more")
    stratify = data.problem.classes > 0 and np.bincount(data.y.astype(int)).max() >= folds
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    if data.groups is None:
        splitter = (StratifiedKFold if stratify else KFold)(**options)
    else:
        splitter = (StratifiedGroupKFold if stratify else GroupKFold)(**options)
    labels = data.y.astype(int) if data.problem.classes else data.y
    fold = np.zeros(len(data.y), int)
    for index, (_, test) in enumerate(splitter.split(np.zeros((len(labels), 1)), labels, data.groups)):
        fold[test] = index
    return fold


def _train(data: Data, test: Bools, names: Sequence[str], settings: Settings) -> Training:
    """Fit without the test rows, and predict them."""
    train, later = data.take(np.flatnonzero(~test)), take(data.views, np.flatnonzero(test))
    fitted = fit_all(names, train.views, train.y, data.problem, settings, train.groups)
    result = {}
    for name, operator in fitted.items() if test.any() else ():
        predicted = operator.predict(later)
        result[name] = np.full((len(data.y), *predicted.shape[1:]), np.nan)
        result[name][test] = predicted
    return Training(result, {name: operator.details for name, operator in fitted.items()})


def sample(data: Data, most: int, seed: int) -> Ints:
    """Draw at most `most` rows at random, whole groups if there are any, in order."""
    count = rows_of(data.views)
    if count <= most:
        return np.arange(count)
    generator = np.random.default_rng(seed)
    if data.groups is None:
        return np.sort(generator.permutation(count)[:most])
    _, member, sizes = np.unique(data.groups, return_inverse=True, return_counts=True)
    order = generator.permutation(len(sizes))
    used = order[: max(int((np.cumsum(sizes[order]) <= most).sum()), 1)]
    return np.flatnonzero(np.isin(member, used))
