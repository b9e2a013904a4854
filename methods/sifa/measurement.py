"""Measure the Fisher matrix of trained models beside their generalisation gap.

Specification 4 bounds the gap by sqrt(2 s^2 tr(g) log(2 / d) / n) + C / sqrt(n) with an unknown constant
(theorem 2), which can be neither confirmed nor refuted. What can be measured is whether the gap follows
sqrt(tr(g) / n) over models, and whether it follows this better than n alone does: the null model, because
the gap falls with n whatever the metric is.

The models are trained by AdamW with a constant rate and looked at after given numbers of updates.

References
----------
Specification 4 §3.2, theorems 1 and 2 as corrected. Thomas et al. (2020), "On the interplay between noise and
curvature and its effect on optimization and generalization", for a measured gap beside a Fisher trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from methods.sifa.comparison import Problem, Rows, mean_loss
from methods.sifa.fisher import Labels, fisher_matrix, fisher_trace, kronecker_factors

Array = NDArray[np.float64]

RATE = 3e-3
"""Learning rate of AdamW."""


@dataclass(frozen=True)
class Measurement:
    """Losses and traces of one model after some updates.

    Attributes
    ----------
    rows, steps, seed : int
        Training rows, updates, and the seed of rows, weights and batches.
    train, test : float
        Mean loss, in nats or half squared standard deviations.
    exact, sampled, empirical : float
        Traces of the Fisher matrices, mean over training rows.
    """

    rows: int
    steps: int
    seed: int
    train: float
    test: float
    exact: float
    sampled: float
    empirical: float


@dataclass(frozen=True)
class Agreement:
    """Relative Frobenius errors of approximations of the exact Fisher matrix.

    Attributes
    ----------
    sampled, empirical : float
        Of the whole matrix.
    kronecker : float
        Of the blocks of the layers.
    blocks : float
        Of the exact blocks as the whole matrix: what every method with one block a layer leaves out.
    """

    sampled: float
    empirical: float
    kronecker: float
    blocks: float


def trained_models(problem: Problem, steps: Sequence[int], seed: int) -> Iterator[nn.Module]:
    """Yield one model after each number of updates, trained further in place.

    Parameters
    ----------
    problem : Problem
    steps : sequence of int
        Rising.
    seed : int
        Seed of weights and batches.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = problem.build()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    order, done = torch.zeros(0, dtype=torch.int64), 0
    for target in steps:
        while done < target:
            if not len(order):
                order = torch.randperm(len(problem.train.x), generator=generator)
            rows, order = order[: problem.batch], order[problem.batch :]
            optimiser.zero_grad()
            mean_loss(model, Rows(problem.train.x[rows], problem.train.y[rows]), problem.kind).backward()
            optimiser.step()
            done += 1
        yield model


def measure(problem: Problem, rows: int, steps: Sequence[int], seed: int, measured: int) -> list[Measurement]:
    """Train on some rows; return losses and traces after each number of updates.

    Parameters
    ----------
    problem : Problem
    rows : int
        Training rows, drawn at random; all if there are no more.
    steps : sequence of int
        Rising.
    seed : int
    measured : int
        Largest number of training rows over which a trace is averaged.
    """
    smaller = with_rows(problem, rows, seed)
    part = Rows(smaller.train.x[:measured], smaller.train.y[:measured])
    found = []
    for target, model in zip(steps, trained_models(smaller, steps, seed), strict=True):
        with torch.no_grad():
            train, test = (
                float(mean_loss(model, each, problem.kind)) for each in (smaller.train, problem.test)
            )
        exact, sampled, empirical = (
            fisher_trace(model, part.x, problem.kind, labels, part.y, seed)
            for labels in ("exact", "sampled", "empirical")
        )
        found.append(Measurement(len(smaller.train.x), target, seed, train, test, exact, sampled, empirical))
    return found


def with_rows(problem: Problem, rows: int, seed: int) -> Problem:
    """Return the problem with a random part of its training rows."""
    order = np.random.default_rng(seed).permutation(len(problem.train.x))[:rows]
    return replace(problem, train=Rows(problem.train.x[order], problem.train.y[order]))


def agreement(model: nn.Module, rows: Rows, problem: Problem, seed: int) -> Agreement:
    """Compare the approximations of the Fisher matrix of a network of linear layers.

    Parameters
    ----------
    model : Module
        A few thousand parameters at most, all in linear layers.
    rows : Rows
    problem : Problem
        Gives the kind of the loss.
    seed : int
        Seed of the sampled labels.
    """

    def matrix(labels: Labels) -> torch.Tensor:
        return fisher_matrix(model, rows.x, problem.kind, labels, rows.y, seed)

    exact = matrix("exact")
    factors = kronecker_factors(model, rows.x, problem.kind).values()
    kronecker = torch.block_diag(*(factor.block() for factor in factors))
    blocks, start = torch.zeros_like(exact), 0
    for factor in factors:
        end = start + len(factor.inputs) * len(factor.outputs)
        blocks[start:end, start:end] = exact[start:end, start:end]
        start = end

    def error(found: torch.Tensor, expected: torch.Tensor) -> float:
        return float((found - expected).norm() / expected.norm())

    return Agreement(
        error(matrix("sampled"), exact),
        error(matrix("empirical"), exact),
        error(kronecker, blocks),
        error(blocks, exact),
    )


def rank_correlation(a: Array, b: Array) -> float:
    """Return Spearman's rank correlation, NaN if one of both is constant."""
    from scipy import stats

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
