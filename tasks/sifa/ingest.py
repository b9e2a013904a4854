"""Stage sifa-ingest: read the sets, check every row, quarantine the invalid ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statewright.contracts import ContractError
from tasks.checked import Counts, check_rows
from tasks.sifa.contracts.tables import (
    ATOM,
    BOND,
    PIXELS,
    POINTS,
    DigitRows,
    IngestOutputs,
    MoleculeRows,
    SetsMetrics,
    SignalRows,
    SolubilityRows,
)
from tasks.sifa.params import IngestParams
from tasks.sources import Cells, read_table

BLOCK = "sifa.ingest"

Length = Callable[[pd.Series], int]


@dataclass(frozen=True)
class Form:
    """Form of one table: its plain columns, and the columns of lists.

    `model` is the contract of the plain columns, `lists` the length of the list in each other column. `key`
    is the column that orders the rows of a database; without one, rows are numbered.
    """

    model: Any
    lists: Mapping[str, Length | None]
    key: str | None = None

    @property
    def columns(self) -> list[str]:
        """Columns to read."""
        plain = [name for name in self.model.to_schema().columns if name != "row"]
        return [*plain, *self.lists]


FORMS: Mapping[str, Form] = {
    "signals": Form(SignalRows, {"points": lambda _: POINTS}),
    "molecules": Form(
        MoleculeRows, {"z": lambda row: row["n_atoms"], "xyz": lambda row: 3 * row["n_atoms"]}, "name"
    ),
    "solubility": Form(SolubilityRows, {"atoms": lambda row: ATOM * row["n_atoms"], "bonds": None}, "id"),
}


@dataclass(frozen=True)
class Checked:
    """Valid rows of one table, its faults and its counts."""

    frame: pd.DataFrame
    faults: pd.DataFrame
    counts: Counts


def ingest(*, params: IngestParams) -> IngestOutputs:
    """Read the sets; quarantine the rows that break their contract.

    Raises
    ------
    ContractError
        If a table is missing, has the wrong form, or has too many invalid rows.
    """
    cells = {
        name: read_table(params.source, name, form.columns, [form.key or form.columns[0]], block=BLOCK)
        for name, form in FORMS.items()
    }
    checked = {
        name: check_table(cells[name], name, form, params.most_quarantined) for name, form in FORMS.items()
    }
    digits = check_table(
        _digits(), "digits", Form(DigitRows, {"pixels": lambda _: PIXELS}), params.most_quarantined
    )
    checked = {"digits": digits, **checked}
    quarantine = pd.concat([table.faults for table in checked.values()], ignore_index=True)
    reasons = quarantine["table"].str.cat([quarantine["column"], quarantine["reason"]], sep=" ")
    sets = SetsMetrics(
        tables={name: table.counts for name, table in checked.items()},
        reasons={str(reason): int(count) for reason, count in reasons.value_counts().sort_index().items()},
        repeated=int(checked["solubility"].frame["canonical"].duplicated().sum()),
    )
    frames = {name: table.frame for name, table in checked.items()}
    return IngestOutputs(**frames, quarantine=quarantine, sets=sets)


def _digits() -> Cells:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    frame = pd.DataFrame({"label": bunch.target.astype(int), "pixels": list(bunch.data)})
    return Cells(frame, "scikit-learn's digits", typed=True)


def check_table(cells: Cells, name: str, form: Form, most_quarantined: float) -> Checked:
    """Check the plain columns by contract, and lists by length and finite numbers.

    Raises
    ------
    ContractError
        If a list column has another type throughout, or too many rows are invalid.
    """
    frame = cells.frame if form.key else cells.frame.assign(row=np.arange(len(cells.frame)))
    faults = [
        {"row": number, "column": column, "reason": reason}
        for column, length in form.lists.items()
        for number, reason in _list_faults(frame, column, length, cells)
    ]
    others = pd.DataFrame(faults, columns=["row", "column", "reason"])
    source = Cells(frame, cells.place, cells.typed)
    result = check_rows(source, name, form.model, most_quarantined, others=others, block=BLOCK)
    kept = result.kept
    for column in form.lists:
        kept[column] = [np.asarray(frame.at[row, column], float).tolist() for row in result.origin]
    counts = Counts(rows_read=result.rows, rows_kept=len(kept), rows_quarantined=result.rows - len(kept))
    return Checked(kept, result.faults, counts)


def _list_faults(
    frame: pd.DataFrame, column: str, length: Length | None, cells: Cells
) -> list[tuple[int, str]]:
    faults = []
    for number, row in enumerate(frame.to_dict("records")):
        value = row[column]
        if not isinstance(value, list | np.ndarray):
            if number == 0 and not cells.typed:
                raise ContractError(
                    f"{cells.place}: column '{column}' has no lists; expected a list of numbers in each "
                    "row, as Parquet stores them; write the table as Parquet"
                )
            faults.append((number, "is not a list of numbers"))
            continue
        values = np.asarray(value, float)
        expected = length(row) if length else None
        if expected is not None and len(values) != expected:
            faults.append((number, f"has {len(values)} numbers, expected {expected}"))
        elif length is None and len(values) % BOND:
            faults.append((number, f"has {len(values)} numbers, expected a multiple of {BOND}"))
        elif not np.isfinite(values).all():
            faults.append((number, "has a number that is not finite"))
    return faults
