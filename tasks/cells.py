"""Conversion of cells to the type of a contract, with a reason for each failure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statewright.contracts import ContractError

BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def convert(cells: pd.Series, kind: str, place: str, *, typed: bool) -> tuple[pd.Series, pd.Series]:
    """Convert one column to the type of its contract.

    Parameters
    ----------
    cells : pandas.Series
        As read: text, numbers or truth values.
    kind : {'number', 'whole', 'truth', 'text'}
        Type that the contract expects.
    place : str
        File and column, for the error.
    typed : bool
        Whether the source has types of its own (Parquet), so that text is never a number.

    Returns
    -------
    values, reasons : pandas.Series
        The values (numbers as float64, NaN where missing), and the reason for each row whose
        value cannot be converted.

    Raises
    ------
    ContractError
        If the column as a whole has another type.
    """
    convert_one = {"number": _number, "whole": _whole, "truth": _truth, "text": _text}[kind]
    values, reasons = convert_one(cells)
    filled = int(cells.notna().sum())
    if filled and (len(reasons) == filled or (typed and kind != "text" and _is_text(cells))):
        present = cells.dropna()
        raise ContractError(
            f"{place}: found {_kind_of(cells)} throughout "
            f"(row {present.index[0]}: {str(present.iloc[0])!r:.60}), "
            f"expected {EXPECTED[kind]}; convert the column"
        )
    return values, reasons


EXPECTED = {
    "number": "numbers",
    "whole": "whole numbers",
    "truth": "true or false",
    "text": "text",
}


def _kind_of(cells: pd.Series) -> str:
    return "text" if _is_text(cells) else str(cells.dtype)


def _is_text(cells: pd.Series) -> bool:
    return isinstance(cells.dtype, pd.StringDtype | pd.CategoricalDtype) or cells.dtype == object


def _reasons(broken: pd.Series, reason: str) -> pd.Series:
    return pd.Series(reason, index=broken.index[broken], dtype=str)


def _number(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    if pd.api.types.is_bool_dtype(cells.dtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells, _reasons(cells.notna(), "is not a number")
    if not _is_text(cells):
        numbers = cells.to_numpy("float64", na_value=np.nan)
        return pd.Series(numbers, index=cells.index), pd.Series(dtype=str)
    values = pd.to_numeric(cells.astype(object), errors="coerce").astype("float64")
    return values, _reasons(values.isna() & cells.notna() & ~_is_nan_text(cells), "is not a number")


def _is_nan_text(cells: pd.Series) -> pd.Series:
    """Return which cells contain the word NaN, which means missing."""
    return cells.astype(str).str.strip().str.lower() == "nan"


def _whole(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    values, reasons = _number(cells)
    broken = values.notna() & np.isfinite(values.where(values.notna(), 0)) & (values % 1 != 0)
    return values, pd.concat([reasons, _reasons(broken, "is not a whole number")])


def _truth(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    values = cells.astype(str).str.strip().str.lower().map(BOOLEANS).astype(object)
    values = values.where(cells.notna(), None)
    return values, _reasons(values.isna() & cells.notna(), "is neither true nor false")


def _text(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    if not _is_text(cells) and not pd.api.types.is_datetime64_any_dtype(cells.dtype) and cells.notna().any():
        return cells, _reasons(cells.notna(), "is not text")
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return cells.dt.strftime("%Y-%m-%d").astype("str"), _reasons(cells.isna() & False, "")
    values = cells.astype(object).map(str, na_action="ignore").astype("str")
    blank = values.notna() & (values.str.strip() == "")
    return values, _reasons(blank, "is blank")
