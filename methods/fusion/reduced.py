"""Predict rows that lack a modality by a model of the others.

A model of all columns has no good answer for a modality that its training rows always had: a mean is not a
neutral value of a product, and a tree sends a missing cell where no row went. A reduced model is trained on
the modalities that the row has, so that the loss of a modality costs no more than the loss of its
information. It is trained when the first such row is predicted; m modalities have at most 2^m - 1 models.

References
----------
Saar-Tsechansky and Provost, "Handling missing values when applying classification models", Journal of
Machine Learning Research 8 (2007), §2.3: reduced-feature models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from methods.fusion.views import Fitted, Floats, Ints, Views, patterns, present, take

SEEN = 0.1
"""Share of the training rows from which on the full model knows a set of modalities."""


def fit_reduced(fit: Callable[[Views, Ints], Fitted], views: Views, nothing: Fitted) -> Fitted:
    """Fit a model of all modalities, and others where rows lack some of them.

    Parameters
    ----------
    fit : callable
        Takes views of some modalities, and the numbers of their rows among the training rows.
    views : mapping of str to (rows, columns_i)
        Training rows.
    nothing : Fitted
        Predicts rows without any modality.
    """
    names, shown = tuple(views), present(views)
    full = fit(views, np.arange(len(shown)))

    @cache
    def model(pattern: tuple[bool, ...]) -> Fitted:
        marks = np.array(pattern)
        if not marks.any():
            return nothing
        if (shown == marks).all(axis=1).mean() >= SEEN:
            return full
        rows = np.flatnonzero(shown[:, marks].any(axis=1))
        return fit(take(_kept(views, pattern), rows), rows) if len(rows) > 1 else full

    def predict(later: Views) -> Floats:
        ordered = {name: later[name] for name in names}
        parts, order = [], []
        for pattern, rows in patterns(present(ordered)):
            key = tuple(bool(mark) for mark in pattern)
            used = model(key)
            some = take(ordered if used is full or used is nothing else _kept(ordered, key), rows)
            parts.append(used.predict(some))
            order.append(rows)
        if not parts:
            return full.predict(ordered)
        result = np.concatenate(parts)
        result[np.concatenate(order)] = result.copy()
        return result

    return Fitted(full.name, predict, full.details)


def _kept(views: Views, pattern: tuple[bool, ...]) -> dict[str, Floats]:
    return {name: views[name] for name, mark in zip(views, pattern, strict=True) if mark}
