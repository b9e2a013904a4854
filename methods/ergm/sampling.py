"""Metropolis-Hastings sampling of networks with tie-no-tie proposals.

Half of the proposals remove a random existing tie, half toggle a random dyad at risk. In a sparse
network, uniform dyads alone would nearly always propose to add a tie.

References
----------
Morris, Handcock and Hunter (2008).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.compiled import compiled
from methods.ergm.change import Terms, change, statistics
from methods.ergm.state import NO_TIE, Node, State, edges_of, has_capacity, toggle, widen
from methods.ergm.terms import Model

Array = NDArray[np.float64]


_CLOSING = 0.3
"""Share of proposals that toggle the ends of a two-path, for models that count such paths."""


class DegenerateModelError(ValueError):
    """The model puts its probability on networks unlike the observed one.

    Attributes
    ----------
    partial : ErgmFit or None
        State of a fit when it stopped: the last coefficients and the diagnostics of their sample.
    """

    partial: Any = None


class BudgetSpentError(Exception):
    """The proposals of a fit do not suffice."""


@dataclass
class Budget:
    """Remaining number of proposals out of `total`, shared by chains."""

    total: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.total

    def spend(self, steps: int) -> None:
        """Take proposals from the budget, or raise BudgetSpentError."""
        if steps > self.left:
            raise BudgetSpentError(f"the budget of {self.total:,} proposals (most_steps) is spent")
        self.left -= steps


@dataclass
class Chain:
    """State of a Markov chain over networks.

    `statistics` are those of the current network, `steps` counts the proposals, `interval` is the number
    of proposals between draws.
    """

    state: State
    model: Model
    statistics: Array
    rng: np.random.Generator
    budget: Budget
    steps: int = 0
    interval: int = field(default=0)

    def __post_init__(self) -> None:
        self.interval = self.interval or max(32, int(self.state.ties[0]) // 2)


def place(chain: Chain, coef: Array) -> None:
    """Evaluate the statistics of a chain at the decays of `coef`."""
    if not chain.model.is_decay.any():
        return
    chain.model = chain.model.at(coef)
    chain.statistics = statistics(
        chain.state.nodes, chain.state.directed, edges_of(chain.state), chain.model.terms, len(coef),
        chain.model.with_shared,
    )  # fmt: skip


def advance(chain: Chain, coef: Array, steps: int) -> None:
    """Make `steps` proposals.

    Raises
    ------
    DegenerateModelError
        If the network gets more ties than `state` has capacity for.
    BudgetSpentError
        If the budget is spent.
    """
    _run(chain, coef, steps, steps + 1, np.empty((0, len(coef))))


def draw(chain: Chain, coef: Array, draws: int) -> Array:
    """Draw statistics (draws, p) of the network after every `interval` proposals."""
    out = np.empty((draws, len(coef)))
    _run(chain, coef, draws * chain.interval, chain.interval, out)
    return out


def _run(chain: Chain, coef: Array, steps: int, interval: int, out: Array) -> None:
    chain.budget.spend(steps)
    pending, done = np.full(2, -1), 0
    delta, weights = np.zeros(len(coef)), chain.model.weights(coef)
    closing = _CLOSING if chain.state.shared.size else 0.0
    while done < steps:
        done = _advance(
            chain.state, chain.model.terms, weights, chain.rng, closing, done, steps, interval, out, delta,
            chain.statistics, pending,
        )  # fmt: skip
        if pending[0] < 0:
            break
        if chain.state.ties[0] + 1 >= len(chain.state.tails):
            raise DegenerateModelError(
                f"the simulated network grew to {int(chain.state.ties[0])} ties and tends to a complete graph"
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
    out: np.ndarray,
    delta: np.ndarray,
    total: np.ndarray,
    pending: np.ndarray,
) -> int:
    """Make proposals and return their number.

    Stops early if there is no capacity for a tie, and stores that tie in `pending`.
    """
    n, dyads = state.nodes, state.dyads
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
                # A coefficient may be infinite: 0 times it would be NaN.
                if delta[c] != 0.0:
                    odds += sign * coef[c] * delta[c]
            ends = _ends(state, i, j) if closing > 0.0 and state.shared[i, j] > 0 else 0.0
            after = ties + 1 if adds else ties - 1
            back = _density(after, not adds, dyads, closing, ends)
            forth = _density(ties, adds, dyads, closing, ends)
            if rng.random() * forth < back * np.exp(odds):
                for c in range(coef.size):
                    total[c] += sign * delta[c]
                if adds and (ties + 1 >= state.tails.size or not has_capacity(state, i, j)):
                    pending[0], pending[1] = i, j
                else:
                    toggle(state, i, j)
        until -= 1
        if until == 0:
            out[step // interval] = total
            until = interval
        if pending[0] >= 0:
            return step + 1
    return steps


@compiled(inline="always")
def _propose(
    state: State, rng: np.random.Generator, n: int, ties: int, closing: float
) -> tuple[np.int64, np.int64]:
    """Propose a dyad; -1, -1 proposes no change."""
    # One integer type for all callers, so that called functions are compiled once.
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
    """Compute the proposal probability of a dyad; `adds` if it has no tie."""
    if ties == 0:
        return (1.0 - closing) / dyads
    plain = 0.5 / dyads if adds else 0.5 / dyads + 0.5 / ties
    return (1.0 - closing) * plain + closing * ends / ties


@compiled
def _ends(state: State, i: Node, j: Node) -> float:
    """Compute the weight of the two-path proposals that end at i, j.

    The tie i -> j itself does not count, so that the weight is the same before and after the change.
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
    """Compute autocorrelation times by Geyer's initial positive sequence, per column."""
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


def retune(chain: Chain, draws: Array, worth: float = 0.6) -> None:
    """Set the interval so that a draw is `worth` this share of an independent one."""
    chain.interval = max(1, int(chain.interval * autocorrelation_time(draws).max() * worth))


class Sample(NamedTuple):
    """Statistics (draws, p) of simulated networks.

    `effective` is the number of independent networks that they are worth, by the slowest statistic.
    """

    statistics: Array
    effective: float


def sample(chain: Chain, coef: Array, draws: int, effective: float, most_steps: int) -> Sample:
    """Draw statistics of at least `draws` networks with a given effective size.

    A sample that nearly suffices is extended. A sample that is worth less than half becomes burn-in, and
    the interval between draws grows. If `most_steps` proposals, or the chain's budget, do not suffice, the
    sample is worth less: the caller decides what follows.

    Raises
    ------
    DegenerateModelError
        If the network grows without bound.
    BudgetSpentError
        If the budget does not suffice for a first sample.
    """
    began = chain.steps
    # The chain continues from the last sample; a distant start shows as a small effective size.
    advance(chain, coef, min(draws // 4, 100) * chain.interval)
    statistics = draw(chain, coef, draws)
    while (short := effective * autocorrelation_time(statistics).max() / len(statistics)) > 1:
        grow = short > 2
        interval = int(chain.interval * min(3.0, short)) if grow else chain.interval
        more = draws if grow else int(np.ceil(len(statistics) * (1.1 * short - 1)))
        cost = more * interval
        if chain.steps - began + cost > most_steps or cost > chain.budget.left:
            break
        chain.interval = interval
        further = draw(chain, coef, more)
        statistics = further if grow else np.concatenate([statistics, further])
    return Sample(statistics, effective / short)
