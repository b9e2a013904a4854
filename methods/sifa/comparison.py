"""Compare optimisers at equal cost: the same search, counted in gradients.

A gradient evaluation is one forward and backward pass of a mini-batch, whatever it is used for: K-FAC pays
one more for each measurement of its factors. Every optimiser gets the same number of trials, drawn from the
same uniform numbers, over

    AdamW                rate 1e-4 to 1e-1,  momentum (beta 1) 0 to 0.99,  damping (epsilon) 1e-10 to 1e-2
    SGD                  rate 1e-3 to 1e1,   momentum 0 to 0.99
    K-FAC                rate 1e-3 to 1e0,   momentum 0 to 0.99,           damping 1e-4 to 1e1
    conformal leapfrog   rate 1e-3 to 1e1,   momentum 0 to 0.99,           damping 1e-3 to 1e2
    the same by K-FAC    rate 1e-3 to 1e0,   momentum 0 to 0.99,           damping 1e-4 to 1e1

Rate and damping are uniform in their logarithm, momentum in log(1 - momentum). The rate of the leapfrog is
that of the heavy ball, h^2, and its momentum exp(-gamma h), so that both parametrisations search the same
box. With the metric of K-FAC it also measures as often: trial by trial it differs from K-FAC only in what is
kept where the metric changes, the momentum or the velocity. Weight decay is 0 for all: the question is how
fast the loss falls.

The trial with the smallest validation loss at a budget is the choice for this budget. It is trained again
with other seeds for weights and batches, and only these runs see the test rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.sifa.fisher import Factors, Kind, kronecker_factors
from methods.sifa.kfac import KFAC
from methods.sifa.kronecker_leapfrog import KroneckerLeapfrog
from methods.sifa.optimiser import ConformalLeapfrog

OptimiserName = Literal["adamw", "sgd", "kfac", "leapfrog", "kfac-leapfrog"]

RATES = {
    "adamw": (1e-4, 1e-1),
    "sgd": (1e-3, 1e1),
    "kfac": (1e-3, 1e0),
    "leapfrog": (1e-3, 1e1),
    "kfac-leapfrog": (1e-3, 1e0),
}
DAMPINGS = {
    "adamw": (1e-10, 1e-2),
    "sgd": (1.0, 1.0),
    "kfac": (1e-4, 1e1),
    "leapfrog": (1e-3, 1e2),
    "kfac-leapfrog": (1e-4, 1e1),
}
MEASURING = ("kfac", "kfac-leapfrog")
"""Optimisers that spend gradient evaluations on Kronecker factors."""
LEAST_FRICTION = 0.01
"""Smallest 1 - momentum of the search."""
REFRESH = 10
"""Steps between two measurements of the Kronecker factors."""
WINDOW = 20
"""Steps for which the metric of the leapfrog is constant."""


@dataclass(frozen=True)
class Rows:
    """Inputs (rows, features) and targets: class numbers (rows,) or values (rows, 1)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Problem:
    """A model and the rows that it is trained, chosen and judged on.

    Attributes
    ----------
    build : callable
        Returns a model with random weights, from PyTorch's global generator.
    kind : {'classification', 'regression'}
        The loss is the cross-entropy in nats, or half of the squared error.
    train, validation, test : Rows
    batch : int
        Rows of a mini-batch.
    """

    build: Callable[[], nn.Module]
    kind: Kind
    train: Rows
    validation: Rows
    test: Rows
    batch: int = 64


@dataclass(frozen=True)
class Trial:
    """Setting of an optimiser, in the units of the search box."""

    rate: float
    momentum: float
    damping: float


@dataclass(frozen=True)
class Loss:
    """Losses of one training at one budget; infinite if the training diverged."""

    budget: int
    train: float
    validation: float
    test: float


