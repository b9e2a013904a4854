"""Covariates of the mean of a career: calendar time, career time, genre."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from methods.temporal.panel import Floats, Ints

LARGE_GENRE = 10
"""Number of careers from which a genre has its own level."""


def covariates(
    year: Floats, unit: Ints, genre: Sequence[str], past: NDArray[np.bool_]
) -> tuple[Floats, tuple[str, ...]]:
    """Build the covariates: level, calendar and career time in decades, large genres.

    Each large genre except the largest has its own level. Calendar time is linear: a quadratic term
    extrapolates without bound and predicted later years worse.

    Parameters
    ----------
    year : (n,) float
    unit : (n,) int
        Career of each row, from 0; the rows of a career start with its first year.
    genre : (n,) str
    past : (n,) bool
        Rows that the model is fitted to; their careers determine the sizes of genres.

    Returns
    -------
    covariates : (n, p) float
    names : tuple of str
    """
    first = np.full(unit.max() + 1, np.inf)
    np.minimum.at(first, unit, year)
    names = np.asarray(genre, dtype=str)
    careers = {(career, name) for career, name in zip(unit[past].tolist(), names[past].tolist(), strict=True)}
    sizes = Counter(name for _, name in careers)
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    large = [name for name in ordered[1:] if sizes[name] >= LARGE_GENRE]
    columns = [np.ones(len(year)), (year - 1980) / 10, (year - first[unit]) / 10]
    columns += [(names == name).astype(float) for name in large]
    return np.column_stack(columns), ("level", "decade", "decades of career", *large)
