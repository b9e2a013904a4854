"""Absence of modalities and cells: together, with the target, at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.characterise.missing import little, missing_patterns
from methods.characterise.shift import holm
from tasks.fusion.contracts.characterise import LittleTest
from tasks.fusion.contracts.tables import Task
from tasks.fusion.tables.components import present_rows

Floats = NDArray[np.float64]
MOST_PATTERNS = 12
ROWS_PER_PATTERN, ROWS_PER_COLUMN, MOST_COLUMNS = 10, 3, 200
"""Limits of Little's test: its law is asymptotic, and the time of a step grows with columns cubed."""


def patterns(arrays: dict[str, Floats]) -> dict[str, int]:
    """Count the rows by the modalities that they have, the most frequent first.

    Patterns after the twelfth are counted together as ``(other)``.
    """
    present = np.column_stack([present_rows(view) for view in arrays.values()])
    kinds, counts = np.unique(present, axis=0, return_counts=True)
    names = list(arrays)
    counted = sorted(
        (
            (-int(count), " + ".join(name for name, has in zip(names, kind, strict=True) if has) or "(none)")
            for kind, count in zip(kinds, counts, strict=True)
        )
    )
    result = {name: -count for count, name in counted[:MOST_PATTERNS]}
    if rest := counted[MOST_PATTERNS:]:
        result["(other)"] = -sum(count for count, _ in rest)
    return result


def absence_p(arrays: dict[str, Floats], target: NDArray[np.generic], task: Task) -> dict[str, float]:
    """Test whether the absence of a modality depends on the target.

    Classes are compared by the chi-square test of independence, numbers by that of Mann and Whitney; the
    p-values are adjusted for the number of modalities (Holm).

    Returns
    -------
    dict of str to float
        Modality -> p-value, for those that are absent in some rows and present in others.
    """
    from scipy.stats import chi2_contingency, mannwhitneyu

    p = {}
    for name, view in arrays.items():
        present = present_rows(view)
        if present.all() or not present.any():
            continue
        if task == "classification":
            codes = np.unique(target, return_inverse=True)[1]
            counts = np.array(
                [np.bincount(codes[side], minlength=codes.max() + 1) for side in (present, ~present)]
            )
            p[name] = float(chi2_contingency(counts).pvalue)
        else:
            p[name] = float(mannwhitneyu(target[present], target[~present]).pvalue)
    adjusted = holm(np.array(list(p.values())))
    return {name: round(float(value), 6) for name, value in zip(p, adjusted, strict=True)}


def completely_at_random(table: Floats) -> LittleTest:
    """Test whether cells are missing completely at random, or say why not.

    Parameters
    ----------
    table : ndarray of shape (n, d)
        Columns of all modalities; NaN where a cell or a whole modality is missing.
    """
    rows, columns = int((~np.isnan(table)).any(axis=1).sum()), table.shape[1]
    number = len(missing_patterns(table))
    reason = None
    if not np.isnan(table).any():
        reason = "no cell is missing"
    elif number == 1:
        reason = "all rows have the same columns"
    elif columns > MOST_COLUMNS:
        reason = f"there are {columns} columns, more than {MOST_COLUMNS}"
    elif rows < ROWS_PER_COLUMN * columns:
        reason = f"{rows} rows are fewer than {ROWS_PER_COLUMN} for each of {columns} columns"
    elif rows < ROWS_PER_PATTERN * number:
        reason = f"{rows} rows are fewer than {ROWS_PER_PATTERN} for each of {number} patterns"
    else:
        try:
            test = little(table)
        except ValueError as error:
            reason = str(error)
        else:
            return LittleTest(
                patterns=number,
                chi2=round(test.statistic, 3),
                degrees=test.degrees,
                p=round(test.p, 6),
                not_applied=None,
            )
    return LittleTest(patterns=number, chi2=None, degrees=None, p=None, not_applied=reason)