def draw_trials(name: OptimiserName, count: int, seed: int) -> list[Trial]:
    """Return settings that use the same uniform numbers for every optimiser.

    Parameters
    ----------
    name : {'adamw', 'sgd', 'kfac', 'leapfrog', 'kfac-leapfrog'}
    count : int
    seed : int
    """
    draws = np.random.default_rng(seed).uniform(size=(count, 3))
    return [
        Trial(
            _between(RATES[name], rate),
            1 - LEAST_FRICTION**momentum,
            _between(DAMPINGS[name], damping),
        )
        for rate, momentum, damping in draws.tolist()
    ]


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] * (ends[1] / ends[0]) ** share


def run_trial(
    problem: Problem, name: OptimiserName, trial: Trial, budgets: Sequence[int], seed: int
) -> list[Loss]:
    """Train once, and return the losses where each budget is spent.

    Parameters
    ----------
    problem : Problem
    name : {'adamw', 'sgd', 'kfac', 'leapfrog', 'kfac-leapfrog'}
    trial : Trial
    budgets : sequence of int
        Gradient evaluations, rising.
    seed : int
        Seed of weights, batches and sampled labels.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = problem.build()
    batches = _batches(len(problem.train.x), problem.batch, seed)
    rows, spent = next(batches), 0

    def closure() -> Tensor:
        nonlocal spent
        spent += 1
        optimiser.zero_grad()
        loss = mean_loss(model, Rows(problem.train.x[rows], problem.train.y[rows]), problem.kind)
        loss.backward()
        return loss.detach()

    def measure() -> Mapping[str, Factors]:
        nonlocal spent
        spent += 1
        return kronecker_factors(model, problem.train.x[rows], problem.kind, "sampled", seed=seed + spent)

    optimiser = _optimiser(model, name, trial, measure)
    found: list[Loss] = []
    for budget in budgets:
        # A step that measures costs two; it is not begun where only one is left.
        while spent < budget and not (
            name in MEASURING and spent + 2 > budget and spent % (REFRESH + 1) == 0
        ):
            if not math.isfinite(float(optimiser.step(closure))):  # type: ignore[arg-type]
                return found + [Loss(left, math.inf, math.inf, math.inf) for left in budgets[len(found) :]]
            rows = next(batches)
        with torch.no_grad():
            losses = [
                float(mean_loss(model, part, problem.kind))
                for part in (problem.train, problem.validation, problem.test)
            ]
        found.append(Loss(budget, *(loss if math.isfinite(loss) else math.inf for loss in losses)))
    return found


def choose(trials: Sequence[Sequence[Loss]], budget: int) -> int | None:
    """Return the number of the trial with the smallest validation loss at a budget.

    None if every trial diverged.
    """
    losses = [next(loss.validation for loss in trial if loss.budget == budget) for trial in trials]
    best = int(np.argmin(losses))
    return best if math.isfinite(losses[best]) else None


def mean_loss(model: nn.Module, rows: Rows, kind: Kind) -> Tensor:
    """Return the mean cross-entropy, or half of the mean squared error."""
    outputs = model(rows.x)
    if kind == "classification":
        return functional.cross_entropy(outputs, rows.y)
    return (outputs - rows.y).square().sum(dim=1).mean() / 2


def _optimiser(
    model: nn.Module, name: OptimiserName, trial: Trial, measure: Callable[[], Mapping[str, Factors]]
) -> torch.optim.Optimizer:
    rate, momentum, damping = trial.rate, trial.momentum, trial.damping
    if name == "adamw":
        return torch.optim.AdamW(
            model.parameters(), lr=rate, betas=(momentum, 0.999), eps=damping, weight_decay=0.0
        )
    if name == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    if name == "kfac":
        return KFAC(model, measure, rate, momentum, damping, REFRESH)
    step = math.sqrt(rate)
    friction = -math.log(max(momentum, 1e-12)) / step
    if name == "kfac-leapfrog":
        return KroneckerLeapfrog(model, measure, step, friction, damping, REFRESH)
    return ConformalLeapfrog(model.parameters(), step, friction, damping, WINDOW)


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield the rows of mini-batches, in a new random order for each pass."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).split(size)
