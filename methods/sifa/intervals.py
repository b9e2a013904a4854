r"""Compare two models: by seed, by test row, and by training rows needed.

A difference of scores has two sources of chance: the seed (division, weights, batches) and the test rows.
`seed_interval` takes a t interval over the paired differences of seeds. `row_interval` resamples test rows,
each with its losses under all seeds, so that a row that is hard for every seed counts once. A difference is
shown if neither source explains it.

Seeds share one pool of rows, so their test parts overlap: the interval by seed is about this pool, that by
row about rows like it.

References
----------
Specification 4, §6.4. Dietterich, "Approximate statistical tests for comparing supervised classification
learning algorithms", Neural Computation 10 (1998). Cameron, Gelbach and Miller (2008): pairs cluster
bootstrap. Hestness et al., "Deep learning scaling is predictable, empirically" (2017): power laws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from methods.evaluation.scores import cluster_weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Combine = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class Interval:
    """Mean difference with its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Losses:
    """Losses of two models on the same test rows, of all seeds one after another.

    Attributes
    ----------
    first, second : (n,) float
        For example 0 or 1 for an error, or a squared error.
    row : (n,) int
        Number of the test row; a row occurs once for each seed that tests it.
    """

    first: Floats
    second: Floats
    row: Ints


def seed_interval(differences: Sequence[float], level: float = 0.95) -> Interval:
    r"""Return the t interval of the mean of paired differences.

    .. math:: \bar d \pm t_{J - 1} \, s_d / \sqrt{J}

    Parameters
    ----------
    differences : sequence of float
        One for each seed.
    level : float

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        raise ValueError(f"{len(values)} seeds; expected at least 2 for an interval")
    half = t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    mean = float(values.mean())
    return Interval(mean, float(mean - half), float(mean + half))


def row_interval(losses: Losses, combine: Combine, *, draws: int, seed: int, level: float = 0.95) -> Interval:
    """Return the percentile interval of a difference over resampled test rows.

    Parameters
    ----------
    losses : Losses
    combine : callable
        From two arrays of mean losses to the difference, such as ``lambda a, b: b - a``.
    draws : int
    seed : int
    level : float

    Raises
    ------
    ValueError
        If there is no row, or the arrays differ in length.
    """
    if not len(losses.row) or len({len(losses.first), len(losses.second), len(losses.row)}) > 1:
        raise ValueError(
            f"losses have lengths {len(losses.first)}, {len(losses.second)} and {len(losses.row)}; "
            "expected equal lengths of 1 or more"
        )
    _, index = np.unique(losses.row, return_inverse=True)
    size = np.bincount(index).astype(float)
    sums = np.stack([np.bincount(index, weights=part) for part in (losses.first, losses.second)], axis=1)
    weights = cluster_weights(len(size), draws, seed)
    means = (weights @ sums) / (weights @ size)[:, None]
    samples = combine(means[:, 0], means[:, 1])
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    mean = float(combine(losses.first.mean(keepdims=True), losses.second.mean(keepdims=True))[0])
    return Interval(mean, float(low), float(high))


def verdict(by_seed: Interval, by_row: Interval) -> Literal["gain", "loss", "not shown"]:
    """Return "gain" or "loss" if both intervals exclude 0, else "not shown".

    Both must be on the same side of 0.
    """
    if min(by_seed.low, by_row.low) > 0:
        return "gain"
    return "loss" if max(by_seed.high, by_row.high) < 0 else "not shown"


def equivalent_rows(rows: tuple[int, int], errors: tuple[float, float], target: float) -> float:
    r"""Return how many training rows a model needs for an error.

    The error follows the power law :math:`e = a n^{-b}` through two measured sizes.

    Parameters
    ----------
    rows : (int, int)
        Two sizes, ascending.
    errors : (float, float)
        Errors at these sizes, above 0.
    target : float
        Above 0.

    Returns
    -------
    float
        Infinite if the error does not fall from the first size to the second. Outside the two sizes it is
        an extrapolation.
    """
    if not 0 < rows[0] < rows[1] or min(*errors, target) <= 0:
        raise ValueError(
            f"rows {rows}, errors {errors}, target {target}; expected ascending rows, errors > 0"
        )
    slope = np.log(errors[0] / errors[1]) / np.log(rows[1] / rows[0])
    if slope <= 0:
        return float("inf")
    return float(rows[0] * (errors[0] / target) ** (1 / slope))
