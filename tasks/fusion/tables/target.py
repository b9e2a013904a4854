"""The target by key, with rows that cannot be learnt from in quarantine."""

from __future__ import annotations

import pandas as pd

from statewright.contracts import ContractError
from tasks.fusion.params import IngestParams
from tasks.fusion.tables.kinds import typed
from tasks.fusion.tables.reading import BLOCK, Faults, key_text
from tasks.sources import Cells

LEAST_OF_A_CLASS = 5
MOST_CLASSES = 100


def read_target(cells: Cells, params: IngestParams, faults: Faults) -> pd.Series:
    """Return the target by key, and quarantine rows without one.

    It is text for classes, else a number.
    """
    column, table = params.target.column, params.target.table
    frame = cells.frame
    values = frame[column]
    if params.target.task == "regression":
        result = typed(values, params.most_quarantined)
        if result.kind == "category":
            raise ContractError(
                f"{cells.place}: the target '{column}' has text (row {values.first_valid_index()}), expected "
                f"numbers; convert it, or set {BLOCK}.target.task to classification"
            )
        labels = result.values
    else:
        labels = values.map(key_text, na_action="ignore")
    missing = labels.isna()
    reasons = pd.Series("has no target", frame.index[missing], dtype=object)
    if params.target.task == "classification":
        reasons = pd.concat([reasons, _rare(labels.dropna(), cells.place, column)])
    faults.add(table, column, reasons, "row", values)
    kept = labels.drop(index=reasons.index)
    if kept.nunique() < 2:
        raise ContractError(
            f"{cells.place}: the target '{column}' has {kept.nunique()} different values in {len(kept)} "
            f"usable rows, expected at least two; correct {BLOCK}.target in params.yaml"
        )
    return pd.Series(kept.to_numpy(), index=pd.Index(frame.loc[kept.index, "(key)"]), name="target")


def _rare(labels: pd.Series, place: str, column: str) -> pd.Series:
    counts = labels.value_counts()
    if len(counts) > MOST_CLASSES:
        raise ContractError(
            f"{place}: the target '{column}' has {len(counts)} classes, expected at most {MOST_CLASSES}; set "
            f"{BLOCK}.target.task to regression, or group the classes"
        )
    few = labels[labels.map(counts) < LEAST_OF_A_CLASS]
    return few.map(lambda label: f"is of a class with {counts[label]} rows, fewer than {LEAST_OF_A_CLASS}")
