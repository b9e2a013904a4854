r"""Null distribution of album coherence under random assignment of songs.

The songs themselves are not available, only means, deviations and numbers. The effect of a shuffle on
these is known in the limit of many songs: with ``T_i`` the variance of all songs of
artist i,

.. math::
    \bar y_m \sim N(\bar y_i, T_i / n_m) \text{ about the artist's mean, which stays},\qquad
    (n_m - 1) s_m^2 \sim T_i\, \chi^2_{n_m - 1},

and both together preserve the artist's total sum of squares, as any shuffle does. These statistics do not
contain heavy tails of single songs, so with heavy tails the null spread of s^2 is slightly too narrow.

References
----------
Anderson (2001), A new method for non-parametric multivariate analysis of variance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from methods.temporal.meso import Albums, group_sums
from methods.temporal.panel import Floats, Ints


def between(albums: Albums) -> Floats:
    """Compute sums of squares of album means about the artist's mean, (artists, d)."""
    weight = albums.count[:, None]
    centre = group_sums(weight * albums.mean, albums.artist) / group_sums(weight, albums.artist)
    return group_sums(weight * (albums.mean - centre[albums.artist]) ** 2, albums.artist)


def within(albums: Albums) -> Floats:
    """Compute sums of squares of songs about their album's mean, (artists, d)."""
    return group_sums((albums.count[:, None] - 1) * albums.variance, albums.artist)


def pseudo_f(albums: Albums) -> Floats:
    """Compute each artist's pseudo-F statistic, (artists,).

    It is the mean square between albums over that within, both summed over dimensions.
    """
    size = np.bincount(albums.artist)
    songs = np.bincount(albums.artist, weights=albums.count)
    return (between(albums).sum(axis=1) / (size - 1)) / (within(albums).sum(axis=1) / (songs - size))


def correlation_of_means(albums: Albums) -> Floats:
    """Compute the correlation (d, d) of album means about their artist's mean."""
    weight = albums.count[:, None]
    centre = group_sums(weight * albums.mean, albums.artist) / group_sums(weight, albums.artist)
    return np.asarray(np.corrcoef((np.sqrt(weight) * (albums.mean - centre[albums.artist])).T))


def shuffled_songs(albums: Albums, draws: int, seed: int) -> Iterator[Albums]:
    """Yield `draws` sets of albums with shuffled songs within each artist.

    Parameters
    ----------
    albums : Albums
    draws : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(correlation_of_means(albums) + 1e-9 * np.eye(albums.mean.shape[1]))
    weight = albums.count[:, None]
    songs = group_sums(weight, albums.artist)
    centre = group_sums(weight * albums.mean, albums.artist) / songs
    total = between(albums) + within(albums)
    spread = np.sqrt(np.maximum(total, 1e-12) / (songs - 1))[albums.artist]
    for _ in range(draws):
        mean = spread * (rng.normal(size=albums.mean.shape) @ root.T) / np.sqrt(weight)
        variance = spread**2 * rng.chisquare(np.broadcast_to(weight - 1, mean.shape)) / (weight - 1)
        drawn = Albums(mean, variance, albums.count, albums.artist)
        share = group_sums(weight * mean, albums.artist) / songs
        scale = (total / (between(drawn) + within(drawn)))[albums.artist]
        shifted = centre[albums.artist] + np.sqrt(scale) * (mean - share[albums.artist])
        yield Albums(shifted, scale * variance, albums.count, albums.artist)


def shuffled_artists(albums: Albums, draws: int, seed: int) -> Floats:
    """Compute between-artist sums of squares with shuffled albums, (draws,)."""
    rng = np.random.default_rng(seed)
    return np.array([artist_squares(albums.mean, rng.permutation(albums.artist)) for _ in range(draws)])


def artist_squares(mean: Floats, artist: Ints) -> float:
    """Compute the between-artist sum of squares of album means."""
    size = np.bincount(artist)[:, None]
    centre = group_sums(mean, artist) / size
    return float((size * (centre - mean.mean(axis=0)) ** 2).sum())
