r"""Mean-field inference: every state, level and parameter has its own factor.

.. math:: q(\eta, a, \theta) = \prod_{i,t} q(\eta_{it}) \prod_i q(a_i) \prod_k q(\theta_k)

Coordinate ascent sets one group of factors at a time to its optimum given all others. The state of a year
depends on its neighbours only, so all even years of all careers are updated at once, then all odd ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.variational.families import Factor, Floats, Gaussian
from methods.variational.model import Careers, Globals, Moments, Prior, elbo
from methods.variational.updates import GLOBALS, optimal_global


@dataclass(frozen=True)
class MeanField(Globals):
    """All factors of a mean-field posterior.

    Those of `Globals`, the artists' levels (artists, d) and the states (n, d).
    """

    level: Gaussian
    state: Gaussian


FACTORS = ("state", "level", *GLOBALS)


@dataclass(frozen=True)
class Fit:
    """A fitted posterior and how it was reached.

    Attributes
    ----------
    globals_ : Globals
        Factors of the global parameters.
    moments : Moments
        Moments of states and levels.
    elbo : (steps + 1,) float
        Bound before the first step and after each step, in nats.
    converged : bool
        Whether the last step gained less than the tolerance; if not, the fit ended at `max_steps`.
    """

    globals_: Globals
    moments: Moments
    elbo: Floats
    converged: bool


def initial(careers: Careers, prior: Prior) -> MeanField:
    """Create the start of every method.

    States and levels are at the mean of all songs, parameters at their prior.
    """
    d = careers.mean.shape[1]
    centre = careers.songs @ careers.mean / careers.songs.sum()
    variance = np.full(d, 1 / prior.song_precision.mean)

    def everywhere(rows: int) -> Gaussian:
        return Gaussian(np.tile(centre, (rows, 1)), np.tile(variance, (rows, 1)))

    parameters = {
        field.name: type(value)(*(np.tile(array, d) for array in vars(value).values()))
        for field in fields(prior)
        if (value := getattr(prior, field.name))
    }
    return MeanField(**parameters, level=everywhere(len(careers.start)), state=everywhere(len(careers.songs)))


def moments_of(q: MeanField, careers: Careers) -> Moments:
    """Compute the moments of states and levels under independent factors."""
    off = q.state.mean - q.level.mean[careers.artist]
    level_variance = q.level.variance[careers.artist]
    product = np.zeros_like(off)
    product[1:] = (off[1:] * off[:-1] + level_variance[1:]) * careers.later[1:, None]
    entropy = q.state.entropy + q.level.entropy
    return Moments(q.level, q.state, off**2 + q.state.variance + level_variance, product, entropy)


def bound(q: MeanField, careers: Careers, prior: Prior) -> float:
    """Compute the evidence lower bound of a mean-field posterior, in nats."""
    return elbo(careers, moments_of(q, careers), q, prior)


def optimal(name: str, q: MeanField, careers: Careers, prior: Prior) -> Factor:
    """Compute the optimal factor given all others.

    For "state" it is that of each state given its current neighbours.

    Parameters
    ----------
    name : str
        One of `FACTORS`.
    q, careers, prior
        All for the same careers.

    Returns
    -------
    Gaussian or Gamma
        With the shape of the current factor.
    """
    if name == "state":
        return _optimal_states(q, careers)
    if name == "level":
        return _optimal_levels(q, careers)
    return optimal_global(name, careers, moments_of(q, careers), q, prior)


def coordinate_ascent(
    careers: Careers,
    prior: Prior | None = None,
    *,
    tolerance: float = 1e-8,
    max_steps: int = 2000,
    track: Callable[[range], range] = lambda steps: steps,
) -> Fit:
    """Fit by coordinate ascent: set each factor to its optimum in turn.

    The bound never falls.

    Parameters
    ----------
    careers : Careers
    prior : Prior, optional
    tolerance : float
        Stop when a sweep over all factors gains less than this share of the bound's size.
    max_steps : int
        Maximum number of sweeps.
    track : callable
        Wraps the range of sweeps, as ``tqdm`` does.

    Returns
    -------
    Fit
        `elbo` has one value per sweep.
    """
    prior = prior or Prior()
    q = initial(careers, prior)
    trace = [bound(q, careers, prior)]
    for _ in track(range(max_steps)):
        q = sweep(q, careers, prior)
        trace.append(bound(q, careers, prior))
        if trace[-1] - trace[-2] < tolerance * abs(trace[-1]):
            break
    return fit_of(q, careers, trace, tolerance)


def sweep(q: MeanField, careers: Careers, prior: Prior) -> MeanField:
    """Run one round of coordinate ascent over all factors."""
    odd = (np.arange(len(careers.songs)) - careers.start[careers.artist]) % 2 == 1
    for turn in (~odd, odd):
        q = replace(q, state=_where(turn, _optimal_states(q, careers), q.state))
    for name in FACTORS[1:]:
        update: dict[str, Any] = {name: optimal(name, q, careers, prior)}
        q = replace(q, **update)
    return q


def fit_of(q: MeanField, careers: Careers, trace: list[float], tolerance: float) -> Fit:
    """Create a `Fit` from factors and the trace of the bound."""
    globals_ = Globals(**{field.name: getattr(q, field.name) for field in fields(Globals)})
    converged = len(trace) > 1 and trace[-1] - trace[-2] < tolerance * abs(trace[-1])
    return Fit(globals_, moments_of(q, careers), np.array(trace), converged)


def _where(turn: NDArray[np.bool_], new: Gaussian, old: Gaussian) -> Gaussian:
    chosen = turn[:, None]
    return Gaussian(np.where(chosen, new.mean, old.mean), np.where(chosen, new.variance, old.variance))


def _optimal_states(q: MeanField, careers: Careers) -> Gaussian:
    later = careers.later[:, None]
    followed = np.append(later[1:], [[False]], axis=0)
    phi, phi2 = q.persistence.mean, q.persistence.square
    step, level, state = q.innovation_precision.mean, q.level.mean[careers.artist], q.state.mean
    before, after = np.roll(state, 1, axis=0), np.roll(state, -1, axis=0)
    songs = careers.songs[:, None] * q.song_precision.mean
    precision = songs + np.where(later, step, q.start_precision.mean) + followed * step * phi2
    linear = songs * careers.mean
    linear += np.where(later, step * (phi * before + (1 - phi) * level), q.start_precision.mean * level)
    linear += followed * step * (phi * after - (phi - phi2) * level)
    return Gaussian(linear / precision, 1 / precision)


def _optimal_levels(q: MeanField, careers: Careers) -> Gaussian:
    later = careers.later[:, None]
    phi, phi2 = q.persistence.mean, q.persistence.square
    step, start, state = q.innovation_precision.mean, q.start_precision.mean, q.state.mean
    steps = later * ((1 - phi) * state - (phi - phi2) * np.roll(state, 1, axis=0))
    transitions = (careers.length - 1)[:, None]
    precision = q.level_precision.mean + start + transitions * step * (1 - 2 * phi + phi2)
    linear = q.level_precision.mean * q.population.mean + start * state[careers.start]
    linear = linear + step * careers.total(steps)
    return Gaussian(linear / precision, 1 / precision)
