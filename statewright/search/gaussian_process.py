"""Search by a Gaussian process and its expected improvement.

The process is botorch's: a squared exponential kernel with one length an input, whose prior grows with the
dimension. The inputs are the coordinates of the numbers, and for a choice one column of 0 and 1 for each of
its values. The logarithm of the improvement is maximised because the
improvement and its gradient underflow far from the best trial.

Trials that wait for their value count as if they had the predicted one, so that several workers get
different proposals.

References
----------
Ament et al., "Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023.
Balandat et al., "BoTorch: a framework for efficient Monte-Carlo Bayesian optimization", NeurIPS 2020.
Ginsbourger, Le Riche and Carraro, "Kriging is well-suited to parallelize optimization", 2010, for trials
that wait.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statewright.search.genetic import latin_hypercube, mutate
from statewright.search.sampler import Proposals, cost, load_package
from statewright.search.space import (
    Choice,
    Config,
    Entry,
    Float,
    Floats,
    Space,
    from_unit,
    key,
    levels,
    sample,
    to_unit,
)

CANDIDATES = 256
"""Random configs, and as many neighbours of the best trials, from which the search of EI starts."""
NEIGHBOURHOODS = 5
STARTS = 4
ITERATIONS = 50
"""Steps along the gradient of the improvement."""
TOLERANCE = 1e-6
"""Relative change of the log likelihood at which its search ends."""


@dataclass(frozen=True)
class Trials:
    """Trials on the unit cube.

    Attributes
    ----------
    points : float array, (n, d)
        Trials with a value.
    values : float array, (n,)
        To be maximised; finite, at least two differ.
    waiting : float array, (m, d)
        Trials without a value.
    """

    points: Floats
    values: Floats
    waiting: Floats


class GaussianProcess:
    """Gaussian process of botorch by `ask` and `tell`; minimises.

    The first 2 (d + 1) proposals are a Latin hypercube. The improvement is on the best prediction at a trial,
    not on the best value, which may be a lucky draw. A failed trial has the worst value.
    """

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._proposals = Proposals(space, seed)
        self._space = self._proposals.space
        load_package("botorch", "gp")
        dimensions = len(self._space)
        self._design = latin_hypercube(2 * (dimensions + 1), dimensions, np.random.default_rng(seed))
        self._points: list[Floats] = []
        self._costs: list[float] = []
        self._asked: dict[Any, Floats] = {}

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        config = self._next()
        self._asked[key(self._space, config)] = to_unit(self._space, config)
        return self._proposals.add(config)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config."""
        number = cost(value)
        self._proposals.remove(config)
        self._points.append(to_unit(self._space, config))
        self._costs.append(number)

    def _next(self) -> Config:
        number = self._proposals.count
        if number < len(self._design):
            return from_unit(self._space, self._design[number])
        rng = self._proposals.rng()
        config = sample(self._space, rng)
        finite = [number for number in self._costs if number < math.inf]
        # Without two different values there is nothing to model.
        if len(set(finite)) > 1:
            worst = max(finite)
            values = np.array([min(number, worst) for number in self._costs])
            config = from_unit(self._space, self._maximise(values, rng))
            # A copy of a trial teaches nothing where values have no noise.
            if not self._proposals.is_new(config):
                config = sample(self._space, rng)
        return config

    def _maximise(self, costs: Floats, rng: np.random.Generator) -> Floats:
        """Return the point of the largest log expected improvement, (d,)."""
        import torch
        from botorch.exceptions.errors import ModelFittingError
        from linear_operator.utils.errors import NanError, NotPSDError

        told = np.array(self._points)
        self._asked = {name: point for name, point in self._asked.items() if self._proposals.waiting[name]}
        waiting = np.array(list(self._asked.values())).reshape(-1, told.shape[1])
        # botorch standardises by squares, which are finite if the largest value is 1.
        trials = Trials(told, -costs / max(np.abs(costs).max(), 1e-300), waiting)
        # The generator of torch is global: it has its old state when the block ends.
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            torch.manual_seed(int(rng.integers(2**31)))
            try:
                return propose(trials, self._space, rng)
            except (ModelFittingError, NanError, NotPSDError):
                # A covariance of nearly equal trials may have no Cholesky factor: one trial at random.
                return rng.random(len(self._space))


