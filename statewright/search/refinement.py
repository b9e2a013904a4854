r"""Q-learning of moves around the best point.

The second layer of specification 5, with the third as one kind of its moves.

A move adds a delta to the best point on the unit cube, each component in [-0.1, 0.1]:

- **coordinate**: one component by +-0.1 * 2^-k. Each coordinate has its own k and sign. A success doubles
  the step, a failure turns the sign, two in a row halve the step. A choice changes to any other value.
- **attended**: a Gaussian step whose covariance attends over the accepted moves,

  .. math::
      C = \alpha_0 C_0 + \sum_{i=1}^{t} \alpha_i\, p_i p_i^T, \qquad
      \alpha = \mathrm{softmax}(s), \qquad s_i = b - c\,(t - i)

  with :math:`p_i` the smoothed i-th accepted move and :math:`C_0` the scatter of the genetic stage's best
  points (with another b). Scores that fall linearly with age are those of ALiBi; they have no content term.
  The sum is updated move by move, and is the covariance of the (1+1)-CMA-ES. The step grows by 1.5 at
  a success and shrinks by 1.5^(-1/4) otherwise, so that about one in five succeeds.

Q-learning chooses between the two. **State**: the recent success rates of both. **Action**: the kind of
move. **Reward**: the gain divided by the recent mean gain, at most 20: the values fall by orders of
magnitude during a search, and a raw gain would only ever reward the first. **Values** are linear in the
state, because rates are continuous and no state recurs. The step size of the update has a lower bound,
because the reward for a kind of move changes while the search approaches the optimum.

References
----------
Hooke and Jeeves, "Direct search solution of numerical and statistical problems", JACM 8 (1961), for the
coordinate moves. Igel, Suttorp and Hansen, "A computational efficient covariance matrix update and a
(1+1)-CMA for evolution strategies", GECCO 2006. Press, Smith and Lewis, "Train short, test long: attention
with linear biases", ICLR 2022. Fialho, Da Costa, Schoenauer and Sebag, "Analyzing bandit-based adaptive
operator selection mechanisms", Annals of
Mathematics and Artificial Intelligence 60 (2010), for rewards of operators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from statewright.search.qlearning import Linear, Step, choose, learn
from statewright.search.space import Floats

Kind = Literal["coordinate", "attended"]
Part = Literal["learning", "attention"]

LARGEST = 0.1
"""Largest component of a move."""
SMALLEST = 2.0**-40
EPSILON, DISCOUNT, SLOWEST = 0.1, 0.5, 0.05
REWARD = 20.0
MEMORY = 0.05
"""Weight of the newest gain in the mean gain."""
GROWTH, SHRINKAGE = 1.5, 1.5**-0.25
SCATTER = 0.7
"""Share of the scatter of the best points in the first covariance; the rest is the unit matrix."""
ELITES = 3
"""Best points that make the scatter, for each dimension."""


@dataclass(frozen=True)
class Move:
    """A proposed change of the best point.

    Attributes
    ----------
    point : float array, (d,)
        The point that it leads to.
    coordinate : int or None
        The coordinate of a coordinate move.
    normal : float array, (d,), or None
        The correlated normal vector of an attended move, before its step size.
    """

    point: Floats
    kind: Kind
    state: Floats
    coordinate: int | None = None
    normal: Floats | None = None


class Refinement:
    """The best point, its moves, and the learned choice between them.

    Parameters
    ----------
    points, costs : float arrays, (n, d) and (n,)
        Points of the unit cube that the genetic stage evaluated, at least one of finite cost.
    levels : float array, (d,)
        Number of values of each coordinate, infinite for a float.
    choices : bool array, (d,)
        Coordinates without order.
    without : part or None
        For ablations. Without learning, moves are drawn with equal probability; without attention, all
        are coordinate moves.
    """

    def __init__(
        self,
        points: Floats,
        costs: Floats,
        levels: Floats,
        choices: NDArray[np.bool_],
        without: Part | None = None,
    ) -> None:
        dimensions = points.shape[1]
        order = np.argsort(costs, kind="stable")[: ELITES * dimensions]
        elites = points[order[np.isfinite(costs[order])]]
        self.best, self.cost = elites[0].copy(), float(costs[order[0]])
        offsets = elites - self.best
        spread = min(max(float(np.median(np.abs(offsets).max(1))), SMALLEST), LARGEST)
        self._levels, self._choices, self._without = levels, choices, without
        # Discretised: 0.1 divided by a power of 2.
        self._steps = np.full(dimensions, LARGEST * 2.0 ** round(math.log2(spread / LARGEST)))
        self._signs, self._failures = np.ones(dimensions), np.zeros(dimensions, int)
        self._tried = np.zeros(dimensions, int)
        self._step, self._path = spread, np.zeros(dimensions)
        scatter = offsets.T @ offsets
        scale = float(np.trace(scatter)) / dimensions
        scatter = scatter / scale if scale > 0 else np.eye(dimensions)
        self._covariance = (1 - SCATTER) * np.eye(dimensions) + SCATTER * scatter
        self._root = _root(self._covariance)
        self._rates = {"coordinate": 0.2, "attended": 0.2}
        self._mean_gain = 0.0
        self.kinds: tuple[Kind, ...] = (
            ("coordinate",) if without == "attention" else ("coordinate", "attended")
        )
        self.learner = Linear(_identity, np.tile([1.0, 0.0, 0.0], (len(self.kinds), 1)), slowest=SLOWEST)

    def propose(self, active: NDArray[np.bool_], rng: np.random.Generator) -> Move:
        """Draw a move; nothing is changed.

        Parameters
        ----------
        active : bool array, (d,)
            Coordinates whose entries are part of the best config, at least one.
        """
        state = self._state()
        epsilon = 1.0 if self._without == "learning" else EPSILON
        kind = self.kinds[choose(self.learner.values(state), epsilon, rng)]
        if kind == "attended" and (active & ~self._choices).any():
            return self._attended(state, active, rng)
        return self._coordinate(state, active, rng)

    def start(self, move: Move) -> None:
        """Note that a move is evaluated, so that the next coordinate move takes another."""
        if move.coordinate is not None:
            self._tried[move.coordinate] += 1

    def finish(self, move: Move, cost: float) -> None:
        """Learn from the cost of the point of a move."""
        gain = max(self.cost - cost, 0.0) if math.isfinite(self.cost - cost) else 0.0
        success = cost < self.cost
        self._rates[move.kind] += 0.1 * (success - self._rates[move.kind])
        if move.coordinate is not None:
            self._adapt(move.coordinate, success)
        else:
            self._step = min(max(self._step * (GROWTH if success else SHRINKAGE), SMALLEST), 3 * LARGEST)
            if success and move.normal is not None:
                self._accept(move.normal)
        reward = min(gain / self._mean_gain, REWARD) if self._mean_gain > 0 else 0.0
        self._mean_gain = (
            gain if self._mean_gain == 0 else self._mean_gain + MEMORY * (gain - self._mean_gain)
        )
        learn(self.learner, move.state, self.kinds.index(move.kind), Step(reward, self._state()), DISCOUNT)
        self.note(move.point, cost)

    def note(self, point: Floats, cost: float) -> None:
        """Replace the best point if this one is better."""
        if cost < self.cost:
            self.best, self.cost = point.copy(), cost

    def _state(self) -> Floats:
        return np.array([1.0, *(2 * (rate - 0.2) for rate in self._rates.values())])

    def _coordinate(self, state: Floats, active: NDArray[np.bool_], rng: np.random.Generator) -> Move:
        """Move along the coordinate that was tried least often."""
        order = rng.permutation(np.flatnonzero(active))
        j = int(order[np.argmin(self._tried[order])])
        point = self.best.copy()
        if self._choices[j]:
            point[j] = (point[j] + math.floor(1 + rng.random() * (self._levels[j] - 1)) / self._levels[j]) % 1
        else:
            # A smaller step would not reach the next integer.
            step = self._signs[j] * max(self._steps[j], 1 / self._levels[j])
            # At a bound, the other direction is the only one.
            point[j] += step if 0 <= point[j] + step <= 1 else -step
        return Move(np.clip(point, 0, 1), "coordinate", state, coordinate=j)

    def _attended(self, state: Floats, active: NDArray[np.bool_], rng: np.random.Generator) -> Move:
        normal = self._root @ rng.standard_normal(len(self.best))
        delta = np.clip(normal * self._step / math.sqrt(len(normal)), -LARGEST, LARGEST)
        # An integer moves by whole steps: up or down with the probability that keeps the mean.
        with np.errstate(invalid="ignore"):
            whole = np.floor(delta * self._levels + rng.random(len(delta))) / self._levels
        delta = np.where(np.isfinite(self._levels), whole, delta)
        delta[self._choices | ~active] = 0.0
        return Move(np.clip(self.best + delta, 0, 1), "attended", state, normal=normal)

    def _adapt(self, j: int, success: bool) -> None:
        """Double or halve the step of a coordinate, or turn its sign."""
        if success:
            self._steps[j], self._failures[j] = min(2 * self._steps[j], LARGEST), 0
            return
        self._signs[j], self._failures[j] = -self._signs[j], self._failures[j] + 1
        if self._failures[j] == 2:
            self._steps[j], self._failures[j] = max(self._steps[j] / 2, SMALLEST), 0

    def _accept(self, normal: Floats) -> None:
        """Add an accepted move to the covariance; the older ones lose weight."""
        dimensions = len(normal)
        smoothing, rate = 2 / (dimensions + 2), 3 / (dimensions**2 + 6)
        self._path = (1 - smoothing) * self._path + math.sqrt(smoothing * (2 - smoothing)) * normal
        self._covariance = (1 - rate) * self._covariance + rate * np.outer(self._path, self._path)
        self._root = _root(self._covariance)


def _identity(state: Floats) -> Floats:
    return state


def _root(covariance: Floats) -> Floats:
    """Return the lower triangular root of a covariance, which may be singular."""
    dimensions = len(covariance)
    jitter = 1e-10 * float(np.trace(covariance)) / dimensions
    return np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(dimensions)), np.float64)
