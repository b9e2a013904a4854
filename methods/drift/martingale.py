r"""Conformal test martingale: bet, row by row, that the rows are not exchangeable.

The p-value of a row is the share of rows so far that are at least as strange, ties counted with a random
weight U in [0, 1]. If the rows are exchangeable, these p-values are independent and uniform. A bet
multiplies the capital by a function f with mean 1 on [0, 1], so the capital is a test martingale, and by
Ville's inequality

.. math:: P(\sup_t M_t \ge 1 / \alpha) \le \alpha

for any stop: an alarm may be raised at any row, and looking at each row costs nothing.

The bets are the simple jumper's, ``1 + e (p - 1/2)`` with e in -1, 0, 1, for a shift in one direction,
and ``1 + e (|2 p - 1| - 1/2)`` for more or fewer extreme rows. A share of the capital is divided again
among them before each row, so that the best bet may change.

The mean of the martingales of several columns is not one: their p-values depend on one another in a way
that earlier rows reveal. So several columns share the level instead, see `verdict`.

References
----------
Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain: conformal test
martingales for change-point detection", COPA (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .columns import Codes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bets:
    """Rule by which the capital is bet.

    Attributes
    ----------
    jump : float
        Share of the capital that is divided again before each row, in [0, 1].
    slopes : tuple of float
        Values of e, each in [-2, 2]; both kinds of bets have them.
    """

    jump: float = 0.01
    slopes: tuple[float, ...] = (-1.0, 1.0)


DEFAULT = Bets()


def conformal_p_values(codes: Codes, *, seed: int) -> Floats:
    """Return the p-value of each row of the current sample, after the reference.

    The strangeness of a number is its rank, that of a category its rarity among the rows so far. A
    missing number is the smallest, a missing category is one more category.

    Parameters
    ----------
    codes : Codes
    seed : int
        Seed of the weights of ties.

    Returns
    -------
    (m,) float
    """
    counts = np.bincount(codes.reference + 1, minlength=codes.size + 1)
    weights = np.random.default_rng(seed).random(len(codes.current))
    p = np.empty(len(codes.current))
    for row, code in enumerate(codes.current + 1):
        counts[code] += 1
        if codes.ordered:
            above, equal = counts[code + 1 :].sum(), counts[code]
        else:
            above = counts[counts < counts[code]].sum()
            equal = counts[counts == counts[code]].sum()
        p[row] = (above + weights[row] * equal) / (len(codes.reference) + row + 1)
    return p


def bet(p: Floats, bets: Bets = DEFAULT) -> Floats:
    """Return the factors of all bets, the one of no bet first.

    Parameters
    ----------
    p : (m,) float
        p-values.

    Returns
    -------
    (m, 1 + 2 len(slopes)) float
        At least 0, with mean 1 for uniform p.
    """
    slopes = np.array(bets.slopes)
    return np.column_stack(
        [
            np.ones(len(p)),
            1 + slopes * (p[:, None] - 0.5),
            1 + slopes * (np.abs(2 * p[:, None] - 1) - 0.5),
        ]
    )


def log_martingale(p: Floats, bets: Bets = DEFAULT) -> Floats:
    """Return the logarithm of the capital after each row, which begins with 1.

    Parameters
    ----------
    p : (m,) float
        p-values in the order of the rows.

    Returns
    -------
    (m,) float
    """
    factors = bet(p, bets)
    number = factors.shape[1]
    shares = np.full(number, 1 / number)
    logs = np.empty(len(p))
    total = 0.0
    for row, factor in enumerate(factors):
        shares = ((1 - bets.jump) * shares + bets.jump / number) * factor
        capital = shares.sum()
        total += np.log(capital)
        shares /= capital
        logs[row] = total
    return logs
