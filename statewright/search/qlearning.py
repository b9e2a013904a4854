r"""Q-learning, with a table or with a linear function of features.

Specification 5, section 2:

.. math::
    Q(s,a) \leftarrow Q(s,a) + \alpha_m \left[ R + \gamma \max_{a'} Q(s',a') - Q(s,a) \right],
    \qquad \alpha_m = m^{-\omega}

with m the number of updates of the pair (of the action, with features). For 1/2 < omega <= 1 the table
converges to the optimum, if every pair is updated forever. The rate 1/m needs a time that is exponential in
the horizon, because it never forgets the first, arbitrary values; a polynomial one does.

- **Table**: for few, discrete states and rewards without a scale to share. It converges without conditions
  on features. LeadingOnes uses it: 50 states and 6 actions, each visited thousands of times.
- **Linear**: for states that are vectors, of which none is visited twice. Experience in one state must
  count in similar ones. The hybrid search uses it.

References
----------
Watkins and Dayan, "Q-learning", Machine Learning 8 (1992). Even-Dar and Mansour, "Learning rates for
Q-learning", JMLR 5 (2003). Sutton and Barto, "Reinforcement learning" (2018), section 9.4, for the linear
form; section 9.6 for its step size.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RATE = 0.6
"""The exponent omega of the step size."""


class Step(NamedTuple):
    """A reward, and the state that follows; None is the end of the episode."""

    reward: float
    following: Any


class Environment(Protocol):
    """A decision process with a fixed list of actions."""

    @property
    def actions(self) -> Sequence[Any]:
        """Return the actions, in an order that stays."""
        ...

    def start(self, rng: np.random.Generator) -> Any:
        """Draw the first state; None is an episode that ends before it begins."""
        ...

    def step(self, state: Any, action: int, rng: np.random.Generator) -> Step:
        """Apply the action at this position of `actions`."""
        ...


class Learner(Protocol):
    """Values of actions, and their change towards a target."""

    def values(self, state: Any) -> Sequence[float]:
        """Return the value of each action."""
        ...

    def update(self, state: Any, action: int, target: float) -> None:
        """Move the value of an action towards a target."""
        ...


class Table:
    """Values of actions by state.

    Parameters
    ----------
    actions : int
        Number of actions.
    initial : float
        Value of each action before its first update, which replaces it.
    rate : float
        The exponent omega, above 1/2 and at most 1.
    """

    def __init__(self, actions: int, initial: float = 0.0, rate: float = RATE) -> None:
        self._actions, self._initial, self._rate = actions, initial, rate
        self._rows: dict[Hashable, list[float]] = {}
        self._updates: dict[Hashable, list[int]] = {}

    def values(self, state: Hashable) -> list[float]:
        """Return the value of each action."""
        row = self._rows.get(state)
        return [self._initial] * self._actions if row is None else row

    def update(self, state: Hashable, action: int, target: float) -> None:
        """Move the value of an action towards a target."""
        row = self._rows.setdefault(state, [self._initial] * self._actions)
        updates = self._updates.setdefault(state, [0] * self._actions)
        updates[action] += 1
        row[action] += (target - row[action]) * updates[action] ** -self._rate


class Linear:
    r"""Values :math:`Q(s,a) = w_a \cdot \phi(s)`.

    The update is normalised by the squared length of the features, so that a step size of 1 reaches the
    target exactly:

    .. math::
        w_a \leftarrow w_a + \alpha_m \left[ \text{target} - Q(s,a) \right] \phi(s) / |\phi(s)|^2

    Parameters
    ----------
    features : callable
        Returns the features of a state, (d,).
    weights : float array, (actions, d)
        Weights before the first update.
    rate, slowest : float
        The exponent omega of the step size, and the least step size. Above 0 the values follow a process
        that changes.
    """

    def __init__(
        self, features: Callable[[Any], Floats], weights: Floats, rate: float = RATE, slowest: float = 0.0
    ) -> None:
        self._features = features
        self.weights = np.array(weights, np.float64)
        self._updates = np.zeros(len(weights), int)
        self._rate, self._slowest = rate, slowest

    def values(self, state: Any) -> list[float]:
        """Return the value of each action."""
        values: list[float] = (self.weights @ self._features(state)).tolist()
        return values

    def update(self, state: Any, action: int, target: float) -> None:
        """Move the value of an action towards a target."""
        features = self._features(state)
        self._updates[action] += 1
        step = max(float(self._updates[action]) ** -self._rate, self._slowest)
        error = target - float(self.weights[action] @ features)
        self.weights[action] += step * error * features / max(float(features @ features), 1e-12)


def learn(learner: Learner, state: Any, action: int, step: Step, discount: float = 1.0) -> None:
    """Update the value of an action by one step of experience."""
    future = 0.0 if step.following is None else max(learner.values(step.following))
    learner.update(state, action, step.reward + discount * future)


def choose(values: Sequence[float], epsilon: float, rng: np.random.Generator) -> int:
    """Return the position of the largest value; with probability epsilon any."""
    if rng.random() < epsilon:
        return int(rng.integers(len(values)))
    return max(range(len(values)), key=values.__getitem__)


def run_episode(
    environment: Environment, learner: Learner, *, epsilon: float, rng: np.random.Generator
) -> float:
    """Learn from an episode without discount; return the sum of rewards."""
    state, total = environment.start(rng), 0.0
    while state is not None:
        action = choose(learner.values(state), epsilon, rng)
        step = environment.step(state, action, rng)
        learn(learner, state, action, step)
        state, total = step.following, total + step.reward
    return total
