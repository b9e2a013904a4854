"""Encoding of the columns of one modality as numbers.

Numbers, booleans and dates stay as they are. A text column becomes one column per text, fitted on the
development rows; texts that are rare there, or new later, share the column ``(rare)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.fusion.contracts.tables import Modality
from tasks.fusion.tables.leaks import is_constant

RARE = "(rare)"


@dataclass(frozen=True)
class Encoded:
    """One modality as numbers.

    Attributes
    ----------
    values : ndarray of shape (n, d)
        NaN where a cell is missing.
    names : list of str
        Of the columns.
    dropped : int
        Columns that do not vary in the development rows.
    """

    values: NDArray[np.float64]
    names: list[str]
    dropped: int


def encode(frame: pd.DataFrame, modality: Modality, fitted: NDArray[np.bool_], rare: int) -> Encoded:
    """Encode one modality.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns of the modality by their names.
    modality : Modality
        Names and kinds.
    fitted : ndarray of bool
        Development rows, on which texts and constant columns are decided.
    rare : int
        A text in fewer development rows is encoded as ``(rare)``.
    """
    arrays, names = [], []
    for column in modality.columns:
        values = frame[column.name]
        if column.kind == "category":
            levels = one_hot(values, fitted, rare)
            arrays.append(levels.to_numpy(float))
            names += [f"{column.name}={level}" for level in levels]
        else:
            arrays.append(values.to_numpy(float)[:, None])
            names.append(column.name)
    table = np.hstack(arrays) if arrays else np.empty((len(frame), 0))
    varies = np.array([not is_constant(table[fitted, i]) for i in range(table.shape[1])], dtype=bool)
    return Encoded(
        np.ascontiguousarray(table[:, varies]),
        [name for name, kept in zip(names, varies, strict=True) if kept],
        int((~varies).sum()),
    )


def one_hot(values: pd.Series, fitted: NDArray[np.bool_], rare: int) -> pd.DataFrame:
    """Return one column of 0 and 1 per common text, NaN in rows without a text.

    Of two texts, one column says everything, so only the second is returned.
    """
    counts = values[fitted].value_counts()
    common = sorted(counts.index[counts >= rare])
    pooled = values.where(values.isin(common) | values.isna(), RARE)
    levels = [*common, *([RARE] if (pooled == RARE).any() else [])]
    if len(levels) == 2:
        levels = levels[1:]
    columns = {level: (pooled == level).astype(float).where(values.notna()) for level in levels}
    return pd.DataFrame(columns, index=values.index)
