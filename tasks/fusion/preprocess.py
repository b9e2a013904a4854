"""Stage fusion-preprocess: hold out test rows, and encode every column.

Nothing is scaled or imputed here: that is part of fitting, on the rows that are fitted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Table
from tasks.fusion.contracts.tables import (
    PreprocessMetrics,
    PreprocessOutputs,
    Records,
    Schema,
    ViewColumns,
)
from tasks.fusion.params import PreprocessParams
from tasks.fusion.tables.encoding import Encoded, encode
from tasks.fusion.tables.splits import Division, divide, group_codes


def preprocess(records: Table[Records], schema: Schema, *, params: PreprocessParams) -> PreprocessOutputs:
    """Divide the records and encode the modalities.

    Raises
    ------
    ContractError
        If the division is impossible, or a modality does not vary in the development rows.
    """
    division = divide(records, schema, params)
    development = division.use == "train"
    encoded = {
        name: encode(
            records[[f"{name}.{column.name}" for column in modality.columns]].set_axis(
                [column.name for column in modality.columns], axis=1
            ),
            modality,
            development,
            params.rare,
        )
        for name, modality in schema.modalities.items()
    }
    for name, view in encoded.items():
        if not view.names:
            raise ContractError(
                f"records.parquet: no column of the modality '{name}' varies in the {development.sum()} "
                "training rows; remove it from fusion.ingest.modalities, or change the split"
            )
    arrays = _arrays(records, schema, encoded)
    parts = {
        word: {name: np.ascontiguousarray(array[division.use == word]) for name, array in arrays.items()}
        for word in ("train", "test")
    }
    return PreprocessOutputs(
        parts["train"],
        parts["test"],
        pd.DataFrame({"key": records["key"], "split": division.use}),
        ViewColumns(modalities={name: view.names for name, view in encoded.items()}),
        _metrics(division, arrays, encoded, schema),
    )


def _arrays(records: pd.DataFrame, schema: Schema, encoded: dict[str, Encoded]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {f"x.{name}": view.values for name, view in encoded.items()}
    if schema.task == "classification":
        arrays["y"] = np.searchsorted(np.array(schema.classes), records["target"].to_numpy(str))
        arrays["y"] = arrays["y"].astype(np.int64)
    else:
        arrays["y"] = records["target"].to_numpy(float)
    arrays["group"] = group_codes(records)
    arrays["row"] = np.arange(len(records), dtype=np.int64)
    if "time" in records and pd.api.types.is_numeric_dtype(records["time"].dtype):
        arrays["time"] = records["time"].to_numpy(float)
    for number in range(len(schema.levels)):
        arrays[f"level.{number}"] = pd.factorize(records[f"level.{number}"], sort=True)[0].astype(np.int64)
    return arrays


def _metrics(
    division: Division, arrays: dict[str, np.ndarray], encoded: dict[str, Encoded], schema: Schema
) -> PreprocessMetrics:
    development, test = division.use == "train", division.use == "test"
    group = arrays["group"]
    shares = np.bincount(arrays["y"][development]) / development.sum() if schema.classes else []
    return PreprocessMetrics(
        rule=division.rule,
        development=int(development.sum()),
        test=int(test.sum()),
        unused=int((division.use == "unused").sum()),
        groups=len(np.unique(group)),
        groups_in_both=len(np.intersect1d(group[development], group[test])),
        repeated=_repeated(encoded, development, test),
        columns={name: len(view.names) for name, view in encoded.items()},
        columns_dropped={name: view.dropped for name, view in encoded.items()},
        absent={name: _absent(view.values[development]) for name, view in encoded.items()},
        classes={name: round(float(share), 5) for name, share in zip(schema.classes, shares, strict=True)},
    )


def _absent(values: np.ndarray) -> float:
    return round(float(np.isnan(values).all(axis=1).mean()), 5)


def _repeated(encoded: dict[str, Encoded], development: np.ndarray, test: np.ndarray) -> int:
    """Count the test rows whose cells are exactly those of a development row."""
    table = np.ascontiguousarray(np.hstack([view.values for view in encoded.values()]))
    hashes = pd.util.hash_pandas_object(pd.DataFrame(table), index=False).to_numpy()
    return int(np.isin(hashes[test], hashes[development]).sum())
