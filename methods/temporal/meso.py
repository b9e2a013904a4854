r"""Albums: what their songs share, and how much of a song's emotion that is.

A song s on album m of artist i, all measured in d emotional dimensions:

.. math::
    \eta_{ms} = \alpha_i + \Lambda f_m + \delta_{ms},\qquad
    \delta_{ms} = u_m + w_{ms},\quad f_m \sim N(0, I_r),\quad u_m \sim N(0, \Psi),\quad
    \mathrm{Var}(w_{ms}) = W_m

.. math::
    \mathrm{Coherence}(m) = 1 - \frac{\mathrm{tr}\,\mathrm{Var}(\delta_m)}{\mathrm{tr}\,\mathrm{Var}(\eta_m)}
    = \frac{\mathrm{tr}\,\Lambda\Lambda^\top}{\mathrm{tr}(\Lambda\Lambda^\top + \Psi) + \mathrm{tr}\,W_m}

Only the mean, the standard deviation and the number of songs of each album are needed: W_m is
the squared deviation, and by the law of total variance the means vary by ``W_m / n_m`` more than
the albums do. The loadings are common to all albums: one vector of means an album cannot carry
loadings of its own. Specification 3, section 1.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from methods.temporal.panel import Floats, Ints


@dataclass(frozen=True)
class Albums:
    """Summary of the songs of each album.

    Attributes
    ----------
    mean : (m, d) float
    variance : (m, d) float
        Squared standard deviation of its songs (n - 1), >= 0.
    count : (m,) float
        Songs, >= 2.
    artist : (m,) int
        From 0; every artist has at least two albums.
    """

    mean: Floats
    variance: Floats
    count: Floats
    artist: Ints

    def __post_init__(self) -> None:
        if not np.isfinite(self.mean).all() or not (self.variance >= 0).all():
            raise ValueError("albums: means and variances must be finite, variances >= 0; drop other albums")
        if (self.count < 2).any():
            raise ValueError(
                f"albums: one of {int(self.count.min())} song has no spread; expected at least 2 songs"
            )
        sizes = np.bincount(self.artist)
        if (sizes < 2).any():
            raise ValueError(
                f"albums: artist {int(np.argmin(sizes))} has {sizes.min()} album; expected at least 2"
            )

    def take(self, rows: Ints) -> Albums:
        """Some albums; artists are numbered anew."""
        artist = np.unique(self.artist[rows], return_inverse=True)[1].ravel()
        return Albums(self.mean[rows], self.variance[rows], self.count[rows], artist)


@dataclass(frozen=True)
class Spread:
    """Within-album variances after partial pooling: scaled inverse chi-square, album by album.

    Attributes
    ----------
    mean : (m, d) float
        Posterior mean of each diagonal element of W_m.
    scale, degrees : (m, d) float
        The variance is ``degrees * scale / chi2(degrees)`` a posteriori.
    prior_degrees : (d,) float
        How many songs' worth the pooled spread counts for; infinite where albums do not differ.
    """

    mean: Floats
    scale: Floats
    degrees: Floats
    prior_degrees: Floats


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


def pool_spread(albums: Albums) -> Spread:
    """Shrink each album's variance to the pooled one, by empirical Bayes.

    ``s^2 | sigma^2 ~ sigma^2 chi2(n - 1) / (n - 1)``, ``1 / sigma^2 ~ chi2(d0) / (d0 s0^2)``; d0
    and s0^2 by the moments of log s^2. A spread of few songs leans on the others; it is unbiased
    on average. Smyth (2004), Linear models and empirical Bayes methods, section 6.2.
    """
    own = np.repeat(albums.count[:, None] - 1, albums.mean.shape[1], axis=1)
    floor = 1e-6 * np.average(albums.variance, axis=0, weights=own[:, 0])
    variance = np.maximum(albums.variance, floor)
    logs = np.log(variance) - digamma(own / 2) + np.log(own / 2)
    excess = logs.var(axis=0, ddof=1) - polygamma(1, own / 2).mean(axis=0)
    prior = np.array([2 * _inverse_trigamma(value) if value > 0 else np.inf for value in excess])
    half = np.where(np.isinf(prior), 1.0, prior / 2)
    centre = np.where(
        np.isinf(prior),
        np.average(variance, axis=0, weights=own[:, 0]),
        np.exp(logs.mean(axis=0) + digamma(half) - np.log(half)),
    )
    # an infinite prior leaves the pooled variance alone; a million degrees say the same
    known = np.minimum(prior, 1e6)
    degrees = known + own
    scale = (known * centre + own * variance) / degrees
    return Spread(scale * degrees / (degrees - 2), scale, degrees, prior)


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(x) = value`` by Newton's method on 1 / trigamma, which is nearly linear."""
    x = 0.5 + 1 / value
    for _ in range(50):
        slope = polygamma(2, x)
        step = polygamma(1, x) * (1 - polygamma(1, x) / value) / slope
        x += step
        if abs(step) < 1e-10 * x:
            break
    return float(x)


