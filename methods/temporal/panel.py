"""Many series in long form, in order of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """Observed means of several units over time, one row per unit and time.

    Attributes
    ----------
    unit, group : (n,) int
        The series (artist) of a row, counted from 0, and the group (genre) of that series.
    block : (n,) float
        The calendar period (year). Rows of one block do not use each other's population mean.
    time : (n,) float
        Time of the row in units of `block`, non-decreasing within a series.
    count : (n,) float
        Number of values behind the mean, >= 1.
    mean, sd : (n, d) float
        Mean and standard deviation (n - 1; NaN if `count` is 1) of the values.

    Rows are sorted by block; rows of one unit are in their order of release.
    """

    unit: Ints
    group: Ints
    block: Floats
    time: Floats
    count: Floats
    mean: Floats
    sd: Floats

    def __post_init__(self) -> None:
        if np.any(np.diff(self.block) < 0):
            raise ValueError("panel: rows are not sorted by block; sort them before building the panel")
        if not np.isfinite(self.mean).all():
            row, column = np.argwhere(~np.isfinite(self.mean))[0]
            raise ValueError(
                f"panel: mean in row {row}, column {column} is not finite; drop or correct that row"
            )

    @property
    def units(self) -> int:
        """Number of series."""
        return int(self.unit.max()) + 1

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1


def before(values: Floats, unit: Ints) -> Floats:
    """Sum, for each row, the values of the earlier rows of its unit.

    Parameters
    ----------
    values : (n,) or (n, d) float
    unit : (n,) int

    Returns
    -------
    (n,) or (n, d) float
        0 in the first row of a unit.
    """
    out = np.zeros_like(values, dtype=float)
    order = np.argsort(unit, kind="stable")
    # unit by unit, so that not even a rounding error comes from other units or later rows
    for rows in np.split(order, np.flatnonzero(np.diff(unit[order])) + 1):
        out[rows[1:]] = np.cumsum(values[rows[:-1]], axis=0)
    return out


def previous(values: Floats, unit: Ints) -> Floats:
    """Give each row the value of the row before it in its unit, NaN in the first.

    Parameters
    ----------
    values : (n,) or (n, d) float
    unit : (n,) int
    """
    order = np.argsort(unit, kind="stable")
    shifted = np.full(values.shape, np.nan)
    shifted[order[1:]] = values[order[:-1]]
    shifted[order[np.r_[True, np.diff(unit[order]) != 0]]] = np.nan
    return shifted


def position(unit: Ints) -> Ints:
    """Count, for each row, the earlier rows of its unit."""
    return np.rint(before(np.ones(len(unit)), unit)).astype(np.int64)


def with_cohorts(panel: Panel, years: float) -> Panel:
    """Divide each group into cohorts: units whose first rows lie in the same period.

    Parameters
    ----------
    panel : Panel
    years : float
        Length of a period in units of `block`, > 0.
    """
    first = np.full(panel.units, np.inf)
    np.minimum.at(first, panel.unit, panel.block)
    pairs = np.column_stack([panel.group, np.floor(first[panel.unit] / years).astype(np.int64)])
    cohort = np.unique(pairs, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    return replace(panel, group=cohort)


def noise_variance(panel: Panel, learn: NDArray[np.bool_], strength: float) -> Floats:
    """Compute the sampling variance of each mean, `s_i^2 / count`, with pooling.

    `s_i^2 = (k s^2 + sum (count - 1) sd^2) / (k + sum (count - 1))` over the unit's rows up to
    and including this one; `s^2` pools the rows in `learn`. The posterior mean of a scaled
    inverse chi-square prior with `k` degrees of freedom, as k grows.

    Parameters
    ----------
    panel : Panel
    learn : (n,) bool
        Rows from which the pooled spread is estimated.
    strength : float
        k > 0: number of songs that the pooled spread counts as.

    Returns
    -------
    (n, d) float
        At least 1e-3 of the variance of the means, so that no mean counts as exact.
    """
    squares = np.nan_to_num(panel.sd) ** 2 * (panel.count - 1)[:, None]
    degrees = np.maximum(panel.count - 1, 0)
    if degrees[learn].sum() == 0:
        raise ValueError(
            "panel: no row of `learn` has count > 1, so the spread is unknown; expected at least one"
        )
    pooled = squares[learn].sum(axis=0) / degrees[learn].sum()
    own_squares = before(squares, panel.unit) + squares
    own_degrees = before(degrees, panel.unit) + degrees
    spread = (strength * pooled + own_squares) / (strength + own_degrees)[:, None]
    floor = 1e-3 * panel.mean[learn].var(axis=0)
    return np.maximum(spread / panel.count[:, None], floor)


def expected_noise(panel: Panel, noise: Floats, learn: NDArray[np.bool_], strength: float) -> Floats:
    """Predict the sampling variance of the unit's next mean from earlier rows.

    Parameters
    ----------
    panel : Panel
    noise : (n, d) float
        From `noise_variance`.
    learn : (n,) bool
        Rows whose average is used for a new unit.
    strength : float
        Number of rows that this average counts as.
    """
    common = noise[learn].mean(axis=0)
    seen = position(panel.unit)[:, None]
    return (strength * common + before(noise, panel.unit)) / (strength + seen)