def propose(trials: Trials, space: Space, rng: np.random.Generator) -> Floats:
    """Return the point with the largest log expected improvement, (d,).

    The improvement is evaluated at valid configs: random ones, and neighbours of the best trials. From the
    best few, its gradient is followed along the floats that are present; all else is fixed.
    """
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.optim import optimize_acqf

    entries = list(space.values())
    model = fit(trials, entries)
    points = _candidates(trials, space, rng)
    features = torch.tensor(_features(points, entries))
    with torch.no_grad():
        known = torch.tensor(_features(np.vstack([trials.points, trials.waiting]), entries))
        improvement = LogExpectedImprovement(model, model.posterior(known).mean.max())
        starts = improvement(features[:, None]).topk(STARTS).indices.tolist()
    results = []
    for start in starts:
        config = from_unit(space, points[start])
        free = [isinstance(entry, Float) and name in config for name, entry in space.items()]
        # The numbers are the first columns of the features.
        moving = [column for column, i in enumerate(_numbers(entries)) if free[i]]
        fixed = {i: float(value) for i, value in enumerate(features[start]) if i not in moving}
        if not moving:
            results.append((float(improvement(features[start][None])), points[start]))
            continue
        optimum, _ = optimize_acqf(
            improvement,
            torch.tensor([[0.0], [1.0]], dtype=features.dtype).expand(2, features.shape[1]),
            q=1,
            num_restarts=1,
            batch_initial_conditions=features[start][None, None],
            fixed_features=fixed,
            options={"maxiter": ITERATIONS},
        )
        point = points[start].copy()
        point[free] = optimum[0, moving].numpy()
        results.append((float(improvement(optimum)), point))
    return max(results, key=lambda result: result[0])[1]


def fit(trials: Trials, entries: Sequence[Entry]) -> Any:
    """Return a process with the most probable lengths and noise, given trials."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    inputs = torch.tensor(_features(trials.points, entries))
    targets = torch.tensor((trials.values - trials.values.mean()) / trials.values.std())[:, None]
    model = SingleTaskGP(inputs, targets, outcome_transform=None)
    likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
    # With scipy's default a fit needs seven times the evaluations, and proposals hardly differ.
    fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"ftol": TOLERANCE}})
    if not len(trials.waiting):
        return model
    waiting = torch.tensor(_features(trials.waiting, entries))
    with torch.no_grad():
        targets = torch.cat([targets, model.posterior(waiting).mean])
    believing = SingleTaskGP(torch.cat([inputs, waiting]), targets, outcome_transform=None)
    believing.load_state_dict(model.state_dict())
    return believing


def _numbers(entries: Sequence[Entry]) -> list[int]:
    return [i for i, entry in enumerate(entries) if not isinstance(entry, Choice)]


def _features(points: Floats, entries: Sequence[Entry]) -> Floats:
    """Return the inputs of the process, (n, p).

    First the numbers, then a column of 0 and 1 for each value of a choice.
    """
    columns = [points[:, _numbers(entries)]]
    for i, entry in enumerate(entries):
        if isinstance(entry, Choice):
            middles = (np.arange(len(entry.values)) + 0.5) / len(entry.values)
            columns.append((np.abs(points[:, [i]] - middles) < 1e-9).astype(float))
    return np.hstack(columns)


def _candidates(trials: Trials, space: Space, rng: np.random.Generator) -> Floats:
    """Return points of random configs and of neighbours of the best trials, (n, d)."""
    choices = np.array([isinstance(entry, Choice) for entry in space.values()])
    counts = np.array([levels(entry) for entry in space.values()])
    best = trials.points[np.argsort(-trials.values, kind="stable")[:NEIGHBOURHOODS]]
    near = [mutate(best[i % len(best)], counts, choices, rng) for i in range(CANDIDATES)]
    drawn = [*rng.random((CANDIDATES, len(space))), *near]
    return np.array([to_unit(space, from_unit(space, point)) for point in drawn])
