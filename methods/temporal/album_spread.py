"""Summaries of albums, and partially pooled variances within albums."""

from __future__ import annotations

from dataclasses import dataclass

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
        Variance of the songs (n - 1), >= 0.
    count : (m,) float
        Number of songs, >= 2.
    artist : (m,) int
        Index of the artist from 0; every artist has at least two albums.
    """

    mean: Floats
    variance: Floats
    count: Floats
    artist: Ints

    def __post_init__(self) -> None:
        if not np.isfinite(self.mean).all() or not (self.variance >= 0).all():
            raise ValueError("albums: expected finite means and variances >= 0; drop the other albums")
        if (self.count < 2).any():
            raise ValueError(
                f"albums: found an album of {int(self.count.min())} song; expected at least 2 songs: drop it"
            )
        sizes = np.bincount(self.artist)
        if (sizes < 2).any():
            raise ValueError(
                f"albums: artist {int(np.argmin(sizes))} has {sizes.min()} album; expected at least 2"
            )

    def take(self, rows: Ints) -> Albums:
        """Select albums; artists are renumbered."""
        artist = np.unique(self.artist[rows], return_inverse=True)[1].ravel()
        return Albums(self.mean[rows], self.variance[rows], self.count[rows], artist)


@dataclass(frozen=True)
class Spread:
    """Within-album variances after partial pooling.

    Each has a scaled inverse chi-square distribution.

    Attributes
    ----------
    mean : (m, d) float
        Posterior mean of each diagonal element of W_m.
    scale, degrees : (m, d) float
        A posteriori the variance is ``degrees * scale / chi2(degrees)``.
    prior_degrees : (d,) float
        Number of songs that the pooled spread counts as; infinite if albums do not differ.
    """

    mean: Floats
    scale: Floats
    degrees: Floats
    prior_degrees: Floats


def pool_spread(albums: Albums) -> Spread:
    """Shrink each album's variance to the pooled one, by empirical Bayes.

    ``s^2 | sigma^2 ~ sigma^2 chi2(n - 1) / (n - 1)``, ``1 / sigma^2 ~ chi2(d0) / (d0 s0^2)``; d0
    and s0^2 are estimated by the moments of log s^2. The estimate of an album with few songs depends mostly
    on the other albums; it is unbiased on average.

    References
    ----------
    Smyth (2004), Linear models and empirical Bayes methods, section 6.2.
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
    # a million degrees of freedom approximate an infinite prior
    known = np.minimum(prior, 1e6)
    degrees = known + own
    scale = (known * centre + own * variance) / degrees
    return Spread(scale * degrees / (degrees - 2), scale, degrees, prior)


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(x) = value`` by Newton's method.

    The iteration is on 1 / trigamma, which is nearly linear.
    """
    x = 0.5 + 1 / value
    for _ in range(50):
        slope = polygamma(2, x)
        step = polygamma(1, x) * (1 - polygamma(1, x) / value) / slope
        x += step
        if abs(step) < 1e-10 * x:
            break
    return float(x)
