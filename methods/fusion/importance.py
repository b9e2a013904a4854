"""Measure the importance of a modality, with a standard error.

Two questions have two answers:

- Does a fitted model use the modality? Its drop is the mean rise of the loss if the rows of the modality
  are permuted among the test rows (Breiman, 2001; Fisher, Rudin and Dominici, 2019).
- Is the modality worth collecting? Its gain is the mean fall of the loss of a model that was fitted with it,
  against one fitted without it.

The answers differ for a copy. A model may divide its attention between a modality and its copy, and then
both drops are positive, or small although the information is vital. The gain of adding a copy is zero.
Permute both together to learn what their common information is worth to the model.

A modality that is independent of the target and of the other modalities has the expected drop 0 in every
model, also in one that fits its noise: the test rows do not know which noise they were given.

References
----------
Breiman (2001), Random Forests. Fisher, Rudin and Dominici (2019), All Models are Wrong, but Many are
Useful. Specification 1 §2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Views = Mapping[str, Array]


@dataclass(frozen=True)
class Difference:
    """Mean difference of losses, with its standard error over the rows."""

    mean: float
    error: float


def permutation_drop(
    losses: Callable[[Views], Array],
    views: Views,
    permuted: Collection[str],
    *,
    seed: int | Sequence[int],
    repeats: int = 10,
    base: Array | None = None,
) -> Difference:
    """Measure how much the loss rises if modalities are permuted among the rows.

    Parameters
    ----------
    losses : callable
        Takes the modalities, and returns the loss of a fitted model in each row, (rows,). With the loss 0 or
        1 of a decision, the drop is one of accuracy.
    views : mapping of str to (rows, columns)
        Test rows. NaN where a value is missing; a row is permuted as a whole.
    permuted : collection of str
        Modalities that are permuted, all by the same permutation.
    seed : int or sequence of int
    repeats : int
        Number of permutations. More of them remove the noise of the permutations, not that of the rows.
    base : (rows,), optional
        Losses of the intact modalities, if they are known.

    Returns
    -------
    Difference
        The error treats the rows as independent.

    Raises
    ------
    ValueError
        If a modality is unknown, or there are fewer than two rows.
    """
    if unknown := sorted(set(permuted) - set(views)):
        raise ValueError(f"unknown modality {', '.join(unknown)}; expected some of {', '.join(views)}")
    rng = np.random.default_rng(seed)
    base = losses(views) if base is None else base
    total = np.zeros(len(base))
    for _ in range(repeats):
        order = rng.permutation(len(base))
        total += losses({name: view[order] if name in permuted else view for name, view in views.items()})
    return paired_difference(total / repeats, base)


def paired_difference(first: Array, second: Array) -> Difference:
    """Return the mean of ``first - second`` over rows, with its standard error.

    Parameters
    ----------
    first, second : (rows,)
        Losses in the same rows. For the gain of adding a modality, `first` is without it.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} losses; expected the same two or more rows")
    difference = np.asarray(first, float) - np.asarray(second, float)
    return Difference(float(difference.mean()), float(difference.std(ddof=1)) / math.sqrt(len(difference)))
