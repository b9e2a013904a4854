"""Samplers of other libraries behind the same interface.

| sampler | library | mixed spaces | several asks before a tell |
| --- | --- | --- | --- |
| random | numpy | uniform on the unit cube | independent |
| TPE | optuna | a density for each entry that is present | waiting trials count as bad (constant liar) |
| CMA-ES | cma | the unit cube; a choice is an ordered axis | more draws of the generation |

Each library has its defaults, except where a comment says why not. None prints, warns, or reads or
changes a global random state.

References
----------
Bergstra, Bardenet, Bengio and Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011. Hansen and
Ostermeier, "Completely derandomized self-adaptation in evolution strategies", Evolutionary Computation 9
(2001). Auger and Hansen, "A restart CMA evolution strategy with increasing population size", CEC 2005.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from statewright.search.sampler import Proposals, cost, load_package
from statewright.search.space import (
    Choice,
    Config,
    Float,
    Floats,
    Integer,
    Space,
    from_unit,
    is_active,
    is_same,
    key,
    levels,
    sample,
    to_unit,
)


class Random:
    """Uniform sampling of the unit cube, independent of what is told."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._proposals = Proposals(space, seed)

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        return self._proposals.add(sample(self._proposals.space, self._proposals.rng()))

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config."""
        cost(value)
        self._proposals.remove(config)


class TreeParzen:
    """Tree-structured Parzen estimator of optuna."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._proposals = Proposals(space, seed)
        self._space = self._proposals.space
        self._optuna = load_package("optuna", "tune")
        self._waiting: dict[Any, list[Any]] = defaultdict(list)
        with self._silence():
            self._study = self._optuna.create_study()

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        seed = int(self._proposals.rng().integers(2**32))
        with self._silence():
            self._study.sampler = self._optuna.samplers.TPESampler(seed=seed)
            trial = self._study.ask()
            values: dict[str, Any] = {}
            for name in self._space:
                self._suggest(trial, name, values)
        config = {name: values[name] for name in self._space if name in values}
        self._waiting[key(self._space, config)].append(trial)
        return self._proposals.add(config)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config; a failed trial ranks last."""
        number = cost(value)
        with self._silence():
            if self._proposals.remove(config):
                self._study.tell(self._waiting[key(self._space, config)].pop(0), number)
                return
            distributions = {name: self._distribution(name) for name in config}
            params = {name: self._to_optuna(name, value) for name, value in config.items()}
            self._study.add_trial(
                self._optuna.create_trial(value=number, params=params, distributions=distributions)
            )

    def _suggest(self, trial: Any, name: str, values: dict[str, Any]) -> None:
        """Add the value of an entry, after those of the entries that its condition names."""
        if name in values:
            return
        entry = self._space[name]
        for parent in entry.when or ():
            self._suggest(trial, parent, values)
        if not is_active(self._space, name, values):
            return
        if isinstance(entry, Choice):
            values[name] = entry.values[trial.suggest_categorical(name, tuple(range(len(entry.values))))]
        elif isinstance(entry, Integer):
            values[name] = int(trial.suggest_int(name, entry.low, entry.high, log=entry.log))
        else:
            # optuna may return a number of numpy.
            values[name] = float(trial.suggest_float(name, entry.low, entry.high, log=entry.log))

    def _distribution(self, name: str) -> Any:
        entry, kinds = self._space[name], self._optuna.distributions
        if isinstance(entry, Choice):
            # The positions, because optuna warns of values that are not plain.
            return kinds.CategoricalDistribution(tuple(range(len(entry.values))))
        kind = kinds.IntDistribution if isinstance(entry, Integer) else kinds.FloatDistribution
        return kind(entry.low, entry.high, log=entry.log)

    def _to_optuna(self, name: str, value: Any) -> Any:
        entry = self._space[name]
        if isinstance(entry, Choice):
            return next(i for i, candidate in enumerate(entry.values) if is_same(candidate, value))
        return float(value) if isinstance(entry, Float) else int(value)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Keep optuna from logging each trial to standard error, in this block only."""
        verbosity = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._optuna.logging.set_verbosity(verbosity)


class CmaEs:
    """CMA-ES of pycma on the unit cube.

    It starts in the middle with a deviation of 0.3. When it has converged, it starts again at a random
    point with twice the population. CMA-ES knows no categories: a choice is an axis in
    the order of its values. Along an axis of n integers or choices the deviation stays above 1 / (2 n), or
    all draws would be one value.
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._proposals = Proposals(space, seed)
        self._space = self._proposals.space
        self._cma = load_package("cma", "tune")
        self._waiting: dict[Any, list[Floats]] = defaultdict(list)
        self._drawn: list[Floats] = []
        self._told: list[tuple[Floats, float]] = []
        self._restarts = -1
        self._population = 0
        self._restart()

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        self._draw()
        point = self._drawn.pop(0)
        config = self._config(point)
        self._waiting[key(self._space, config)].append(point)
        return self._proposals.add(config)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config; a failed trial ranks last."""
        number = cost(value)
        name = key(self._space, config) if self._proposals.remove(config) else None
        point = self._waiting[name].pop(0) if name else self._find(config)
        self._told.append((point, number))
        if len(self._told) < self._population:
            return
        points, costs = zip(*self._told, strict=True)
        finite = [number for number in costs if number < math.inf]
        # pycma warns of infinite values; it uses ranks.
        worst = min(math.nextafter(max(finite, default=0.0), math.inf), sys.float_info.max)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy.tell(list(points), [min(number, worst) for number in costs])
            if self._strategy.stop():
                self._restart()
        self._told, self._drawn = [], []

    def _config(self, point: Floats) -> Config:
        return from_unit(self._space, point[: len(self._space)])

    def _draw(self) -> None:
        """Draw a generation unless configs of the last are left."""
        if not self._drawn:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._drawn = list(self._strategy.ask(self._population))

    def _find(self, config: Mapping[str, Any]) -> Floats:
        """Return the point of a config that was not asked.

        If it is among those drawn, as when a search is told its earlier trials, the drawn point is removed
        and returned, so that the search continues as before.
        """
        self._draw()
        name = key(self._space, config)
        for i, point in enumerate(self._drawn):
            if key(self._space, self._config(point)) == name:
                return self._drawn.pop(i)
        return np.pad(
            to_unit(self._space, config), (0, self._strategy.N - len(self._space)), constant_values=0.5
        )

    def _restart(self) -> None:
        self._restarts += 1
        rng = np.random.default_rng([self._proposals.seed, self._restarts])
        # pycma does not work in one dimension: a second one has no effect.
        smallest = [0.5 / levels(entry) for entry in self._space.values()] + [0.0] * (len(self._space) == 1)
        options = {
            "bounds": [0, 1],
            "minstd": smallest,
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": math.nan,  # leaves numpy's global generator alone
            "verbose": -9,
            "verb_log": 0,
            "verb_disp": 0,
            "signals_filename": None,
            "maxiter": math.inf,
        }
        if self._restarts:
            options["popsize"] = 2 * self._population
        start = rng.random(len(smallest)) if self._restarts else np.full(len(smallest), 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy = self._cma.CMAEvolutionStrategy(start, 0.3, options)
        self._population = self._strategy.popsize
