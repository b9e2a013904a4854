"""Metropolis-Hastings over networks with tie-no-tie proposals (Morris, Handcock, Hunter 2008).

Half of the proposals remove a tie drawn from the present ones, half toggle a dyad drawn from all at
risk; in a sparse network, uniform dyads alone would nearly always propose to add.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.ergm.change import Terms, change
from methods.ergm.state import NO_TIE, Node, State, has_room, toggle, widen
from methods.ergm.terms import Model

Array = NDArray[np.float64]


_CLOSING = 0.3
"""Share of proposals that toggle the ends of a path of two ties, where the model counts such paths."""


class DegenerateModelError(ValueError):
    """The model puts its mass on networks unlike the observed one."""


@dataclass
class Budget:
    """Proposals that may still be made, by all the chains that share it, of `total`."""

    total: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.total

    def spend(self, steps: int) -> None:
        if steps > self.left:
            raise DegenerateModelError(
                f"the {self.total:,} proposals allowed (most_steps) do not suffice: the sampler hardly mixes"
            )
        self.left -= steps


@dataclass
class Chain:
    """A network on its way: `statistics` follow every toggle, `steps` counts the proposals."""

    state: State
    model: Model
    statistics: Array
    rng: np.random.Generator
    budget: Budget
    steps: int = 0
    interval: int = field(default=0)

    def __post_init__(self) -> None:
        self.interval = self.interval or max(32, int(self.state.ties[0]) // 2)


def advance(chain: Chain, coef: Array, steps: int) -> None:
    """Make `steps` proposals.

    Raises
    ------
    DegenerateModelError
        If the network comes to hold more ties than `state` has room for, or the budget is spent.
    """
    _run(chain, coef, steps, steps + 1, np.empty((0, len(coef))))


def draw(chain: Chain, coef: Array, draws: int) -> Array:
    """Statistics (draws, p) of the network after every `interval` proposals."""
    found = np.empty((draws, len(coef)))
    _run(chain, coef, draws * chain.interval, chain.interval, found)
    return found


def _run(chain: Chain, coef: Array, steps: int, interval: int, found: Array) -> None:
    chain.budget.spend(steps)
    pending, done = np.full(2, -1), 0
    delta = np.zeros(len(coef))
    closing = _CLOSING if chain.state.shared.size else 0.0
    while done < steps:
        done = _advance(
            chain.state, chain.model.terms, coef, chain.rng, closing, done, steps, interval, found, delta,
            chain.statistics, pending,
        )  # fmt: skip
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


@compiled
def _advance(
    state: State,
    terms: Terms,
    coef: np.ndarray,
    rng: np.random.Generator,
    closing: float,
    begin: int,
    steps: int,
    interval: int,
    found: np.ndarray,
    delta: np.ndarray,
    total: np.ndarray,
    pending: np.ndarray,
) -> int:
    """Number of proposals made; stops early where a tie finds no room and leaves it in `pending`."""
    n, dyads = state.slot.shape[0], state.dyads
    until = interval - begin % interval
    for step in range(begin, steps):
        ties = state.ties[0]
        i, j = _propose(state, rng, n, ties, closing)
        if i >= 0:
            change(state, terms, i, j, delta)
            adds = state.slot[i, j] == NO_TIE
            sign = 1.0 if adds else -1.0
            odds = 0.0
            for c in range(coef.size):
                # A coefficient may be infinite: 0 times it would be no number.
                if delta[c] != 0.0:
                    odds += sign * coef[c] * delta[c]
            ends = _ends(state, i, j) if closing > 0.0 and state.shared[i, j] > 0 else 0.0
            after = ties + 1 if adds else ties - 1
            back = _density(after, not adds, dyads, closing, ends)
            forth = _density(ties, adds, dyads, closing, ends)
            if rng.random() * forth < back * np.exp(odds):
                for c in range(coef.size):
                    total[c] += sign * delta[c]
                if adds and (ties + 1 >= state.tails.size or not has_room(state, i, j)):
                    pending[0], pending[1] = i, j
                else:
                    toggle(state, i, j)
        until -= 1
        if until == 0:
            found[step // interval] = total
            until = interval
        if pending[0] >= 0:
            return step + 1
    return steps


@compiled(inline="always")
def _propose(
    state: State, rng: np.random.Generator, n: int, ties: int, closing: float
) -> tuple[np.int64, np.int64]:
    """A dyad; -1, -1 for the proposal to stay."""
    # Of one type with the nodes of other callers, so that what is called is compiled but once.
    i, j = np.int64(-1), np.int64(-1)
    kind = rng.random()
    if kind < closing:
        if ties > 0:
            k = int(rng.random() * ties)
            i, middle = np.int64(state.tails[k]), np.int64(state.heads[k])
            if not state.directed and rng.random() < 0.5:
                i, middle = middle, i
            degree = state.out_degree[middle]
            if degree > 0:
                j = np.int64(state.out_neighbours[middle, int(rng.random() * degree)])
            if degree == 0 or i == j or (state.free.size and not state.free[i, j]):
                i, j = np.int64(-1), np.int64(-1)
    elif ties > 0 and kind < closing + 0.5 * (1.0 - closing):
        k = int(rng.random() * ties)
        i, j = np.int64(state.tails[k]), np.int64(state.heads[k])
    else:
        i, j = np.int64(rng.random() * n), np.int64(rng.random() * n)
        while i == j or (state.free.size and not state.free[i, j]):
            i, j = np.int64(rng.random() * n), np.int64(rng.random() * n)
    return i, j


@compiled(inline="always")
def _density(ties: int, adds: bool, dyads: int, closing: float, ends: float) -> float:
    """Probability that a network of `ties` proposes this dyad; `adds` where it has no tie."""
    if ties == 0:
        return (1.0 - closing) / dyads
    plain = 0.5 / dyads if adds else 0.5 / dyads + 0.5 / ties
    return (1.0 - closing) * plain + closing * ends / ties


@compiled
def _ends(state: State, i: Node, j: Node) -> float:
    """Of the proposals that follow a tie and then a neighbour: how many, by weight, end at i, j.

    The tie i -> j itself does not enter, so that the weight is the same before and after the change.
    """
    total = 0.0
    for k in range(state.out_degree[i]):
        h = state.out_neighbours[i, k]
        if h != j and state.slot[h, j] != NO_TIE:
            if state.directed:
                total += (state.slot[i, h] >= 0) / state.out_degree[h]
            else:
                both = (state.slot[i, h] >= 0) + (state.slot[h, j] >= 0)
                total += 0.5 * both / state.out_degree[h]
    return total


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
    """`draws` networks' statistics or more, worth `effective` independent ones or more.

    A sample that nearly suffices is drawn on; one that is worth less than half counts as burn-in, and
    the interval between draws grows.

    Raises
    ------
    DegenerateModelError
        If `most_steps` proposals do not suffice, or the chain's budget is spent.
    """
    began = chain.steps
    # The chain goes on from where the last sample ended; a start far off shows as a sample worth little.
    advance(chain, coef, min(draws // 4, 100) * chain.interval)
    found = draw(chain, coef, draws)
    while (short := effective * autocorrelation_time(found).max() / len(found)) > 1:
        grow = short > 2
        if grow:
            chain.interval = int(chain.interval * min(3.0, short))
        more = draws if grow else int(np.ceil(len(found) * (1.1 * short - 1)))
        if chain.steps - began + more * chain.interval > most_steps:
            low, high = found.min(axis=0), found.max(axis=0)
            raise DegenerateModelError(
                f"{chain.steps - began:,} proposals gave {effective / short:.0f} independent networks where "
                f"{effective:.0f} are needed; in them {chain.model.names[0]} ranges from {low[0]:.4g} to "
                f"{high[0]:.4g}: the sampler does not mix"
            )
        further = draw(chain, coef, more)
        found = further if grow else np.concatenate([found, further])
    return found
