"""Metropolis-Hastings over networks with tie-no-tie proposals (Morris, Handcock, Hunter 2008).

Half of the proposals remove a tie drawn from the present ones, half toggle a dyad drawn from all at
risk; in a sparse network, uniform dyads alone would nearly always propose to add.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from methods.ergm.change import change
from methods.ergm.state import NO_TIE, State, has_room, toggle, widen
from methods.ergm.terms import Model

Array = NDArray[np.float64]


class DegenerateModelError(ValueError):
    """The model puts its mass on networks unlike the observed one."""


@dataclass
class Chain:
    """A network on its way: `statistics` follow every toggle, `steps` counts the proposals."""

    state: State
    model: Model
    statistics: Array
    rng: np.random.Generator
    steps: int = 0
    interval: int = field(default=0)

    def __post_init__(self) -> None:
        self.interval = self.interval or max(32, int(self.state.ties[0]) // 2)


def advance(chain: Chain, coef: Array, steps: int) -> None:
    """Make `steps` proposals.

    Raises
    ------
    DegenerateModelError
        If the network comes to hold more ties than `state` has room for.
    """
    pending = np.full(2, -1)
    delta = np.zeros(len(coef))
    left = steps
    while left > 0:
        done = _advance(
            chain.state, chain.model.terms, coef, chain.rng, left, delta, chain.statistics, pending
        )
        left -= done
        if pending[0] < 0:
            break
        if chain.state.ties[0] + 1 >= len(chain.state.tails):
            raise DegenerateModelError(
                f"the simulated network grew to {int(chain.state.ties[0])} ties, on its way to a full one"
            )
        chain.state = widen(chain.state)
        toggle(chain.state, pending[0], pending[1])
        pending[:] = -1
    chain.steps += steps


def draw(chain: Chain, coef: Array, draws: int) -> Array:
    """Statistics (draws, p) of the network after every `interval` proposals."""
    found = np.empty((draws, len(coef)))
    for k in range(draws):
        advance(chain, coef, chain.interval)
        found[k] = chain.statistics
    return found


@njit(cache=True)
def _advance(state, terms, coef, rng, steps, delta, total, pending):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Number of proposals made; stops early where a tie finds no room and leaves it in `pending`."""
    n, dyads = state.slot.shape[0], state.dyads
    for step in range(steps):
        ties = state.ties[0]
        if ties > 0 and rng.random() < 0.5:
            k = int(rng.random() * ties)
            i, j = state.tails[k], state.heads[k]
        else:
            i, j = np.int32(rng.random() * n), np.int32(rng.random() * n)
            while i == j or (state.free.size and not state.free[i, j]):
                i, j = np.int32(rng.random() * n), np.int32(rng.random() * n)
        change(state, terms, i, j, delta)
        adds = state.slot[i, j] == NO_TIE
        if adds:
            proposal = (0.5 / (ties + 1) + 0.5 / dyads) * dyads / (0.5 if ties > 0 else 1.0)
        else:
            proposal = (0.5 if ties > 1 else 1.0) / dyads / (0.5 / ties + 0.5 / dyads)
        sign = 1.0 if adds else -1.0
        odds = 0.0
        for c in range(coef.size):
            # A coefficient may be infinite: 0 times it would be no number.
            if delta[c] != 0.0:
                odds += sign * coef[c] * delta[c]
        if rng.random() < proposal * np.exp(odds):
            for c in range(coef.size):
                total[c] += sign * delta[c]
            if adds and (ties + 1 >= state.tails.size or not has_room(state, i, j)):
                pending[0], pending[1] = i, j
                return step + 1
            toggle(state, i, j)
    return steps


def autocorrelation_time(x: Array) -> Array:
    """Draws that one independent draw is worth, per column: Geyer's initial positive sequence."""
    centred = x - x.mean(axis=0)
    length = len(x)
    spectrum = np.abs(np.fft.rfft(centred, n=2 * length, axis=0)) ** 2
    covariance = np.fft.irfft(spectrum, axis=0)[:length] / length
    times = np.ones(x.shape[1])
    for c in np.flatnonzero(covariance[0] > 1e-12 * np.maximum(1.0, x.mean(axis=0) ** 2)):
        rho = covariance[:, c] / covariance[0, c]
        pairs = rho[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
        ends = np.flatnonzero(pairs <= 0)
        times[c] = max(1.0, 2 * pairs[: ends[0] if len(ends) else len(pairs)].sum() - 1)
    return times


def retune(chain: Chain, found: Array, worth: float = 0.6) -> None:
    """Set the interval to where a draw is `worth` so much of an independent one."""
    chain.interval = max(1, int(chain.interval * autocorrelation_time(found).max() * worth))


def sample(chain: Chain, coef: Array, draws: int, effective: float, most_steps: int) -> Array:
    """`draws` networks' statistics that are worth `effective` independent ones or more.

    Where they are worth less, they count as burn-in, and the interval between draws grows.

    Raises
    ------
    DegenerateModelError
        If `most_steps` proposals do not suffice.
    """
    began = chain.steps
    advance(chain, coef, draws // 4 * chain.interval)
    while True:
        found = draw(chain, coef, draws)
        short = effective * autocorrelation_time(found).max() / draws
        if short <= 1:
            return found
        chain.interval = int(chain.interval * min(3.0, max(1.3, short)))
        if chain.steps - began + draws * chain.interval > most_steps:
            raise DegenerateModelError(
                f"{most_steps:,} proposals give fewer than {effective:.0f} independent networks: "
                "the sampler does not mix"
            )
