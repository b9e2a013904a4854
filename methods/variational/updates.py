"""Closed-form updates of the factors of global parameters.

``q*(theta_k) ~ exp E[log p(y, eta, a, theta)]`` (spec 3 section 6.1, plus the prior, which its text
omits).
"""

from __future__ import annotations

from methods.variational.families import Factor, Floats, Gamma, Gaussian
from methods.variational.model import (
    Careers,
    Globals,
    Moments,
    Prior,
    innovation_square,
    level_square,
    song_square,
)

GLOBALS = (
    "song_precision", "innovation_precision", "start_precision", "persistence", "level_precision",
    "population",
)  # fmt: skip
"""Names of the global factors, in the order of their updates in coordinate ascent."""


def optimal_global(name: str, careers: Careers, moments: Moments, globals_: Globals, prior: Prior) -> Factor:
    """Compute the optimal factor of one global parameter given the others.

    Parameters
    ----------
    name : str
        One of `GLOBALS`.
    careers, moments, globals_, prior
        All for the same careers.

    Returns
    -------
    Gaussian or Gamma
        Has shape (d,).

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    q, artists = globals_, len(careers.start)
    if name == "song_precision":
        songs = careers.songs.sum()
        return _precision(prior.song_precision, songs, song_square(careers, moments).sum(axis=0))
    if name == "innovation_precision":
        square = innovation_square(careers, moments, q.persistence).sum(axis=0)
        return _precision(prior.innovation_precision, careers.later.sum(), square)
    if name == "start_precision":
        square = moments.departure_square[careers.start].sum(axis=0)
        return _precision(prior.start_precision, artists, square)
    if name == "level_precision":
        square = level_square(moments, q.population).sum(axis=0)
        return _precision(prior.level_precision, artists, square)
    if name == "population":
        weight = q.level_precision.mean
        total = moments.level.mean.sum(axis=0)
        return _location(prior.population, weight * artists, weight * total)
    if name == "persistence":
        before = moments.departure_square[:-1][careers.later[1:]].sum(axis=0)
        weight = q.innovation_precision.mean
        return _location(prior.persistence, weight * before, weight * moments.departure_product.sum(axis=0))
    raise ValueError(f"unknown global parameter '{name}'; expected one of {', '.join(GLOBALS)}")


def _precision(prior: Gamma, count: float, square: Floats) -> Gamma:
    return Gamma(prior.shape + 0.5 * count + 0 * square, prior.rate + 0.5 * square)


def _location(prior: Gaussian, precision: Floats, linear: Floats) -> Gaussian:
    first, second = prior.natural
    return Gaussian.from_natural(first + linear, second - 0.5 * precision)
