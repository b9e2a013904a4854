"""Fit operators on a split, and keep their predictions on disk.

The predictions are stored in `build/fusion/` by the code of the operator, the rows and the settings. A run
that is interrupted continues where it ended, and another rule of choice needs no training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.parts import ROOT
from methods.fusion.choice import Data, assign_folds
from methods.fusion.operators import NEURAL, ONLY, OPERATORS, Settings, fit_all
from methods.fusion.views import Fitted, Floats, Scaler, Views, concatenated, take, without

CONCATENATION, LOGISTIC = "concatenation, C = 1", "late, logistic"
EVERY = ""
"""Key of the predictions from all modalities; the other keys name the absent one."""

SOURCES = {
    "late": ("late", "experts"),
    "early": ("columns",),
    "boosting": ("columns", "reduced"),
    "references": (),
    **dict.fromkeys(NEURAL, ("neural", "networks", "training", "tensor", "interaction")),
}
"""Modules of `methods.fusion` that make the predictions of each family of operators."""


RETRAINED = ("late", "early", "references")
"""Families that are trained again without each modality; boosting does so itself, networks mask."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of one operator on one split, by the modality that is absent.

    Attributes
    ----------
    test : dict of str to (test rows, classes) or (test rows,)
        By the model of all modalities.
    retrained : dict of str to array like those of `test`
        By models that were trained without the modality; empty for boosting and networks.
    held_out : (training rows, classes) or (training rows,), optional
        By models of all modalities without the fold of the row; absent without folds.
    """

    test: dict[str, Floats]
    retrained: dict[str, Floats]
    held_out: Floats | None


@dataclass(frozen=True)
class Task:
    """Training and test part of a split, with the folds of the choice.

    Attributes
    ----------
    folds : int
        0 for no held-out predictions.
    """

    train: Data
    test: Views
    seed: int
    folds: int

    def fold(self) -> np.ndarray:
        """Return the fold of each training row."""
        return assign_folds(self.train, self.folds, self.seed)


def split_predictions(
    tasks: Sequence[Task], processes: int, families: Sequence[str] = tuple(SOURCES)
) -> list[dict[str, Predictions]]:
    """Return the predictions of all operators and baselines for each task."""
    from joblib import Memory, Parallel, delayed

    cached = Memory(ROOT / "build/fusion", verbose=0).cache(_family)
    units = [(task, family, _code(family)) for family in families for task in tasks]
    parts = Parallel(n_jobs=processes)(delayed(cached)(*unit) for unit in units)
    joined: list[dict[str, Predictions]] = []
    for index in range(len(tasks)):
        found: dict[str, Predictions] = {}
        for part in parts[index :: len(tasks)]:
            found |= part
        order = [*OPERATORS, *(name for name in found if name not in OPERATORS)]
        joined.append({name: found[name] for name in order if name in found})
    return joined


def _code(family: str) -> str:
    folder = ROOT / "methods/fusion"
    text = b"".join((folder / f"{name}.py").read_bytes() for name in (*SOURCES[family], "views"))
    return hashlib.sha256(text).hexdigest()


def _family(task: Task, family: str, code: str) -> dict[str, Predictions]:
    """Fit a family of operators; `code` is part of the key of the stored result."""
    return _predictions(task, family)


def _predictions(task: Task, family: str) -> dict[str, Predictions]:
    import torch

    torch.set_num_threads(1)
    train = task.train
    fitted = _fit(family, train, task.seed)
    retrained: dict[str, dict[str, Floats]] = {name: {} for name in fitted}
    for absent in task.test if family in RETRAINED else ():
        part = Data(_others(train.views, absent), train.y, train.problem, train.groups)
        for name, operator in _fit(family, part, task.seed).items():
            retrained[name][absent] = operator.predict(_others(task.test, absent))
    held_out = _held_out(task, family) if task.folds else {}
    return {
        name: Predictions(_by_absent(operator, task.test), retrained.get(name, {}), held_out.get(name))
        for name, operator in fitted.items()
    }


def _others(views: Views, absent: str) -> dict[str, Floats]:
    return {m: x for m, x in views.items() if m != absent}


def _held_out(task: Task, family: str) -> dict[str, Floats]:
    fold = task.fold()
    shape = (len(fold), task.train.problem.classes) if task.train.problem.classes else (len(fold),)
    result: dict[str, Floats] = {}
    for index in range(task.folds):
        out = fold == index
        fitted = _fit(family, task.train.take(np.flatnonzero(~out)), task.seed)
        for name, operator in fitted.items():
            values = result.setdefault(name, np.full(shape, np.nan))
            values[out] = operator.predict(take(task.train.views, out))
    return result


def _by_absent(operator: Fitted, views: Views) -> dict[str, Floats]:
    return {EVERY: operator.predict(views)} | {m: operator.predict(without(views, [m])) for m in views}


def _fit(family: str, train: Data, seed: int) -> dict[str, Fitted]:
    if family == "references":
        return references(train)
    late = ["late-average", "late-stacked", "prior", *(f"{ONLY}{m}" for m in train.views)]
    names = late if family == "late" else [family]
    return fit_all(names, train.views, train.y, train.problem, Settings(seed=seed), train.groups)


def references(train: Data) -> dict[str, Fitted]:
    """Return the usual baselines with the default penalty of scikit-learn."""
    return {CONCATENATION: fit_concatenation(train), LOGISTIC: _fit_late_logistic(train)}


def fit_concatenation(train: Data) -> Fitted:
    """Fit a regression on all standardised columns, with mean imputation."""
    scaler = Scaler.fit(concatenated(train.views))
    model = _plain(scaler.apply(concatenated(train.views)), train)
    return Fitted(CONCATENATION, lambda views: _output(model, scaler.apply(concatenated(views)), train))


def _fit_late_logistic(train: Data) -> Fitted:
    """Average the regressions of all modalities; an absent one has its means."""
    scalers = {name: Scaler.fit(x) for name, x in train.views.items()}
    single = {name: _plain(scalers[name].apply(x), train) for name, x in train.views.items()}

    def predict(views: Mapping[str, Floats]) -> Floats:
        parts = [_output(single[name], scalers[name].apply(views[name]), train) for name in scalers]
        return np.asarray(np.mean(parts, axis=0))

    return Fitted(LOGISTIC, predict)


def _plain(x: Floats, train: Data):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import LogisticRegression, Ridge

    if train.problem.classes:
        return LogisticRegression(max_iter=500).fit(x, train.y.astype(int))
    return Ridge().fit(x, train.y)


def _output(model, x: Floats, train: Data) -> Floats:  # type: ignore[no-untyped-def]
    if not train.problem.classes:
        return np.asarray(model.predict(x), float)
    result = np.zeros((len(x), train.problem.classes))
    result[:, model.classes_] = model.predict_proba(x)
    return result
