"""Kind of a column (number, boolean, date, category) and its values.

The source is not trusted to type its cells: a CSV file has text only, and a database may hold numbers
as text. So the kind follows from the cells themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.fusion.contracts.tables import Kind

MOST_LEVELS = 50
"""Largest number of different texts in a category."""

MISSING = {"", "na", "n/a", "nan", "null", "none"}
BOOLEANS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class Typed:
    """One column with its kind.

    Attributes
    ----------
    kind : str
    values : pandas.Series
        Numbers (float64, NaN where missing), or text for a category (None where missing).
    faults : pandas.Series
        Reason by row, for cells that are counted as missing because they are invalid.
    refused : str
        Why the whole column is not used; empty if it is.
    """

    kind: Kind
    values: pd.Series
    faults: pd.Series
    refused: str = ""


def typed(cells: pd.Series, most_invalid: float) -> Typed:
    """Return a column of scalars with its kind.

    Parameters
    ----------
    cells : pandas.Series
        Cells as they were read, indexed by row.
    most_invalid : float
        Share of cells, 0 to 1, that may break the rule of a kind.
    """
    if pd.api.types.is_bool_dtype(cells.dtype):
        return Typed("boolean", cells.astype("float64"), _reasons(cells))
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return _finite(pd.Series(cells.to_numpy("float64", na_value=np.nan), cells.index))
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return Typed("date", _days(cells), _reasons(cells))
    return _from_text(cells, most_invalid)


def is_list(cells: pd.Series) -> bool:
    """Return whether the cells are arrays of numbers."""
    present = cells.dropna()
    return cells.dtype == object and len(present) > 0 and isinstance(present.iloc[0], np.ndarray | list)


def spread(cells: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """Return a column of arrays as a matrix, and the reason of each invalid row.

    Parameters
    ----------
    cells : pandas.Series
        Arrays of one length; a row of another length, or with text, counts as missing.

    Returns
    -------
    matrix : ndarray of shape (rows, length)
        NaN where a cell is missing.
    reasons : pandas.Series
        By row.
    """
    lengths = cells.map(len, na_action="ignore")
    length = int(lengths.mode().iloc[0])
    matrix = np.full((len(cells), length), np.nan)
    reasons = {}
    for position, (row, cell) in enumerate(cells.items()):
        if not isinstance(cell, np.ndarray | list):
            continue
        if len(cell) != length:
            reasons[row] = f"has {len(cell)} numbers where most rows have {length}"
            continue
        try:
            matrix[position] = np.asarray(cell, dtype="float64")
        except (TypeError, ValueError):
            reasons[row] = "is not a list of numbers"
    infinite = np.isinf(matrix).any(axis=1)
    matrix[np.isinf(matrix)] = np.nan
    reasons |= dict.fromkeys(cells.index[infinite], "has an infinite number")
    return matrix, pd.Series(reasons, dtype=object)


def text_of(value: Any) -> str:
    """Return a cell as text, for the quarantine."""
    return "(missing)" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)[:200]


def _from_text(cells: pd.Series, most_invalid: float) -> Typed:
    text = cells.astype(object).map(lambda cell: str(cell).strip(), na_action="ignore")
    lowered = text.str.lower() if len(text.dropna()) else text
    text = text.where(lowered.notna() & ~lowered.isin(MISSING), None)
    present = text.dropna()
    if present.empty:
        return Typed("number", pd.Series(np.nan, cells.index, dtype="float64"), _reasons(cells))
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    allowed = most_invalid * len(present)
    invalid = numbers.isna() & text.notna()
    if invalid.sum() <= allowed:
        result = _finite(numbers)
        faults = pd.concat([result.faults, pd.Series("is not a number", cells.index[invalid], dtype=object)])
        return Typed("number", result.values, faults)
    if lowered[present.index].isin(set(BOOLEANS)).all():
        return Typed("boolean", lowered.map(BOOLEANS).astype("float64"), _reasons(cells))
    dates = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
    invalid = dates.isna() & text.notna()
    if invalid.sum() <= allowed:
        return Typed("date", _days(dates), pd.Series("is not a date", cells.index[invalid], dtype=object))
    return Typed("category", text, _reasons(cells), _too_many(present, numbers))


def _too_many(present: pd.Series, numbers: pd.Series) -> str:
    levels = present.nunique()
    if levels <= min(MOST_LEVELS, max(2, len(present) / 2)):
        return ""
    share = numbers.notna().sum() / len(present)
    return (
        f"has {levels} different texts in {len(present)} rows, expected at most {MOST_LEVELS} and at most "
        "half as many as rows" + (f" ({share:.0%} of its cells are numbers)" if share else "")
    )


def _finite(values: pd.Series) -> Typed:
    infinite = np.isinf(values)
    return Typed(
        "number",
        values.where(~infinite),
        pd.Series("is infinite", values.index[infinite], dtype=object),
    )


def _days(dates: pd.Series) -> pd.Series:
    utc = pd.to_datetime(dates, utc=True)
    return (utc - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _reasons(cells: pd.Series) -> pd.Series:
    return pd.Series([], index=cells.index[:0], dtype=object)
