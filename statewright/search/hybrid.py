"""Genetic search, then Q-learning of moves in the region that it found.

The genetic stage has a third of the budget. It hands over its best point, and the scatter of its best
points as the scale and shape of the first moves; see `refinement`. The region is not a box: the optimum may
be just outside it.

    sampler = Hybrid(space, budget=1500, seed=0)
    config = sampler.ask()
    sampler.tell(config, loss(config))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statewright.search.genetic import Genetic, default_population
from statewright.search.refinement import Move, Part, Refinement
from statewright.search.sampler import Proposals, cost
from statewright.search.space import Choice, Config, Floats, Space, from_unit, key, levels, sample, to_unit

SHARE = 1 / 3
"""Share of the budget of the genetic stage."""
ATTEMPTS = 10
"""Moves that are drawn before a config is proposed twice."""


class Hybrid:
    """Genetic search, then Q-learning, by `ask` and `tell`; minimises.

    Parameters
    ----------
    budget : int
        Number of evaluations that the search will have, at least 1. More may be asked.
    seed : int
        At least 0.
    without : {"learning", "attention"} or None
        A part to leave out, for ablations.

    Raises
    ------
    ValueError
        If the space, the budget or the seed is not valid.
    """

    def __init__(self, space: Space, *, budget: int, seed: int = 0, without: Part | None = None) -> None:
        if not isinstance(budget, int | np.integer) or isinstance(budget, bool) or budget < 1:
            raise ValueError(f"the budget is {budget!r}; expected a whole number of at least 1")
        self._proposals = Proposals(space, seed)
        self._space = self._proposals.space
        self._genetic = Genetic(space, population=default_population(budget), seed=seed)
        self._genetic_budget = max(round(SHARE * budget), 1)
        self._levels = np.array([levels(entry) for entry in self._space.values()])
        self._choices = np.array([isinstance(entry, Choice) for entry in self._space.values()])
        self._without = without
        self._points: list[Floats] = []
        self._costs: list[float] = []
        self._refinement: Refinement | None = None
        self._moves: dict[tuple[float | None, ...], Move] = {}

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        if self._proposals.count < self._genetic_budget:
            return self._proposals.add(self._genetic.ask())
        config, move = self._draw()
        if move is not None:
            self._begin(config, move)
        return self._proposals.add(config)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config; NaN, infinity or None is a failed trial.

        Raises
        ------
        ValueError
            If the config is not in the space, or the value is not a number.
        """
        number = cost(value)
        point = to_unit(self._space, config)
        name = key(self._space, config)
        if self._proposals.waiting[name] == 0 and self._proposals.count >= self._genetic_budget:
            # A search that is told its earlier trials draws each again, to learn the same from it.
            proposed, drawn = self._draw()
            if drawn is not None and key(self._space, proposed) == name:
                self._begin(proposed, drawn)
        self._proposals.remove(config)
        if len(self._points) < self._genetic_budget:
            self._genetic.tell(config, value)
        self._points.append(point)
        self._costs.append(number)
        move = self._moves.pop(name, None)
        if self._refinement is None:
            return
        if move is None:
            self._refinement.note(point, number)
        else:
            self._refinement.finish(move, number)

    def _draw(self) -> tuple[Config, Move | None]:
        """Draw the next config, and the move that leads to it; None is a random config."""
        rng = self._proposals.rng()
        refinement = self._refined()
        if refinement is None:
            return sample(self._space, rng), None
        best = from_unit(self._space, refinement.best)
        active = np.array([name in best for name in self._space]) & (self._levels > 1)
        for _ in range(ATTEMPTS if active.any() else 0):
            move = refinement.propose(active, rng)
            config = from_unit(self._space, move.point)
            if self._proposals.is_new(config):
                return config, move
        # Neighbours of a discrete best point run out.
        for _ in range(ATTEMPTS):
            config = sample(self._space, rng)
            if self._proposals.is_new(config):
                break
        return config, None

    def _refined(self) -> Refinement | None:
        """Return the second stage, which starts with the first draw after a finite cost."""
        if self._refinement is None and np.isfinite(self._costs).any():
            points, costs = np.array(self._points), np.array(self._costs)
            self._refinement = Refinement(points, costs, self._levels, self._choices, self._without)
        return self._refinement

    def _begin(self, config: Config, move: Move) -> None:
        assert self._refinement is not None
        self._moves[key(self._space, config)] = move
        self._refinement.start(move)
