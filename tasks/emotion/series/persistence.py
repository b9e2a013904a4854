"""Careers as series of uncorrelated components with known noise.

The yearly means are turned to components ``(values - drift (year - centre)) basis``. The basis is that of
the generalised eigenvalues of the covariance of all years and that of the songs of a year: in it neither has
correlations, so components are analysed one by one. The drift is common to all careers.

The error of a yearly mean of n songs has the variance ``sigma^2 / n``. Each artist has its own sigma^2, from
the spread of songs within its years, shrunk to the mean of all artists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.emotion.series.regimes import Panel

if TYPE_CHECKING:
    from methods.changepoint import NoisySeries


class Components(NamedTuple):
    """Careers in components.

    `drift` (d,) is per year, in standardised values; `offset` (d,) is the mean of what remains.
    `log_jacobian` of a row turns the log density of components to that of standardised values.
    """

    series: list[NoisySeries]
    rows: list[np.ndarray]
    basis: np.ndarray
    drift: np.ndarray
    offset: np.ndarray
    centre_year: float
    log_jacobian: float

    def values(self, components: np.ndarray, year: np.ndarray) -> np.ndarray:
        """Return standardised values (..., T, d) of components (..., T, d) at years (T,)."""
        common = np.outer(year - self.centre_year, self.drift) + self.offset
        return np.asarray(components @ np.linalg.inv(self.basis) + common)


def components(panel: Panel, n_songs: np.ndarray, spread: np.ndarray) -> Components:
    """Return the careers of a standardised panel as components.

    The panel is sorted by group and year. `spread` (rows, d) is the standard deviation of songs within a
    year in the unit of the panel, NaN where it is unknown.
    """
    from scipy.linalg import eigh

    from methods.changepoint import NoisySeries

    _, group = np.unique(panel.group, return_inverse=True)
    years, values = panel.year.astype(float), panel.values
    drift = _drift(values, years, group)
    rest = values - np.outer(years - years.mean(), drift)
    offset = rest.mean(axis=0)
    variances = song_variances(spread, n_songs, group)
    mean = variances.mean(axis=0)
    correlation = _step_correlation(rest, group, panel.weights)
    basis = eigh(np.cov(rest.T), correlation * np.sqrt(np.outer(mean, mean)))[1]
    spreads = np.sqrt(variances)
    # a' D C D a of each artist and component a, with D the artist's spreads and C the correlation.
    turned = np.einsum("gk,kj,kl,gl,lj->gj", spreads, basis, correlation, spreads, basis)
    noise = turned[group] / n_songs[:, None]
    parts = (rest - offset) @ basis
    of_group = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    return Components(
        [NoisySeries(parts[rows], years[rows], noise[rows]) for rows in of_group],
        of_group, basis, drift, offset, float(years.mean()), float(np.linalg.slogdet(basis)[1]),
    )  # fmt: skip


def song_variances(spread: np.ndarray, n_songs: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the variance of songs within a year, by group and dimension.

    It is the mean of the group's own variance and that of all groups, weighted by the degrees of freedom of
    the first and ``2 / v`` for the second: v is the squared coefficient of variation of the true variances,
    estimated by moments from groups of at least ten degrees of freedom.
    """
    known = np.isfinite(spread).all(axis=1) & (n_songs > 1)
    freedom = np.where(known, n_songs - 1.0, 0.0)
    squares = np.where(known[:, None], np.nan_to_num(spread) ** 2, 0.0) * freedom[:, None]
    sums = np.stack([np.bincount(group, weights=column) for column in squares.T], axis=1)
    own = np.bincount(group, weights=freedom)
    pooled = sums.sum(axis=0) / own.sum()
    many = own >= 10
    variation = ((sums[many] / own[many, None] / pooled) ** 2).mean() - 1 - (2 / own[many]).mean()
    strength = 2 / max(float(variation), 0.02) if many.sum() > 1 else 100.0
    return np.asarray((sums + strength * pooled) / (own + strength)[:, None])


def _drift(values: np.ndarray, years: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the slope on the year within groups, by least squares."""
    size = np.bincount(group)
    mean_year = (np.bincount(group, weights=years) / size)[group]
    means = np.stack([np.bincount(group, weights=column) / size for column in values.T], axis=1)[group]
    centred = years - mean_year
    return np.asarray(centred @ (values - means) / (centred**2).sum())


def _step_correlation(values: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation of successive differences, mostly noise of songs."""
    same = group[1:] == group[:-1]
    variance = (1 / weights[1:] + 1 / weights[:-1])[same]
    steps = np.diff(values, axis=0)[same]
    covariance = (steps / variance[:, None]).T @ steps
    scale = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(scale, scale))
