"""Search with a noisy objective, without reporting a lucky draw.

The least of many noisy values is too low: of n draws of the same config with deviation s, by about
s * sqrt(2 log n). So a config that seems better than the best is evaluated again with fresh seeds, until it
has as many values as the best or its mean is worse; the sampler is told means. The last evaluations
of the budget are spent on the best alone, and only their mean is reported: they took no part in
its selection.

- Every call of the objective counts, those of re-evaluation too. A config that was proposed before is
  answered with its mean from the cache; both counts are reported.
- If two values of the best are equal, the objective counts as free of noise, and nothing is
  evaluated again.
- An objective that is the same everywhere ends the search early.
- Nothing is found if the reported mean is not below the mean of the first proposals by two standard errors.

    outcome = minimise(loss, space, budget=200, seed=0)      # loss(config, seed)
    print(outcome.sentence)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from statewright.search.sampler import cost, make_sampler
from statewright.search.space import Config, Space, key

Objective = Callable[[Config, int], float | None]

FLAT = 20
"""Equal values of different configs after which the objective counts as flat."""
FIRST = 20
"""Proposals that the result must beat."""
PROPOSED_AGAIN = 100
"""Answers from the cache in a row after which the space counts as exhausted."""
ERRORS = 2.0


@dataclass(frozen=True)
class Outcome:
    """Result of a search.

    Attributes
    ----------
    config : dict or None
        The best config; None if every evaluation failed.
    value, error : float
        Mean of its fresh values and the standard error, 0 without noise.
    luckiest : float
        The least single value, which is not a result.
    evaluations, from_cache : int
        Calls of the objective, and proposals that the cache answered.
    found : bool
        Whether the value is below that of the first proposals by more than the noise.
    """

    config: Config | None
    value: float
    error: float
    luckiest: float
    evaluations: int
    from_cache: int
    found: bool
    reason: Literal["budget", "flat", "exhausted"]

    @property
    def sentence(self) -> str:
        """Return the result in words."""
        counts = f"{self.evaluations} evaluations, {self.from_cache} proposals answered from the cache"
        if self.reason == "flat":
            return f"nothing was found: the objective is {self.value:g} everywhere ({counts})"
        if not self.found:
            return f"nothing was found that is better than the first proposals beyond the noise ({counts})"
        return f"the best mean is {self.value:g} with standard error {self.error:.2g} ({counts})"


def minimise(
    objective: Objective, space: Space, *, budget: int, seed: int, sampler: str = "hybrid", repeats: int = 5
) -> Outcome:
    """Search for the config with the least mean.

    Parameters
    ----------
    objective : callable
        From a config and a seed to a value; NaN, infinity or None is a failure.
    budget : int
        Calls of the objective, those of re-evaluation included, more than `repeats`.
    repeats : int
        Fresh evaluations of a best config, at least 2.

    Raises
    ------
    ValueError
        If the budget or the repeats are too small, or the space is not valid.
    """
    if repeats < 2 or budget <= repeats:
        raise ValueError(
            f"the budget is {budget} with {repeats} repeats; expected at least 2 repeats and a larger budget"
        )
    proposer = make_sampler(sampler, space, budget=budget, seed=seed)
    search = _Search(objective, space, seed, repeats)
    reason: Literal["budget", "flat", "exhausted"] = "budget"
    while search.evaluations < budget - search.reserve:
        config = proposer.ask()
        proposer.tell(config, search.evaluate(config, budget - search.reserve))
        if search.is_flat():
            reason = "flat"
            break
        if search.in_a_row >= PROPOSED_AGAIN:
            reason = "exhausted"
            break
    return search.finish(reason)


class _Search:
    """Values by config, and the best of them."""

    def __init__(self, objective: Objective, space: Space, seed: int, repeats: int) -> None:
        self._objective, self._space, self._repeats = objective, space, repeats
        self._seeds = np.random.default_rng([seed, 1])
        self._values: dict[Any, list[float]] = {}
        self._best: Config | None = None
        self._noisy: bool | None = None
        self.evaluations = self.from_cache = self.in_a_row = 0

    @property
    def reserve(self) -> int:
        """Return the evaluations that the end needs."""
        return 0 if self._noisy is False else self._repeats

    def evaluate(self, config: Config, limit: int) -> float:
        """Return the mean of a config, which is evaluated again if it may be the best."""
        name = key(self._space, config)
        if name in self._values:
            self.from_cache += 1
            self.in_a_row += 1
            return _mean(self._values[name])
        self.in_a_row = 0
        values = self._values[name] = [self._draw(config)]
        best = self._values[key(self._space, self._best)] if self._best is not None else [math.inf]
        wanted = max(len(best), self._repeats)
        while math.isfinite(values[0]) and self._noisy is not False and len(values) < wanted:
            if _mean(values) >= _mean(best) or self.evaluations >= limit:
                break
            values.append(self._draw(config))
            if self._noisy is None:
                self._noisy = values[0] != values[1]
        # A challenger that the limit cut short has not been compared.
        full = self._noisy is False or len(values) == wanted or self._best is None
        if full and _mean(values) < _mean(best):
            self._best = config
        return _mean(values)

    def is_flat(self) -> bool:
        """Return whether all configs so far have the same value, without noise."""
        if self._noisy is not False or len(self._values) < FLAT:
            return False
        first, *others = self._values.values()
        return all(values[0] == first[0] for values in others)

    def finish(self, reason: Literal["budget", "flat", "exhausted"]) -> Outcome:
        """Evaluate the best again, and return the outcome."""
        firsts = np.array([values[0] for values in list(self._values.values())[:FIRST]])
        firsts = firsts[np.isfinite(firsts)]
        luckiest = min((min(values) for values in self._values.values()), default=math.inf)
        if self._best is None:
            return Outcome(
                None, math.inf, math.inf, luckiest, self.evaluations, self.from_cache, False, reason
            )
        value, error = self._values[key(self._space, self._best)][0], 0.0
        if self._noisy is not False:
            fresh = np.array([self._draw(self._best) for _ in range(self._repeats)])
            value, error = float(fresh.mean()), float(fresh.std(ddof=1) / math.sqrt(len(fresh)))
        spread = float(firsts.std(ddof=1)) / math.sqrt(len(firsts)) if len(firsts) > 1 else math.inf
        below = float(firsts.mean()) - value
        found = reason != "flat" and below > 0 and below > ERRORS * math.hypot(error, self._noise(spread))
        return Outcome(self._best, value, error, luckiest, self.evaluations, self.from_cache, found, reason)

    def _noise(self, spread: float) -> float:
        """Return the standard error of the first proposals, 0 without noise."""
        return 0.0 if self._noisy is False else spread

    def _draw(self, config: Config) -> float:
        self.evaluations += 1
        return cost(self._objective(config, int(self._seeds.integers(2**31))))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.inf
