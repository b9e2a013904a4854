r"""Verdict on a batch of rows: all columns, at one level.

Half of the level :math:`\alpha` is for the comparison of the whole batch, by Holm's method over the columns,
and half for the martingales, of which each alarms at :math:`2 d / \alpha` for d columns. So a batch that is
exchangeable with the reference raises an alarm with probability at most :math:`\alpha`, whatever the
dependence between columns. Rows that depend on their neighbours are not exchangeable: give the tests one
row a unit, or residuals of a forecast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import Codes, code_column
from .martingale import conformal_p_values, log_martingale
from .stability import Stability, stability_test

FEWEST_DRAWS = 999
MARGIN = 5
"""Permutations, in multiples of those without which no p-value could be small enough."""


@dataclass(frozen=True)
class ColumnVerdict:
    """Statistics of one column.

    Attributes
    ----------
    stability : Stability
        Index and p-value of the whole batch.
    adjusted_p : float
        The p-value times its factor in Holm's method.
    log_capital : (m,) float
        Logarithm of the martingale after each row.
    alarm_row : int or None
        First row at which the martingale reaches its threshold.
    missing : tuple of float
        Share of missing values in the reference and in the batch.
    new_categories : tuple of str
        Categories that the reference does not have.
    alarm : bool
        Whether either test rejects.
    """

    name: str
    stability: Stability
    adjusted_p: float
    log_capital: NDArray[np.float64]
    alarm_row: int | None
    missing: tuple[float, float]
    new_categories: tuple[str, ...]
    alarm: bool


@dataclass(frozen=True)
class Verdict:
    """Verdict on a batch.

    Attributes
    ----------
    columns : tuple of ColumnVerdict
        The columns that both samples have.
    lost, added : tuple of str
        Columns that only the reference, or only the batch has; either is an alarm.
    log_threshold : float
        Logarithm of the capital at which a martingale alarms.
    """

    columns: tuple[ColumnVerdict, ...]
    lost: tuple[str, ...]
    added: tuple[str, ...]
    log_threshold: float

    @property
    def alarm(self) -> bool:
        """True if any column, or the set of columns, has changed."""
        return bool(self.lost or self.added or any(column.alarm for column in self.columns))


def compare_batches(
    reference: Mapping[str, ArrayLike],
    current: Mapping[str, ArrayLike],
    *,
    alpha: float = 0.01,
    bins: int = 10,
    seed: int = 0,
) -> Verdict:
    """Compare a batch with the reference.

    Parameters
    ----------
    reference, current : mapping of str to array_like
        Columns of the same length; the rows of the batch in their order in time.
    alpha : float
        Largest probability of an alarm without drift, in (0, 1).
    bins : int
        See `stability_test`.
    seed : int
        Seed of permutations and ties.

    Raises
    ------
    ValueError
        If the level is out of range, or no column is in both samples.
    """
    names = [name for name in reference if name in current]
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected a number between 0 and 1")
    if not names:
        raise ValueError(f"no column is in both samples: {sorted(reference)} and {sorted(current)}")
    # A p-value is at least 1 / (draws + 1), and Holm's first step needs alpha / 2 d.
    draws = max(FEWEST_DRAWS, math.ceil(MARGIN * 2 * len(names) / alpha))
    log_threshold = math.log(2 * len(names) / alpha)
    coded = [_code(name, reference[name], current[name]) for name in names]
    tests = [
        stability_test(codes, bins=bins, draws=draws, alpha=alpha / 2, seed=seed + i)
        for i, codes in enumerate(coded)
    ]
    columns = []
    for i, (name, codes, test, adjusted) in enumerate(
        zip(names, coded, tests, _holm([test.p_value for test in tests]), strict=True)
    ):
        logs = log_martingale(conformal_p_values(codes, seed=seed + i))
        above = np.flatnonzero(logs >= log_threshold)
        row = int(above[0]) if len(above) else None
        missing = float((codes.reference < 0).mean()), float((codes.current < 0).mean())
        alarm = adjusted <= alpha / 2 or row is not None
        columns.append(ColumnVerdict(name, test, adjusted, logs, row, missing, codes.new, alarm))
    lost = tuple(name for name in reference if name not in current)
    return Verdict(tuple(columns), lost, tuple(n for n in current if n not in reference), log_threshold)


def _code(name: str, reference: ArrayLike, current: ArrayLike) -> Codes:
    try:
        return code_column(reference, current)
    except ValueError as error:
        raise ValueError(f"column '{name}': {error}") from error


def _holm(p: list[float]) -> list[float]:
    """Return p-values adjusted by Holm's method."""
    # As `methods.characterise.shift.holm`, which a copy of this folder does not have.
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate((len(p) - np.arange(len(p))) * np.array(p)[order])
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in result]
