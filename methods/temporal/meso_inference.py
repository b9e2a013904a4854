"""Inference on the coherence of albums: fit, factors, intervals, shuffles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t

from methods.temporal import meso_null as null
from methods.temporal.meso import (
    Albums,
    Factors,
    Spread,
    coherence,
    deviations,
    fit_factors,
    log_likelihood,
    most_factors,
    pool_spread,
)
from methods.temporal.panel import Floats


@dataclass(frozen=True)
class Interval:
    """95 % intervals of coherence.

    Attributes
    ----------
    low, high : float
        Interval of the mean over albums.
    album_low, album_high : (m,) float
        Interval of each album.
    """

    low: float
    high: float
    album_low: Floats
    album_high: Floats


def fit(albums: Albums, factors: int, start: Factors | None = None) -> tuple[Spread, Factors]:
    """Fit spreads within albums and factors of their deviations from the artist."""
    spread = pool_spread(albums)
    value, noise = deviations(albums, spread.mean)
    return spread, fit_factors(value, noise, factors, start=start, iterations=200, tolerance=1e-5)


def choose_factors(albums: Albums, seed: int) -> tuple[int, dict[int, float]]:
    """Choose the number of factors that predicts held-out artists best.

    Returns
    -------
    factors : int
    scored : dict
        Log-likelihood per album of held-out artists, by number of factors.
    """
    artists = int(albums.artist.max()) + 1
    half = (np.random.default_rng(seed).permutation(artists) % 2)[albums.artist]
    parts = [albums.take(np.flatnonzero(half == side)) for side in (0, 1)]
    scored = {}
    for factors in range(1, most_factors(albums.mean.shape[1]) + 1):
        total = 0.0
        for learn, test in (parts, parts[::-1]):
            fitted = fit(learn, factors)[1]
            value, noise = deviations(test, pool_spread(test).mean)
            total += log_likelihood(fitted, value, noise) * len(value)
        scored[factors] = total / len(albums.count)
    return max(scored, key=lambda factors: scored[factors]), scored


def intervals(
    albums: Albums, spread: Spread, fitted: Factors, *, groups: int, draws: int, seed: int
) -> Interval:
    r"""Compute intervals by a jackknife over groups of artists.

    .. math::
        \mathrm{Var}(\hat\theta) = \frac{g - 1}{g} \sum_j (\hat\theta_{(j)} - \bar\theta_{(\cdot)})^2

    with theta the logit of mean coherence. Each replicate leaves out one of g groups of artists and refits
    spreads and factors. The interval uses Student's t with g - 1 degrees of freedom. A bootstrap of artists
    is biased: artists drawn twice look like albums that agree, so every sample is more coherent than the
    data. The interval of an album adds the posterior uncertainty of its own spread.

    Parameters
    ----------
    albums : Albums
    spread, fitted : Spread, Factors
        Result of `fit` for the same albums.
    groups : int
        g >= 2, at most the number of artists.
    draws : int
        Number of draws of each album's spread and of the factors.
    seed : int

    Raises
    ------
    ValueError
        If there are more groups than artists.
    """
    artists = int(albums.artist.max()) + 1
    if not 2 <= groups <= artists:
        raise ValueError(
            f"jackknife: found {groups} groups of {artists} artists; expected 2 to {artists} groups"
        )
    rng = np.random.default_rng(seed)
    group = (rng.permutation(artists) % groups)[albums.artist]
    replicates = np.empty((groups, 3))
    for left in range(groups):
        rest = albums.take(np.flatnonzero(group != left))
        own, factors = fit(rest, fitted.loadings.shape[1], fitted)
        common = (factors.loadings**2).sum()
        mean = float(coherence(factors, own.mean).mean())
        replicates[left] = logit(mean), np.log(common), np.log(common + factors.unique.sum())
    covariance = (groups - 1) * np.cov(replicates.T, ddof=0)
    reach = t.ppf(0.975, groups - 1)
    centre = logit(coherence(fitted, spread.mean).mean())
    half = reach * np.sqrt(covariance[0, 0])
    common = (fitted.loadings**2).sum()
    logs = np.log([common, common + fitted.unique.sum()])
    drawn = np.exp(rng.multivariate_normal(logs, covariance[1:, 1:], draws))
    within = spread.scale * spread.degrees / rng.chisquare(spread.degrees, (draws, *spread.degrees.shape))
    # the factors explain at most the whole variance between albums
    part, whole = np.minimum(drawn[:, :1], drawn[:, 1:]), drawn[:, 1:]
    low, high = np.quantile(part / (whole + within.sum(axis=2)), [0.025, 0.975], axis=0)
    return Interval(float(expit(centre - half)), float(expit(centre + half)), low, high)


def shuffles(albums: Albums, fitted: Factors, *, fits: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Compute coherence with songs shuffled over an artist's albums, and p-values.

    Parameters
    ----------
    albums : Albums
    fitted : Factors
    fits, draws : int
        Factors are fitted to the first `fits` of `draws` shuffles; pseudo-F uses all.
    seed : int

    Returns
    -------
    coherence : (fits, m) float
    p : (artists,) float
        p-value of the hypothesis that an artist's albums are random sets of its songs.
    """
    coherences, larger = [], np.zeros(int(albums.artist.max()) + 1)
    own = null.pseudo_f(albums)
    for number, drawn in enumerate(null.shuffled_songs(albums, draws, seed)):
        if number < fits:
            spread, factors = fit(drawn, fitted.loadings.shape[1])
            coherences.append(coherence(factors, spread.mean))
        larger += null.pseudo_f(drawn) >= own
    return np.array(coherences), (larger + 1) / (draws + 1)


def principal_axes(loadings: Floats) -> Floats:
    """Rotate loadings to principal axes, the largest loading of each positive.

    Factors are identified only up to rotation.
    """
    left, scales, _ = np.linalg.svd(loadings, full_matrices=False)
    axes = left * scales
    return np.asarray(axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])]))
