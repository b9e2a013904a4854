"""Drift of one modality between two samples of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.characterise import shift
from tasks.fusion.contracts.characterise import Drift
from tasks.fusion.tables.components import filled, present_rows, principal

Floats = NDArray[np.float64]
SIGNIFICANT = 0.05
LEAST_ROWS = 10


def compare(reference: Floats, current: Floats, *, components: int = 8, seed: int = 0) -> Drift | None:
    """Compare two samples of the rows of one modality.

    Parameters
    ----------
    reference, current : ndarray of shape (n, d) and (m, d)
        NaN where a cell is missing; rows without the modality are left out.
    components : int
        Principal components that the classifier sees.
    seed : int
        Seed of its folds.

    Returns
    -------
    Drift or None
        None if a sample has fewer than ten rows with the modality.
    """
    first, second = reference[present_rows(reference)], current[present_rows(current)]
    if min(len(first), len(second)) < LEAST_ROWS:
        return None
    p = shift.holm(shift.kolmogorov_smirnov(first, second))
    scores = principal(filled(np.vstack([first, second])), components).values
    result = shift.two_samples(scores[: len(first)], scores[len(first) :], seed=seed)
    return Drift(
        psi_largest=round(float(stability(first, second).max()), 4),
        columns=int((p < SIGNIFICANT).sum()),
        auc=round(result.auc, 4),
        auc_low=round(result.low, 4),
        auc_high=round(result.high, 4),
    )


def stability(reference: Floats, current: Floats) -> Floats:
    """Return the population stability index of each column.

    It is 0 for a column without values in one of the samples.
    """
    values = []
    for first, second in zip(reference.T, current.T, strict=True):
        known, later = first[~np.isnan(first)], second[~np.isnan(second)]
        values.append(shift.psi(known, later) if len(known) and len(later) else 0.0)
    return np.array(values)
