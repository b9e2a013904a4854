r"""Fitness of a configuration (specification 5, section 1).

.. math::
    F(\theta) = w_1\, b(\theta) + w_2\, p(\theta) + w_3\, a(\theta, c)

to be maximised. The specification names the terms; here they are

.. math::
    b = 1 - 4 \operatorname{Var}(u), \qquad p = \frac{r}{r + v}, \qquad
    a = -\sum_i P_i \log \frac{P_i}{Q_i}

- **Balance** b in [0, 1], of the coordinates u of a configuration on the unit cube
  (`methods.search.space.to_unit`). Their variance is at most 1/4.
- **Performance** p in [0, 1], of a measured cost v >= 0 beside that of a reference, r > 0, such as the
  defaults: 1/2 at the reference.
- **Alignment** a <= 0, of counts of the output, P, with those of a target, Q: 0 if they have the same
  shares. Without smoothing the divergence of a deterministic output is 0 or infinite. Here `SMOOTHING`
  is added to each count, which bounds it.

Length and the presence of classes are not terms: they reward padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

SMOOTHING = 0.5
"""Added to each count: the prior of Jeffreys."""


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of the fitness, each finite and at least 0.

    Raises
    ------
    ValueError
        If a weight is negative or not finite.
    """

    balance: float = 0.2
    performance: float = 0.6
    alignment: float = 0.2

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of the {name} is {weight}; expected a finite number >= 0")


def fitness(balance: float, performance: float, alignment: float, weights: Weights) -> float:
    """Compute the weighted sum of the terms, to be maximised."""
    return weights.balance * balance + weights.performance * performance + weights.alignment * alignment


def balance(point: ArrayLike) -> float:
    """Compute how equal coordinates are: 1 if all are, 0 if half are 0 and half 1.

    Parameters
    ----------
    point : array_like of float, (d,)
        A point of the unit cube, d >= 1.

    Raises
    ------
    ValueError
        If there is no coordinate, or one is outside [0, 1].
    """
    coordinates = np.asarray(point, np.float64)
    if coordinates.ndim != 1 or not coordinates.size:
        raise ValueError(f"the point has shape {coordinates.shape}; expected (d,), d >= 1")
    if not ((coordinates >= 0) & (coordinates <= 1)).all():
        raise ValueError(f"the point is {coordinates.tolist()}; expected coordinates from 0 to 1")
    return float(1 - 4 * coordinates.var())


def performance(cost: float, reference: float) -> float:
    """Compute the performance of a cost beside that of a reference.

    Parameters
    ----------
    cost : float
        At least 0, such as seconds or an error; infinite for a failure.
    reference : float
        Above 0, finite.

    Raises
    ------
    ValueError
        If a number is outside its range.
    """
    if not cost >= 0 or not 0 < reference < math.inf:
        raise ValueError(f"cost {cost} and reference {reference}; expected cost >= 0, reference > 0, finite")
    return 1 / (1 + cost / reference)


def alignment(counts: ArrayLike, target: ArrayLike, smoothing: float = SMOOTHING) -> float:
    """Compute minus the divergence of two smoothed distributions, at most 0.

    Parameters
    ----------
    counts, target : array_like of float, (k,)
        How often each of k features is in the output and in the target, at least 0.
    smoothing : float
        Added to each count, above 0.

    Raises
    ------
    ValueError
        If the shapes differ, a count is negative or not finite, or the smoothing is not above 0.
    """
    first, second = np.asarray(counts, np.float64), np.asarray(target, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"counts of shapes {first.shape} and {second.shape}; expected (k,) twice, k >= 1")
    if not all((np.isfinite(values) & (values >= 0)).all() for values in (first, second)):
        raise ValueError("a count is negative or not finite; expected finite numbers of at least 0")
    if not 0 < smoothing < math.inf:
        raise ValueError(f"the smoothing is {smoothing}; expected a finite number above 0")
    output = (first + smoothing) / (first + smoothing).sum()
    wanted = (second + smoothing) / (second + smoothing).sum()
    return -max(float((output * np.log(output / wanted)).sum()), 0.0)
