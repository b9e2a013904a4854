"""Choose an operator by nested cross-validation, with its regret.

For each outer fold, every operator is scored on the other folds by inner cross-validation, one is picked,
and all are scored on the outer fold. A model without folds i and j serves the inner validation of both, so
that K folds cost K (K + 1) / 2 trainings of an operator in place of K^2.

    picked   the operator with the lowest Brier score or squared error, or the simplest one that is not
             worse than it by more than one standard error of their paired difference
    regret   score of the best operator in hindsight on all outer folds, minus the score of the picked ones

The choice for use is the same rule on the outer predictions of all rows.

References
----------
Varma and Simon, "Bias in error estimation when using cross-validation for model selection", BMC
Bioinformatics 7 (2006). Breiman et al. (1984), §3.4.3, for the rule of one standard error.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from methods.fusion.operators import OPERATORS, Settings, fit_all
from methods.fusion.scores import choice_losses, clustered_error, row_losses
from methods.fusion.views import Bools, Floats, Ints, Problem, Views, rows_of, take
from methods.fusion.workers import call_each

Loss: TypeAlias = Callable[[Floats, Floats, Problem, float], Floats]


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
        Operator for use.
    scores : dict of str to (folds,)
        Accuracy or R² on each outer fold.
    picked : tuple of str
        Operator that the inner folds pick, for each outer fold.
    score : float
        Score of the picked operators on all outer rows: what a user can expect of the procedure.
    regret : float
        In units of the score, >= 0 up to luck: a changing pick can beat the best fixed operator.
    fold_regret : (folds,)
        Against the best operator of each fold; its mean exceeds `regret`, more so on small folds.
    means : dict of str to float
        Score of each operator on all outer rows.
    held_out : dict of str to (rows, classes) or (rows,)
        Predictions of the outer folds.
    fold : (rows,) of int
    """

    chosen: str
    scores: dict[str, Floats]
    picked: tuple[str, ...]
    score: float
    regret: float
    fold_regret: Floats
    means: dict[str, float]
    held_out: dict[str, Floats]
    fold: Ints


def choose(
    data: Data, names: Sequence[str], settings: Settings, folds: int = 5, processes: int = 1
) -> Choice:
    """Choose one of the named operators.

    Parameters
    ----------
    data : Data
    names : sequence of str
        Operators; their order in `OPERATORS` is that of their simplicity.
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
    excluded: list[tuple[int, ...]] = [(i,) for i in range(folds)]
    excluded += itertools.combinations(range(folds), 2)
    predicted = dict(
        zip(excluded, _predictions(data, fold, excluded, (names, settings), processes), strict=True)
    )
    variance = max(float(np.var(data.y)), 1e-300)

    def losses(outer: tuple[int, ...], test: int, loss: Loss = row_losses) -> dict[str, Floats]:
        rows = np.flatnonzero(fold == test)
        return {
            name: loss(values[rows], data.y[rows], data.problem, variance)
            for name, values in predicted[outer].items()
        }

    outer = [losses((i,), i) for i in range(folds)]
    picked = []
    for i in range(folds):
        others = [j for j in range(folds) if j != i]
        inner = [losses((min(i, j), max(i, j)), j, choice_losses) for j in others]
        rows = np.concatenate([np.flatnonzero(fold == j) for j in others])
        picked.append(pick(joined_losses(inner, names), None if data.groups is None else data.groups[rows]))
    order = np.concatenate([np.flatnonzero(fold == i) for i in range(folds)])
    pooled = joined_losses(outer, names)
    judged = [losses((i,), i, choice_losses) for i in range(folds)]
    chosen = pick(joined_losses(judged, names), None if data.groups is None else data.groups[order])
    scores = {name: np.array([1 - part[name].mean() for part in outer]) for name in names}
    score = 1 - float(np.concatenate([part[name] for part, name in zip(outer, picked, strict=True)]).mean())
    means = {name: 1 - float(values.mean()) for name, values in pooled.items()}
    fold_best = np.max(np.stack(list(scores.values())), axis=0)
    fold_regret = fold_best - np.array([scores[name][i] for i, name in enumerate(picked)])
    held_out = {
        name: np.stack([predicted[(int(fold[row]),)][name][row] for row in range(len(fold))])
        for name in names
    }
    return Choice(
        chosen, scores, tuple(picked), score, max(means.values()) - score, fold_regret, means, held_out, fold
    )


def choose_once(data: Data, names: Sequence[str], settings: Settings, folds: int = 5) -> str:
    """Return the operator that cross-validation picks, without its regret."""
    fold = assign_folds(data, folds, settings.seed)
    variance = max(float(np.var(data.y)), 1e-300)
    parts = []
    for index in range(folds):
        rows = np.flatnonzero(fold == index)
        predicted = _predict(data, fold == index, names, settings)
        parts.append(
            {
                name: choice_losses(values[rows], data.y[rows], data.problem, variance)
                for name, values in predicted.items()
            }
        )
    order = np.concatenate([np.flatnonzero(fold == index) for index in range(folds)])
    return pick(joined_losses(parts, names), None if data.groups is None else data.groups[order])


def joined_losses(parts: Sequence[Mapping[str, Floats]], names: Sequence[str]) -> dict[str, Floats]:
    """Return the row losses of all parts as one array per operator."""
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def pick(losses: Mapping[str, Floats], groups: Ints | None = None) -> str:
    """Return the simplest operator within one standard error of the best one.

    Parameters
    ----------
    losses : mapping of str to (rows,)
        Row losses on the same rows.
    groups : (rows,) int, optional
        Rows of one group are not independent.
    """
    best = min(losses, key=lambda name: (float(losses[name].mean()), _rank(name)))
    for name in sorted(losses, key=_rank):
        difference = losses[name] - losses[best]
        if float(difference.mean()) <= clustered_error(difference, groups):
            return name
    return best


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


def _predictions(
    data: Data,
    fold: Ints,
    excluded: Sequence[tuple[int, ...]],
    model: tuple[Sequence[str], Settings],
    processes: int,
) -> list[dict[str, Floats]]:
    """Predict the excluded folds by models without them; other rows are NaN."""
    return call_each(_predict, [(data, np.isin(fold, out), *model) for out in excluded], processes)


def _predict(data: Data, test: Bools, names: Sequence[str], settings: Settings) -> dict[str, Floats]:
    train, later = data.take(np.flatnonzero(~test)), take(data.views, np.flatnonzero(test))
    fitted = fit_all(names, train.views, train.y, data.problem, settings, train.groups)
    result = {}
    for name, operator in fitted.items():
        predicted = operator.predict(later)
        result[name] = np.full((len(data.y), *predicted.shape[1:]), np.nan)
        result[name][test] = predicted
    return result


def _rank(name: str) -> int:
    return OPERATORS.index(name) if name in OPERATORS else -1


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
