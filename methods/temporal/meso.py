r"""Factor model of albums, and the share of emotion that songs of an album share.

For song s on album m of artist i, in d emotional dimensions:

.. math::
    \eta_{ms} = \alpha_i + \Lambda f_m + \delta_{ms},\qquad
    \delta_{ms} = u_m + w_{ms},\quad f_m \sim N(0, I_r),\quad u_m \sim N(0, \Psi),\quad
    \mathrm{Var}(w_{ms}) = W_m

.. math::
    \mathrm{Coherence}(m) = 1 - \frac{\mathrm{tr}\,\mathrm{Var}(\delta_m)}{\mathrm{tr}\,\mathrm{Var}(\eta_m)}
    = \frac{\mathrm{tr}\,\Lambda\Lambda^\top}{\mathrm{tr}(\Lambda\Lambda^\top + \Psi) + \mathrm{tr}\,W_m}

The model needs only the mean, the standard deviation and the number of songs of each album. W_m is the
within-album variance; by the law of total variance the observed means vary by ``W_m / n_m`` more than the
true means. The loadings are common to all albums: one mean vector per album does not identify loadings of
its own. Specification 3, section 1.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from methods.temporal.album_spread import Albums, Spread, pool_spread
from methods.temporal.panel import Floats, Ints

__all__ = [
    "Albums",
    "Deviations",
    "Factors",
    "Spread",
    "coherence",
    "deviations",
    "fit_factors",
    "group_sums",
    "log_likelihood",
    "most_factors",
    "pool_spread",
]


@dataclass(frozen=True)
class Factors:
    """Fitted factor model of the albums' true means.

    Attributes
    ----------
    loadings : (d, r) float
        Lambda.
    unique : (d,) float
        Diagonal of Psi.
    log_likelihood : (iterations,) float
        Before each step of EM; it never falls.
    """

    loadings: Floats
    unique: Floats
    log_likelihood: Floats


class Deviations(NamedTuple):
    """Deviations of albums from their artist, scaled to the variance of an album."""

    value: Floats
    noise: Floats


def deviations(albums: Albums, within: Floats) -> Deviations:
    r"""Compute the deviations of albums from their artist's mean.

    ``sqrt(g / (g - 1)) (y_m - mean over the artist's g albums)``.

    Parameters
    ----------
    albums : Albums
    within : (m, d) float
        Within-album variance of a song; ``within / count`` is the sampling variance of a mean.

    Returns
    -------
    Deviations
        Values (m, d), and their remaining sampling variance.
    """
    size = np.bincount(albums.artist)[albums.artist][:, None]
    sampling = within / albums.count[:, None]
    totals = group_sums(sampling, albums.artist)[albums.artist]
    means = group_sums(albums.mean, albums.artist)[albums.artist] / size
    stretch = size / (size - 1)
    noise = stretch * ((1 - 2 / size) * sampling + totals / size**2)
    return Deviations(np.sqrt(stretch) * (albums.mean - means), noise)


def group_sums(values: Floats, group: Ints) -> Floats:
    """Sum the rows of each group, (groups, d)."""
    out = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(out, group, values)
    return out


def fit_factors(
    value: Floats,
    noise: Floats,
    factors: int,
    *,
    start: Factors | None = None,
    iterations: int = 500,
    tolerance: float = 1e-7,
) -> Factors:
    """Fit a factor analysis of values with known error variances, by EM.

    Parameters
    ----------
    value : (m, d) float
        Centred.
    noise : (m, d) float
        Known sampling variance of each value.
    factors : int
        r >= 1, with ``(d - r)^2 >= d + r``: larger models are not identified.
    start : Factors, optional
        Start of the iterations; by default the principal components of `value`.
    iterations : int
    tolerance : float
        Stop when a step adds less than this to the log-likelihood per row.

    Raises
    ------
    ValueError
        If there are too many factors.
    """
    d = value.shape[1]
    if not 1 <= factors <= most_factors(d):
        raise ValueError(f"found {factors} factors for {d} dimensions; expected 1 to {most_factors(d)}")
    loadings, unique = (start.loadings, start.unique) if start else _principal(value, factors)
    trace: list[float] = []
    for _ in range(iterations):
        likelihood, loadings, unique = _step(value, noise, loadings, unique)
        trace.append(likelihood)
        if len(trace) > 1 and trace[-1] - trace[-2] < tolerance * len(value):
            break
    return Factors(loadings, unique, np.array(trace))


def most_factors(dimensions: int) -> int:
    """Return the largest r with ``(d - r)^2 >= d + r``."""
    return max(r for r in range(dimensions + 1) if (dimensions - r) ** 2 >= dimensions + r)


def _principal(value: Floats, factors: int) -> tuple[Floats, Floats]:
    _, scales, axes = np.linalg.svd(value, full_matrices=False)
    loadings = axes[:factors].T * scales[:factors] / np.sqrt(2 * len(value))
    return loadings, np.maximum((value**2).mean(axis=0) - (loadings**2).sum(axis=1), 1e-3) / 2


def _step(value: Floats, noise: Floats, loadings: Floats, unique: Floats) -> tuple[float, Floats, Floats]:
    """Compute the log-likelihood and take one step of EM.

    The true means ``x = Lambda f + u`` are missing data too.
    """
    m, r = len(value), loadings.shape[1]
    total = unique + noise
    pull = (value / total) @ loadings
    inner = np.eye(r) + np.einsum("dp,md,dq->mpq", loadings, 1 / total, loadings, optimize=True)
    covariance = np.linalg.inv(inner)
    score = (covariance @ pull[..., None])[..., 0]
    distance = (value**2 / total).sum(axis=1) - (pull * score).sum(axis=1)
    determinant = np.log(total).sum(axis=1) + np.linalg.slogdet(inner)[1]
    likelihood = -0.5 * float((distance + determinant).sum() + m * value.shape[1] * np.log(2 * np.pi))
    second = covariance + score[:, :, None] * score[:, None, :]
    gain = unique / total
    # E[x f'], E[f f'] and the diagonal of E[x x'], summed over albums
    cross = np.einsum("md,mp->dp", gain * value, score)
    cross += np.einsum("md,dq,mqp->dp", 1 - gain, loadings, second, optimize=True)
    weighted = gain * value
    fitted = (1 - gain) * (score @ loadings.T)
    square = (weighted + fitted) ** 2 + gain * noise
    square += (1 - gain) ** 2 * np.einsum("dp,mpq,dq->md", loadings, covariance, loadings, optimize=True)
    new = np.linalg.solve(second.sum(axis=0), cross.T).T
    left = square.sum(axis=0) - (new * cross).sum(axis=1)
    return likelihood, new, np.maximum(left / m, 1e-9)


def log_likelihood(model: Factors, value: Floats, noise: Floats) -> float:
    """Compute the mean log density of ``N(0, Lambda Lambda' + Psi + diag(noise))``."""
    return _step(value, noise, model.loadings, model.unique)[0] / len(value)


def coherence(model: Factors, within: Floats) -> Floats:
    """Compute the share of a song's variance that the factors of its album explain.

    Parameters
    ----------
    model : Factors
    within : (..., d) float
        Within-album variances.

    Returns
    -------
    (...) float
        In 0..1.
    """
    common = float((model.loadings**2).sum())
    return np.asarray(common / (common + model.unique.sum() + within.sum(axis=-1)))
