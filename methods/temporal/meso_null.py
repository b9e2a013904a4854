r"""What album coherence would be if the songs of each artist were dealt to albums at random.

From means, deviations and numbers alone the songs cannot be shuffled, but what a shuffle does
to these figures is known in the limit of many songs: with ``T_i`` the variance of all songs of
artist i,

.. math::
    \bar y_m \sim N(\bar y_i, T_i / n_m) \text{ about the artist's mean, which stays},\qquad
    (n_m - 1) s_m^2 \sim T_i\, \chi^2_{n_m - 1},

and both together keep the artist's total sum of squares, as any shuffle does. Heavy tails of
single songs are not in these figures, so the null spread of s^2 is a little too narrow then.
Anderson (2001), A new method for non-parametric multivariate analysis of variance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from methods.temporal.meso import Albums, sums
from methods.temporal.panel import Floats, Ints


def between(albums: Albums) -> Floats:
    """Sum of squares of the albums' means about their artist's mean of all songs, (artists, d)."""
    weight = albums.count[:, None]
    centre = sums(weight * albums.mean, albums.artist) / sums(weight, albums.artist)
    return sums(weight * (albums.mean - centre[albums.artist]) ** 2, albums.artist)


def within(albums: Albums) -> Floats:
    """Sum of squares of the songs about their album's mean, (artists, d)."""
    return sums((albums.count[:, None] - 1) * albums.variance, albums.artist)


def pseudo_f(albums: Albums) -> Floats:
    """Between over within mean square of each artist, both summed over dimensions, (artists,)."""
    size = np.bincount(albums.artist)
    songs = np.bincount(albums.artist, weights=albums.count)
    return (between(albums).sum(axis=1) / (size - 1)) / (within(albums).sum(axis=1) / (songs - size))


def correlation_of_means(albums: Albums) -> Floats:
    """Correlation between dimensions of the albums' means about their artist's, (d, d)."""
    weight = albums.count[:, None]
    centre = sums(weight * albums.mean, albums.artist) / sums(weight, albums.artist)
    return np.asarray(np.corrcoef((np.sqrt(weight) * (albums.mean - centre[albums.artist])).T))


def shuffled_songs(albums: Albums, draws: int, seed: int) -> Iterator[Albums]:
    """Yield `draws` sets of albums as a shuffle of each artist's songs would leave them.

    Parameters
    ----------
    albums : Albums
    draws : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(correlation_of_means(albums) + 1e-9 * np.eye(albums.mean.shape[1]))
    weight = albums.count[:, None]
    songs = sums(weight, albums.artist)
    centre = sums(weight * albums.mean, albums.artist) / songs
    total = between(albums) + within(albums)
    spread = np.sqrt(np.maximum(total, 1e-12) / (songs - 1))[albums.artist]
    for _ in range(draws):
        mean = spread * (rng.normal(size=albums.mean.shape) @ root.T) / np.sqrt(weight)
        variance = spread**2 * rng.chisquare(np.broadcast_to(weight - 1, mean.shape)) / (weight - 1)
        drawn = Albums(mean, variance, albums.count, albums.artist)
        share = sums(weight * mean, albums.artist) / songs
        scale = (total / (between(drawn) + within(drawn)))[albums.artist]
        shifted = centre[albums.artist] + np.sqrt(scale) * (mean - share[albums.artist])
        yield Albums(shifted, scale * variance, albums.count, albums.artist)


def shuffled_artists(albums: Albums, draws: int, seed: int) -> Floats:
    """Between-artist sum of squares of album means with albums dealt to artists at random, (draws,)."""
    rng = np.random.default_rng(seed)
    return np.array([artist_squares(albums.mean, rng.permutation(albums.artist)) for _ in range(draws)])


def artist_squares(mean: Floats, artist: Ints) -> float:
    """Sum of squares of the artists' means of album means, each weighted by its albums."""
    size = np.bincount(artist)[:, None]
    centre = sums(mean, artist) / size
    return float((size * (centre - mean.mean(axis=0)) ** 2).sum())
