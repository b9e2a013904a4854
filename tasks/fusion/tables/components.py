"""Present rows of a modality, and their principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of rows on principal components.

    Attributes
    ----------
    values : ndarray of shape (n, q)
    share : float
        Part of the variance of the standardised columns that they keep.
    """

    values: Floats
    share: float


def present_rows(view: Floats) -> NDArray[np.bool_]:
    """Return which rows have any cell of the modality."""
    return np.asarray(~np.isnan(view).all(axis=1))


def filled(view: Floats) -> Floats:
    """Return the table with missing cells replaced by the mean of their column."""
    return np.where(np.isnan(view), np.nanmean(view, axis=0), view)


def complete_or_filled(view: Floats) -> tuple[Floats, float]:
    """Return a table without missing cells, and the share of filled cells.

    The table has the complete rows if they are at least half of those with the modality: a mean in place
    of a missing cell gives a law heavy tails. Otherwise missing cells are replaced by the mean.
    """
    rows = view[present_rows(view)]
    whole = ~np.isnan(rows).any(axis=1)
    if whole.sum() >= max(len(rows) / 2, 2):
        return rows[whole], 0.0
    return filled(rows), float(np.isnan(rows).mean())


def standardised(table: Floats) -> Floats:
    """Return columns with mean 0 and deviation 1, without constant columns."""
    deviation = table - table.mean(axis=0)
    scale = table.std(axis=0)
    varies = scale > 1e-12 * np.maximum(np.abs(table).max(axis=0), 1e-300)
    return np.asarray(deviation[:, varies] / scale[varies])


def principal(table: Floats, most: int) -> Scores:
    """Return the scores on the first components of the standardised columns.

    Directions with practically no variance are left out. The sign of a component makes its largest
    loading positive.

    Parameters
    ----------
    table : ndarray of shape (n, d)
        Finite.
    most : int
        Largest number of components.
    """
    scaled = standardised(table)
    left, singular, right = np.linalg.svd(scaled, full_matrices=False)
    number = min(most, int((singular > singular[0] * 1e-6).sum()))
    loadings = right[:number]
    signs = np.sign(loadings[np.arange(number), np.abs(loadings).argmax(axis=1)])
    share = float((singular[:number] ** 2).sum() / (singular**2).sum())
    return Scores(left[:, :number] * singular[:number] * signs, share)
