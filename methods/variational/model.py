r"""The emotional-state model: levels of artists, states of years, and songs.

.. math::
    y_{itj} &\sim N(\eta_{it},\ 1/\lambda), \qquad j = 1..n_{it} \text{ songs} \\
    \eta_{it} &\sim N(a_i + \phi (\eta_{i,t-1} - a_i),\ 1/q), \qquad
    \eta_{i0} \sim N(a_i,\ 1/\omega) \\
    a_i &\sim N(\mu,\ 1/\tau), \qquad \mu, \phi \sim N, \qquad \lambda, q, \omega, \tau \sim \Gamma

Each dimension of emotion has its own parameters and is independent of the others. Years without songs
between an artist's first and last year have states too, so a gap of any length is handled exactly. Mean,
spread and number of a year's songs are sufficient statistics; the model uses their full likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from methods.variational.families import Factor, Floats, Gamma, Gaussian

LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Careers:
    """Years of all artists, artist by artist.

    There is one row per calendar year from an artist's first to its last.

    Attributes
    ----------
    songs : (n,) float
        Number of songs of the year, which may be 0.
    mean : (n, d) float
        Mean of the songs; 0 without songs.
    within : (n, d) float
        Sum of squares of the songs about their mean.
    start : (artists,) int
        Row of each artist's first year.
    """

    songs: Floats
    mean: Floats
    within: Floats
    start: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.songs)
        if self.mean.ndim != 2 or self.mean.shape != self.within.shape or len(self.mean) != n:
            raise ValueError(
                f"songs {self.songs.shape}, mean {self.mean.shape} and within {self.within.shape}: expected "
                "shapes (n,), (n, d) and (n, d); see careers_of"
            )
        bad = ~np.isfinite(self.mean).all(axis=1) | ~(self.within >= 0).all(axis=1) | ~(self.songs >= 0)
        if bad.any():
            raise ValueError(
                f"row {int(bad.argmax())}: expected finite means, and songs and sums of squares of at least 0"
            )
        if len(self.start) == 0 or self.start[0] != 0 or (np.diff([*self.start, n]) < 1).any():
            raise ValueError(
                "start does not rise from 0; expected the first row of each artist, one year or more each"
            )

    @property
    def length(self) -> NDArray[np.int64]:
        """Number of years of each artist, including years without songs."""
        return np.diff([*self.start, len(self.songs)])

    @property
    def artist(self) -> NDArray[np.int64]:
        """Index of each row's artist."""
        return np.repeat(np.arange(len(self.start)), self.length)

    @property
    def later(self) -> NDArray[np.bool_]:
        """Rows that are not an artist's first."""
        later = np.ones(len(self.songs), dtype=bool)
        later[self.start] = False
        return later

    def total(self, rows: Floats) -> Floats:
        """Sum over the rows of each artist, (artists, d)."""
        return np.add.reduceat(rows, self.start, axis=0)

    def part(self, artists: NDArray[np.int64]) -> Careers:
        """Select the careers of some artists, by index, in the given order."""
        length = self.length[artists]
        rows = np.concatenate([self.start[i] + np.arange(self.length[i]) for i in artists])
        start = np.cumsum(length) - length
        return Careers(self.songs[rows], self.mean[rows], self.within[rows], start)


def careers_of(
    artist: NDArray[np.int64], year: NDArray[np.int64], songs: Floats, mean: Floats, spread: Floats
) -> tuple[Careers, NDArray[np.int64]]:
    """Create careers from years with songs, filling in years without.

    Parameters
    ----------
    artist, year : (m,) int
        One row per artist and year with songs, sorted by artist, then year.
    songs : (m,) float
        At least 1.
    mean, spread : (m, d) float
        Mean and standard deviation (n - 1) of the songs; the latter may be NaN for a single song.

    Returns
    -------
    careers : Careers
        Artists in the order of their numbers.
    row : (m,) int
        Row in `careers` of each given row.

    Raises
    ------
    ValueError
        If rows are not sorted or repeat, or the spread of several songs is missing.
    """
    same = np.diff(artist) == 0
    if (np.diff(artist) < 0).any() or (np.diff(year)[same] < 1).any():
        raise ValueError("rows are not sorted by artist, then year, or repeat; sort them and drop duplicates")
    single = songs == 1
    if not np.isfinite(spread[~single]).all():
        raise ValueError("a year with two or more songs has no spread; drop the year or set its spread")
    first = np.flatnonzero(np.r_[True, ~same])
    last = np.r_[first[1:] - 1, len(year) - 1]
    length = year[last] - year[first] + 1
    start = np.cumsum(length) - length
    group = np.cumsum(np.r_[0, ~same])
    row = start[group] + year - year[first][group]
    rows = int(length.sum())
    filled = Careers(np.zeros(rows), np.zeros((rows, mean.shape[1])), np.zeros((rows, mean.shape[1])), start)
    filled.songs[row] = songs
    filled.mean[row] = mean
    filled.within[row] = np.where(single[:, None], 0.0, (songs - 1)[:, None] * spread**2)
    return filled, row