class Deviations(NamedTuple):
    """Albums about their artist's mean, stretched so that their variance is that of an album."""

    value: Floats
    noise: Floats


def deviations(albums: Albums, within: Floats) -> Deviations:
    r"""Take out the artist: ``sqrt(g / (g - 1)) (y_m - mean over the artist's g albums)``.

    Parameters
    ----------
    albums : Albums
    within : (m, d) float
        Within-album variance of a song; ``within / count`` is the sampling variance of a mean.

    Returns
    -------
    Deviations
        Values (m, d), and the sampling variance that is left in them.
    """
    size = np.bincount(albums.artist)[albums.artist][:, None]
    sampling = within / albums.count[:, None]
    totals = sums(sampling, albums.artist)[albums.artist]
    means = sums(albums.mean, albums.artist)[albums.artist] / size
    stretch = size / (size - 1)
    noise = stretch * ((1 - 2 / size) * sampling + totals / size**2)
    return Deviations(np.sqrt(stretch) * (albums.mean - means), noise)


def sums(values: Floats, group: Ints) -> Floats:
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
    """Factor analysis of values with known error variances, by EM.

    Parameters
    ----------
    value : (m, d) float
        Centred.
    noise : (m, d) float
        Known sampling variance of each value.
    factors : int
        r >= 1, with ``(d - r)^2 >= d + r``: beyond, the model is not identified.
    start : Factors, optional
        Where to start; the principal components of `value` otherwise.
    iterations : int
    tolerance : float
        Stop when a step adds less than this to the log-likelihood a row.

    Raises
    ------
    ValueError
        If there are too many factors.
    """
    d = value.shape[1]
    if not 1 <= factors <= most_factors(d):
        raise ValueError(f"{factors} factors of {d} dimensions; expected 1 to {most_factors(d)}")
    loadings, unique = (start.loadings, start.unique) if start else _principal(value, factors)
    trace: list[float] = []
    for _ in range(iterations):
        likelihood, loadings, unique = _step(value, noise, loadings, unique)
        trace.append(likelihood)
        if len(trace) > 1 and trace[-1] - trace[-2] < tolerance * len(value):
            break
    return Factors(loadings, unique, np.array(trace))


def most_factors(dimensions: int) -> int:
    """Largest r with ``(d - r)^2 >= d + r``."""
    return max(r for r in range(dimensions + 1) if (dimensions - r) ** 2 >= dimensions + r)


def _principal(value: Floats, factors: int) -> tuple[Floats, Floats]:
    _, scales, axes = np.linalg.svd(value, full_matrices=False)
    loadings = axes[:factors].T * scales[:factors] / np.sqrt(2 * len(value))
    return loadings, np.maximum((value**2).mean(axis=0) - (loadings**2).sum(axis=1), 1e-3) / 2


def _step(value: Floats, noise: Floats, loadings: Floats, unique: Floats) -> tuple[float, Floats, Floats]:
    """Log-likelihood, and one step of EM with the true mean ``x = Lambda f + u`` as missing too."""
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
    seen = gain * value
    fitted = (1 - gain) * (score @ loadings.T)
    square = (seen + fitted) ** 2 + gain * noise
    square += (1 - gain) ** 2 * np.einsum("dp,mpq,dq->md", loadings, covariance, loadings, optimize=True)
    new = np.linalg.solve(second.sum(axis=0), cross.T).T
    left = square.sum(axis=0) - (new * cross).sum(axis=1)
    return likelihood, new, np.maximum(left / m, 1e-9)


def log_likelihood(model: Factors, value: Floats, noise: Floats) -> float:
    """Mean log density a row of ``N(0, Lambda Lambda' + Psi + diag(noise))``."""
    return _step(value, noise, model.loadings, model.unique)[0] / len(value)


def coherence(model: Factors, within: Floats) -> Floats:
    """Share of a song's variance that the factors of its album carry.

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
