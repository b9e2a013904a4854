"""Choose among a few hundred programs by a small number of noisy measurements.

A prediction orders the programs. Each measurement corrects it for the programs that share fragments with
the measured one::

    log cost = prediction + x' b + noise,    b ~ N(0, PRIOR^2 I),   noise ~ N(0, NOISE^2)

with `x` the indicators of fragments and of pairs of a fragment with that at the first position. The next
program has the lowest `mean - deviation`. The last part of the budget measures the best few again, in turns,
and the choice is the lowest mean of its own measurements: the prediction decides what is measured, never what
is chosen.

References
----------
Specification 5 §3 and §8, as corrected. Rasmussen and Williams (2006), Gaussian Processes for Machine
Learning, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Measure = Callable[[int], Floats]
"""Measures one program by its number; returns its costs, (costs,), all above 0."""

PRIOR, NOISE = 0.4, 0.15
"""Standard deviations of a coefficient and of a measurement, in units of a log cost."""
VERIFIED = 0.4
"""Share of the budget with which the best few are measured again."""
FINALISTS = 3


@dataclass(frozen=True)
class Choice:
    """Result of a search: the program, and what was measured.

    Attributes
    ----------
    chosen : int
    order : tuple of int
        Programs in the order in which they were measured; its length is the number of evaluations.
    costs : (evaluations, costs) of float
    """

    chosen: int
    order: tuple[int, ...]
    costs: Floats


def regret(costs: Floats) -> Floats:
    """Return the largest ratio of each cost to the lowest one, (n,), at least 1.

    It is 1 if one program is the best in every cost, such as CPU and wall seconds.
    """
    return np.asarray((costs / costs.min(axis=0)).max(axis=1))


def indicators(fragments: Whole) -> Floats:
    """Return indicators of fragments and pairs, (n, columns).

    A pair is a fragment with the one at the first position.
    """
    single = [fragments[:, [i]] == np.unique(fragments[:, i]) for i in range(fragments.shape[1])]
    first, *others = single
    pairs = [(first[:, :, None] & other[:, None, :]).reshape(len(fragments), -1) for other in others]
    return np.concatenate([*single, *pairs], axis=1).astype(np.float64)


def posterior(x: Floats, measured: list[int], residuals: Floats) -> tuple[Floats, Floats]:
    """Return mean (n, costs) and deviation (n,) of the correction of every program."""
    kernel = PRIOR**2 * x @ x.T
    seen = np.asarray(measured, dtype=np.int64)
    cross = kernel[:, seen]
    gain = np.linalg.solve(kernel[np.ix_(seen, seen)] + NOISE**2 * np.eye(len(seen)), cross.T).T
    variance = np.diag(kernel) - np.einsum("ij,ij->i", gain, cross)
    return gain @ residuals, np.sqrt(np.maximum(variance, 0.0))


def choose(fragments: Whole, predicted: Floats, measure: Measure, budget: int) -> Choice:
    """Search by prediction, correction and verification with `budget` measurements.

    Parameters
    ----------
    fragments : (n, positions) of int
    predicted : (n, costs) of float
        Predicted log costs, up to a constant; zeros if nothing is known.
    measure : callable
    budget : int
        Number of measurements, repeated ones included; at least 2.

    Raises
    ------
    ValueError
        If the budget is below 2.
    """
    if budget < 2:
        raise ValueError(f"the budget is {budget}; expected at least 2 measurements")
    x = indicators(fragments)
    order: list[int] = []
    costs: list[Floats] = []
    for _ in range(searched(budget)):
        if order:
            residuals = np.log(costs) - predicted[order]
            offset = residuals.mean(axis=0)
            mean, deviation = posterior(x, order, residuals - offset)
            optimistic = predicted + mean - deviation[:, None]
        else:
            optimistic = predicted
        value = regret(np.exp(optimistic))
        value[order] = np.inf
        order.append(int(np.argmin(value)))
        costs.append(measure(order[-1]))
    return verify(order, costs, measure, budget)


def searched(budget: int) -> int:
    """Return how many measurements search; the others verify."""
    return max(1, budget - round(VERIFIED * budget))


def verify(order: list[int], costs: list[Floats], measure: Measure, budget: int) -> Choice:
    """Measure the best few again in turns; choose the lowest mean.

    Every sampler gets the same verification, so that their results differ by the search only.
    """
    order, costs = list(order), list(costs)
    programs, means = _means(order, costs)
    finalists = programs[np.argsort(regret(means), kind="stable")][:FINALISTS]
    for turn in range(budget - len(order)):
        order.append(int(finalists[turn % len(finalists)]))
        costs.append(measure(order[-1]))
    programs, means = _means(order, costs)
    kept = np.isin(programs, finalists)
    chosen = programs[kept][np.argmin(regret(means[kept]))]
    return Choice(int(chosen), tuple(order), np.asarray(costs))


def _means(order: list[int], costs: list[Floats]) -> tuple[Whole, Floats]:
    """Return the measured programs and the geometric mean of each one's costs."""
    programs, number = np.unique(order, return_inverse=True)
    sums = np.zeros((len(programs), len(costs[0])))
    np.add.at(sums, number, np.log(costs))
    return programs, np.exp(sums / np.bincount(number)[:, None])