def _normal(mean: float, variance: float) -> Gaussian:
    return Gaussian(np.array(mean), np.array(variance))


def _gamma(shape: float, rate: float) -> Gamma:
    return Gamma(np.array(shape), np.array(rate))


@dataclass(frozen=True)
class Prior:
    """Priors of the global parameters, the same in every dimension.

    They are weak for standardised data.

    Attributes
    ----------
    population : Gaussian
        Prior of the mean level, mu.
    persistence : Gaussian
        Prior of phi, which may exceed 1.
    level_precision, start_precision, innovation_precision, song_precision : Gamma
        Priors of tau, omega, q and lambda.
    """

    population: Gaussian = field(default_factory=lambda: _normal(0.0, 4.0))
    persistence: Gaussian = field(default_factory=lambda: _normal(0.5, 0.25))
    level_precision: Gamma = field(default_factory=lambda: _gamma(1.0, 0.2))
    start_precision: Gamma = field(default_factory=lambda: _gamma(1.0, 0.2))
    innovation_precision: Gamma = field(default_factory=lambda: _gamma(1.0, 0.2))
    song_precision: Gamma = field(default_factory=lambda: _gamma(1.0, 0.2))


@dataclass(frozen=True)
class Globals:
    """Variational factors of the global parameters, each of shape (d,).

    The names are those of `Prior`.
    """

    population: Gaussian
    persistence: Gaussian
    level_precision: Gamma
    start_precision: Gamma
    innovation_precision: Gamma
    song_precision: Gamma


@dataclass(frozen=True)
class Moments:
    """Moments of ``q(eta, a)`` that the updates of the globals need.

    Attributes
    ----------
    level : Gaussian
        Marginals of the artists' levels, (artists, d).
    state : Gaussian
        Marginals of the states, (n, d).
    departure_square : (n, d) float
        ``E[(eta_t - a)^2]``.
    departure_product : (n, d) float
        ``E[(eta_t - a) (eta_{t-1} - a)]``; 0 in an artist's first year.
    entropy : float
        Entropy of ``q(eta, a)``.
    """

    level: Gaussian
    state: Gaussian
    departure_square: Floats
    departure_product: Floats
    entropy: float


def innovation_square(careers: Careers, moments: Moments, persistence: Gaussian) -> Floats:
    """Compute ``E[(eta_t - a - phi (eta_{t-1} - a))^2]`` of every row, (n, d).

    It is 0 in an artist's first year.
    """
    square = moments.departure_square
    before = np.vstack([np.zeros_like(square[:1]), square[:-1]])
    step = square - 2 * persistence.mean * moments.departure_product + persistence.square * before
    return step * careers.later[:, None]


def song_square(careers: Careers, moments: Moments) -> Floats:
    """Compute ``E[sum_j (y_j - eta)^2]`` of every row, (n, d)."""
    off = (careers.mean - moments.state.mean) ** 2 + moments.state.variance
    return careers.within + careers.songs[:, None] * off


def level_square(moments: Moments, population: Gaussian) -> Floats:
    """Compute ``E[(a - mu)^2]`` of every artist, (artists, d)."""
    return (moments.level.mean - population.mean) ** 2 + moments.level.variance + population.variance


def elbo(careers: Careers, moments: Moments, globals_: Globals, prior: Prior) -> float:
    r"""Compute the evidence lower bound in nats, including all constants.

    It is ``E_q[log p(y, eta, a, theta)] - E_q[log q]``.

    Parameters
    ----------
    careers, moments, globals_, prior
        All for the same careers.

    Returns
    -------
    float
        At most the log evidence.

    Notes
    -----
    Spec 3 section 6.1.
    """
    q, artists = globals_, len(careers.start)
    later = careers.later.sum()
    terms = (
        (q.song_precision, careers.songs.sum(), song_square(careers, moments)),
        (q.innovation_precision, later, innovation_square(careers, moments, q.persistence)),
        (q.start_precision, artists, moments.departure_square[careers.start]),
        (q.level_precision, artists, level_square(moments, q.population)),
    )
    total = moments.entropy
    for precision, count, square in terms:
        total += 0.5 * float(np.sum(count * (precision.log - LOG_2PI) - precision.mean * square.sum(axis=0)))
    return total - sum(divergence(getattr(q, name), getattr(prior, name)) for name in vars(prior))


def divergence(factor: Factor, prior: Factor) -> float:
    """Compute ``KL(factor || prior)``, summed over dimensions."""
    if isinstance(factor, Gaussian) and isinstance(prior, Gaussian):
        cross = (
            np.log(2 * np.pi * prior.variance)
            + (factor.variance + (factor.mean - prior.mean) ** 2) / prior.variance
        )
        return float(0.5 * np.sum(cross)) - factor.entropy
    if isinstance(factor, Gamma) and isinstance(prior, Gamma):
        a, b = prior.shape, prior.rate
        expected = a * np.log(b) - gammaln(a) + (a - 1) * factor.log - b * factor.mean
        return -float(np.sum(expected)) - factor.entropy
    raise TypeError(
        f"{type(factor).__name__} and {type(prior).__name__} differ; expected two factors of one family"
    )
