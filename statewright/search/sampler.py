"""The interface that all samplers share, and what they have in common.

A sampler minimises. `ask` proposes a config, `tell` reports its value:

    sampler = make_sampler("genetic", space, budget=100, seed=0)
    for _ in range(100):
        config = sampler.ask()
        sampler.tell(config, loss(config))

- Several configs may be asked before one is told, and told in any order.
- A config that was never asked may be told: the trials of an interrupted search, or the defaults. It
  counts as a proposal, so a search that is told its earlier trials continues as if never interrupted.
- A value that is NaN, infinite or None is a failed trial, and as bad as the worst.
- The same seed and the same calls give the same proposals. No global random state is read or changed.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from statewright.search.space import Config, Space, check_space, key, to_unit

SAMPLERS = ("hybrid", "random", "genetic", "tpe", "cmaes", "gp")


class Sampler(Protocol):
    """Proposes configs and learns from their values."""

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        ...

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config.

        Raises
        ------
        ValueError
            If the config is not in the space, or the value is not a number.
        """
        ...


class Proposals:
    """Counts proposals and knows which of them are waiting for their value.

    Each proposal has its own random generator, seeded by the seed and its number. So it depends on the
    trials told, and not on how many numbers earlier proposals drew.
    """

    def __init__(self, space: Space, seed: int) -> None:
        check_space(space)
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"the seed is {seed!r}; expected a whole number of at least 0")
        self.space = dict(space)
        self.seed = int(seed)
        self.count = 0
        """Proposals so far, those of others included."""
        self.waiting: Counter[tuple[float | None, ...]] = Counter()
        """Keys of the configs that were asked and not told."""
        self.told: Counter[tuple[float | None, ...]] = Counter()

    def rng(self) -> np.random.Generator:
        """Return the generator of the next proposal."""
        return np.random.default_rng([self.seed, self.count])

    def is_new(self, config: Config) -> bool:
        """Return whether a config was neither asked nor told."""
        name = key(self.space, config)
        return name not in self.told and self.waiting[name] == 0

    def add(self, config: Config) -> Config:
        """Note that a config is proposed, and return it."""
        self.count += 1
        self.waiting[key(self.space, config)] += 1
        return config

    def remove(self, config: Mapping[str, Any]) -> bool:
        """Note that a config was told, and return whether it was waiting for that.

        Raises
        ------
        ValueError
            If the config is not in the space.
        """
        to_unit(self.space, config)
        name = key(self.space, config)
        self.told[name] += 1
        if self.waiting[name] > 0:
            self.waiting[name] -= 1
            return True
        self.count += 1
        return False


def cost(value: float | None) -> float:
    """Return a value to minimise; infinity for a failed trial.

    Raises
    ------
    ValueError
        If the value is neither None nor a number.
    """
    if value is None:
        return math.inf
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"the value of a trial is {value!r}; expected a number or None") from None
    return number if math.isfinite(number) else math.inf


def make_sampler(name: str, space: Space, *, budget: int, seed: int) -> Sampler:
    """Build a sampler by its name.

    Parameters
    ----------
    name : str
        One of `SAMPLERS`.
    budget : int
        Number of evaluations that the search will have, at least 1.

    Raises
    ------
    ValueError
        If the name is unknown, or the space, budget or seed is not valid.
    ModuleNotFoundError
        If a package of the sampler is missing; the message has the command that installs it.
    """
    from statewright.search import peers
    from statewright.search.gaussian_process import GaussianProcess
    from statewright.search.genetic import Genetic, default_population
    from statewright.search.hybrid import Hybrid

    if budget < 1:
        raise ValueError(f"the budget is {budget}; expected at least 1 evaluation")
    match name:
        case "hybrid":
            return Hybrid(space, budget=budget, seed=seed)
        case "random":
            return peers.Random(space, seed=seed)
        case "genetic":
            return Genetic(space, population=default_population(budget), seed=seed)
        case "tpe":
            return peers.TreeParzen(space, seed=seed)
        case "cmaes":
            return peers.CmaEs(space, seed=seed)
        case "gp":
            return GaussianProcess(space, seed=seed)
    raise ValueError(f"the sampler is {name!r}; expected one of {', '.join(SAMPLERS)}")


def load_package(module: str, extra: str) -> Any:
    """Import a package that an extra of the engine brings."""
    try:
        # torch warns of its own use of what it deprecates.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise ModuleNotFoundError(
            f"the sampler needs {module}: pip install 'statewright[{extra}]'", name=module
        ) from None
