r"""Support vector machines for pictures and signals, also averaged over a group.

.. math:: k_G(x, x') = \frac{1}{|G|} \sum_{g \in G} \exp(-\gamma \|x - g x'\|^2)

is invariant under a group of isometries, and a kernel again: the exact counterpart of augmentation.

References
----------
Haasdonk and Burkhardt, "Invariant kernel functions for pattern analysis and machine learning", Machine
Learning 68 (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from methods.evaluation.calibration import fit_temperature, softmax
from methods.sifa.model import Array, Trained

Labels = NDArray[np.int64]
PENALTIES = (1.0, 10.0, 100.0)
SCALES = (0.5, 1.0, 2.0)
MOST_SEARCHED = 600
"""Number of rows above which penalty and scale are not searched."""
MOST_TRAINED = 4000
"""Number of rows above which a random part of the augmented rows is used."""


def train_machine(
    x: Array, y: Labels, orbit: Callable[[Array], Sequence[Array]], *, form: str, seed: int
) -> Trained:
    """Train a support vector machine; choose penalty and scale by cross-validation.

    Parameters
    ----------
    x : ndarray, shape (rows, ...)
    y : ndarray, shape (rows,)
    orbit : callable
        Rows -> the rows under each element of the group, the identity first.
    form : {'plain', 'augmented', 'averaged'}
        No use of the group, its images as further training rows, or the averaged kernel.
    seed : int
        Seed of the folds.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
    from sklearn.svm import SVC

    flat = x.reshape(len(x), -1)
    scale = 1 / (flat.shape[1] * flat.var())

    def gram(first: Array, second: Array, gamma: float) -> Array:
        images = orbit(second) if form == "averaged" else [second]
        total = sum(np.exp(-gamma * _squared(first, image)) for image in images)
        return np.asarray(total / len(images), float)

    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    best = (-np.inf, 1.0, 10.0)
    if len(x) <= MOST_SEARCHED:
        for factor in SCALES:
            search = GridSearchCV(SVC(kernel="precomputed"), {"C": list(PENALTIES)}, cv=folds)
            search.fit(gram(x, x, factor * scale), y)
            best = max(best, (search.best_score_, factor, search.best_params_["C"]))
    gamma, penalty = best[1] * scale, best[2]
    rows, labels = _augmented(x, y, orbit, seed) if form == "augmented" else (x, y)
    machine = SVC(kernel="precomputed", C=penalty, decision_function_shape="ovr")
    kernel = gram(rows, rows, gamma)
    scores = cross_val_predict(machine, kernel, labels, cv=folds, method="decision_function")
    temperature = fit_temperature(_columns(scores), labels)
    machine.fit(kernel, labels)
    used = rows[machine.support_]

    def predict(points: Array) -> Array:
        full = np.zeros((len(points), len(rows)))
        full[:, machine.support_] = gram(points, used, gamma)
        return np.asarray(softmax(_columns(machine.decision_function(full)), temperature), np.float64)

    images = len(orbit(x[:1])) if form == "averaged" else 1
    return Trained(
        predict=predict,
        parameters=int(machine.dual_coef_.size + used.size),
        flops=int(2 * machine.dual_coef_.size + 3 * used.size * images),
    )


def _squared(first: Array, second: Array) -> Array:
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    distances = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.asarray(np.maximum(distances, 0), float)


def _augmented(
    x: Array, y: Labels, orbit: Callable[[Array], Sequence[Array]], seed: int
) -> tuple[Array, Labels]:
    images = orbit(x)
    rows, labels = np.concatenate(images), np.tile(y, len(images))
    if len(rows) > MOST_TRAINED:
        chosen = np.random.default_rng(seed).choice(len(rows), MOST_TRAINED, replace=False)
        rows, labels = rows[chosen], labels[chosen]
    return rows, labels


def _columns(scores: Array) -> Array:
    """Return a score per class, also where the machine has one for two classes."""
    return np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores
