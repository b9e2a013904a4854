r"""Shapley values: exact by enumeration, estimated by permutations.

.. math::
    \phi_i = \sum_{S \subseteq P \setminus \{i\}} \frac{|S|!\,(p - |S| - 1)!}{p!}
             \left[ v(S \cup \{i\}) - v(S) \right]

The value of a set of inputs S is the mean prediction with the inputs of S from the explained row and the
others from rows of a background (interventional values). Both methods are additive: the values sum to
:math:`f(x) - E f(X)` up to rounding.

References
----------
Specification 3, §9.1. Shapley, "A value for n-person games" (1953). Lundberg and Lee, "A unified approach
to interpreting model predictions", NeurIPS (2017). Janzing, Minorics and Blöbaum, "Feature relevance
quantification in explainable AI: a causal problem", AISTATS (2020): why interventional.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]

MOST_PLAYERS = 20
"""Largest game that is enumerated: a million sets."""

LEAST_PERMUTATIONS = 30
"""Pairs of orders; with fewer, joint intervals cover less than their level."""

BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Estimate:
    """Estimated Shapley values, (p,) each, with simultaneous intervals.

    Attributes
    ----------
    value, standard_error, low, high : (p,) float
    permutations : int
        Independent samples behind the standard error: pairs of permutations.
    """

    value: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    permutations: int


def exact(value: Callable[[frozenset[Any]], float], players: Iterable[Hashable]) -> Floats:
    """Return the Shapley value of each player, by enumeration of all sets.

    Parameters
    ----------
    value : callable
        Value of a set of players, a frozenset. It is called once for each of the 2^p sets.
    players : iterable of hashable
        At most 20, without repeats.

    Returns
    -------
    (p,) float
        In the order of `players`. They sum to ``value(all) - value(none)``.

    Raises
    ------
    ValueError
        If players are repeated or there are more than 20.
    """
    names = tuple(players)
    if len(set(names)) < len(names):
        raise ValueError(f"players {names} are repeated; expected each once")
    _check_number(len(names))
    values = [
        float(value(frozenset(name for i, name in enumerate(names) if mask >> i & 1)))
        for mask in range(2 ** len(names))
    ]
    return _from_values(np.array(values))


def interventional(predict: Predict, x: Floats, background: Floats) -> Floats:
    """Return the exact interventional Shapley values of a prediction.

    Parameters
    ----------
    predict : callable
        From (n, p) rows to (n,) predictions.
    x : (p,) float
        The explained row; p at most 20. The cost is 2^p times the rows of the background.
    background : (m, p) float
        Rows from which the other inputs are taken, m >= 1.

    Returns
    -------
    (p,) float
        They sum to ``predict(x) - mean(predict(background))``.

    Raises
    ------
    ValueError
        If the widths differ, the background is empty or p is above 20.
    """
    row, rest = _checked(x, background)
    _check_number(len(row))
    return _from_values(_set_values(predict, row, rest))


def permutation(
    predict: Predict, x: Floats, background: Floats, *, permutations: int, seed: int, level: float = 0.95
) -> Estimate:
    r"""Estimate the interventional Shapley values from random orders of the inputs.

    Each sample is the mean over an order and its reverse of the gains
    :math:`v(\text{before} \cup i) - v(\text{before})`; v uses every row of the background, so that each
    sample, and so the estimate, is additive. Samples are independent. The intervals use Student's t with
    Bonferroni's correction: all p of them hold together with probability `level`, approximately.

    Parameters
    ----------
    predict, x, background
        As in `interventional`, for any p.
    permutations : int
        Pairs of an order and its reverse, at least 30. The cost is 2 (p + 1) `permutations` times the
        rows of the background.
    seed : int
    level : float
        Strictly between 0 and 1.

    References
    ----------
    Castro, Gómez and Tejada, "Polynomial calculation of the Shapley value based on sampling" (2009).
    Mitchell, Cooper, Frank and Holmes, "Sampling permutations for Shapley value estimation", JMLR 23
    (2022): the reverse order.
    """
    from scipy.stats import t

    row, rest = _checked(x, background)
    if permutations < LEAST_PERMUTATIONS:
        raise ValueError(
            f"{permutations} permutations; expected at least {LEAST_PERMUTATIONS}, for an honest interval"
        )
    generator = np.random.default_rng(seed)
    samples = np.empty((permutations, len(row)))
    for sample in samples:
        order = generator.permutation(len(row))
        sample[:] = (_gains(predict, row, rest, order) + _gains(predict, row, rest, order[::-1])) / 2
    value = samples.mean(axis=0)
    # The variance of few skewed samples is often estimated too low, and the intervals with it: use the
    # upper end of its own interval of one standard error.
    squares = (samples - value) ** 2
    variance = squares.sum(axis=0) / (permutations - 1)
    error = np.sqrt((variance + squares.std(axis=0) / np.sqrt(permutations)) / permutations)
    # A gain that is constant up to rounding has a spread of rounding errors.
    error = np.maximum(error, 8 * np.finfo(float).eps * np.abs(value).max(initial=0.0))
    radius = t.ppf(1 - (1 - level) / (2 * len(row)), permutations - 1) * error
    return Estimate(value, error, value - radius, value + radius, permutations)


def _gains(predict: Predict, row: Floats, rest: Floats, order: NDArray[np.int64]) -> Floats:
    from_row = np.zeros((len(row) + 1, len(row)), bool)
    for step, player in enumerate(order):
        from_row[step + 1 :, player] = True
    gains = np.empty(len(row))
    gains[order] = np.diff(_mean_predictions(predict, row, rest, from_row))
    return gains


def _set_values(predict: Predict, row: Floats, rest: Floats) -> Floats:
    """Compute the value of each set; bit i of its position says if player i is in."""
    masks = np.arange(2 ** len(row))
    return _mean_predictions(predict, row, rest, (masks[:, None] >> np.arange(len(row)) & 1).astype(bool))


def _mean_predictions(predict: Predict, row: Floats, rest: Floats, from_row: NDArray[np.bool_]) -> Floats:
    """Compute the mean prediction for each mask of inputs taken from the row."""
    batch = max(1, BATCH_ROWS // len(rest))
    means = []
    for start in range(0, len(from_row), batch):
        mask = from_row[start : start + batch, None, :]
        rows = np.where(mask, row, rest)
        predicted = np.asarray(predict(rows.reshape(-1, len(row))), float)
        means.append(predicted.reshape(len(mask), len(rest)).mean(axis=1))
    return np.concatenate(means)


def _from_values(values: Floats) -> Floats:
    players = len(values).bit_length() - 1
    masks = np.arange(len(values))
    size = np.array([int(mask).bit_count() for mask in masks])
    weight = np.array([1 / (players * comb(players - 1, k)) for k in range(players)])
    shapley = np.empty(players)
    for player in range(players):
        without = masks[(masks >> player & 1) == 0]
        shapley[player] = weight[size[without]] @ (values[without | 1 << player] - values[without])
    return shapley


def _checked(x: Floats, background: Floats) -> tuple[Floats, Floats]:
    row, rest = np.asarray(x, float), np.asarray(background, float)
    if row.ndim != 1 or rest.ndim != 2 or rest.shape[1] != len(row) or len(rest) == 0 or len(row) == 0:
        raise ValueError(
            f"x has shape {row.shape}, the background {rest.shape}; expected (p,) and (m, p) with m, p >= 1"
        )
    return row, rest


def _check_number(players: int) -> None:
    if players > MOST_PLAYERS:
        raise ValueError(
            f"{players} players have {2.0**players:.0e} sets, at most {MOST_PLAYERS} players are enumerated; "
            "join players into groups, or use `permutation`"
        )
