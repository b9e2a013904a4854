"""Tests of whether a batch of rows has the law of a reference.

`stability` compares two samples, column by column, with the population stability index and its exact
permutation test. `martingale` reads the rows of the batch in order and bets against exchangeability, so
that an alarm may come at any row. `verdict` joins both, corrected for the number of columns.

These modules need NumPy only and import one another relatively: a team can copy the folder. `onset` says
since when a series of batches has changed, and needs `methods.changepoint`.
"""

from .columns import Codes, code_column
from .martingale import Bets, bet, conformal_p_values, log_martingale
from .stability import Stability, chi_square_scale, stability_test
from .verdict import ColumnVerdict, Verdict, compare_batches

__all__ = [
    "Bets",
    "Codes",
    "ColumnVerdict",
    "Stability",
    "Verdict",
    "bet",
    "chi_square_scale",
    "code_column",
    "compare_batches",
    "conformal_p_values",
    "log_martingale",
    "stability_test",
]
