r"""Q-learning of the number of bits to flip on LeadingOnes.

LeadingOnes counts the ones before the first zero of n bits. The search RLS_k flips k distinct random bits
and keeps the result unless it is worse. From i leading ones it improves with probability

.. math::
    q(k, i) = \binom{n-i-1}{k-1} \Big/ \binom{n}{k}

(the zero at position i + 1 flips, the ones before it do not), and a policy k(i) needs, from a uniformly
random string, an expected number of

.. math::
    T = \frac{1}{2} \sum_{i=0}^{n-1} \frac{1}{q(k(i), i)}

iterations: the bits after position i + 1 stay uniform, so that each i is visited with probability 1/2.

- **State**: the number of leading ones. **Action**: a position in `LeadingOnes.actions`. **Reward**: minus
  the number of iterations.
- An action is kept until the number of leading ones changes, or for n iterations. Nothing changes in
  between, so the best policy is the same (a semi-Markov process: Sutton, Precup and Singh 1999). The number
  of iterations is geometric, so one draw replaces them all.
- The learner sees states, actions and rewards. It never reads q.
- A table, not a function of features: 50 states suffice to learn each on its own, and a table converges.

A policy is learned for one n. Policies depend on i / n, up to the largest action, so that of n bits is
carried to m bits by `Policy.carry`: from i leading ones of m it flips as from floor(i n / m) of n.

References
----------
Doerr and Wagner, "Simple on-the-fly parameter selection mechanisms for two classical discrete black-box
optimization benchmark problems", GECCO 2018. Doerr, "Analyzing randomized search heuristics via stochastic
domination", Theoretical Computer Science 773 (2019), for T. Biedenkapp et al., "Theory-inspired parameter
control benchmarks for dynamic algorithm configuration", GECCO 2022, for the task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from statewright.search.qlearning import Step, Table, choose, run_episode

EPSILON = 0.3
"""Share of random actions while learning."""


@dataclass(frozen=True)
class LeadingOnes:
    """RLS_k on LeadingOnes as a decision process.

    Raises
    ------
    ValueError
        If there is no action, or an action is not between 1 and n.
    """

    n: int
    actions: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        if not self.actions or not all(1 <= k <= self.n for k in self.actions):
            raise ValueError(f"the actions are {self.actions}; expected numbers of bits from 1 to {self.n}")

    def start(self, rng: np.random.Generator) -> int | None:
        """Draw the leading ones of a uniformly random string; None if all are ones."""
        return self._after(0, rng)

    def step(self, state: int, action: int, rng: np.random.Generator) -> Step:
        """Flip k bits until the number of leading ones changes, at most n times."""
        probability = improvement(self.n, state, self.actions[action])
        iterations = rng.geometric(probability) if probability else self.n + 1
        if iterations > self.n:
            return Step(-self.n, state)
        return Step(-int(iterations), self._after(state + 1, rng))

    def _after(self, ones: int, rng: np.random.Generator) -> int | None:
        """Draw the leading ones of a string whose first `ones` bits are ones."""
        ones += int(rng.geometric(0.5)) - 1
        return ones if ones < self.n else None


@dataclass(frozen=True)
class Policy:
    """Number of bits to flip by the number of leading ones, learned on n bits."""

    n: int
    bits: tuple[int, ...]

    def __call__(self, state: float) -> int:
        """Return the number of bits to flip from `state` leading ones, those of n bits."""
        return self.bits[min(max(int(state), 0), self.n - 1)]

    def carry(self, n: int) -> Policy:
        """Return the policy for another number of bits, by the share of leading ones."""
        return self if n == self.n else Policy(n, tuple(self(i * self.n // n) for i in range(n)))


def train(environment: LeadingOnes, *, episodes: int, seed: int) -> Policy:
    """Learn by Q-learning and return the greedy policy.

    Parameters
    ----------
    episodes : int
        Runs from a uniformly random string to all ones, at least 1.
    """
    rng = np.random.default_rng(seed)
    table = Table(len(environment.actions))
    for _ in range(episodes):
        run_episode(environment, table, epsilon=EPSILON, rng=rng)
    greedy = (choose(table.values(i), 0.0, rng) for i in range(environment.n))
    return Policy(environment.n, tuple(environment.actions[action] for action in greedy))


def expected_time(policy: Callable[[int], int], n: int) -> float:
    """Return the exact expected number of iterations from a uniformly random string.

    Parameters
    ----------
    policy : callable
        From the number of leading ones to the number of bits to flip. A `Policy` of another number of bits
        is carried to n.

    Returns
    -------
    float
        The first evaluation, of the random string, is not counted. Infinity if the policy can be stuck.

    Raises
    ------
    ValueError
        If the policy flips fewer than 1 or more than n bits.
    """
    chosen = policy.carry(n) if isinstance(policy, Policy) else policy
    rates = [improvement(n, i, chosen(i)) for i in range(n)]
    return math.fsum(1 / rate for rate in rates) / 2 if all(rates) else math.inf


def best_policy(n: int, actions: Sequence[int]) -> Policy:
    """Return the policy with the least expected time, from the formula."""
    return Policy(n, tuple(max(actions, key=lambda k: improvement(n, i, k)) for i in range(n)))


@cache
def improvement(n: int, ones: int, k: int) -> float:
    """Return q(k, i), the probability that k flips improve on `ones` leading ones.

    Raises
    ------
    ValueError
        If k is not between 1 and n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"the policy flips {k} bits from {ones} leading ones; expected 1 to {n}")
    return math.comb(n - ones - 1, k - 1) / math.comb(n, k)
