"""Division of the records into development and test rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from statewright.contracts import ContractError
from tasks.fusion.contracts.tables import Rule, Schema
from tasks.fusion.params import PreprocessParams

WORDS = {"train": "train", "training": "train", "dev": "train", "development": "train", "test": "test"}
WORDS |= dict.fromkeys(("valid", "validation", "val"), "train")
LEAST_ROWS = 5


@dataclass(frozen=True)
class Division:
    """Use of each record, and the rule that decided it.

    Attributes
    ----------
    use : ndarray of shape (n,)
        Words train, test or unused.
    rule : str
    """

    use: NDArray[np.str_]
    rule: Rule


def divide(records: pd.DataFrame, schema: Schema, params: PreprocessParams) -> Division:
    """Divide the records by the given split, else by time, groups, or chance.

    Raises
    ------
    ContractError
        If a rule cannot be applied, or too few rows or a class are left on one side.
    """
    if schema.split is not None:
        division = Division(_given(records, schema.split), "given")
    elif schema.time is not None:
        division = _by_time(records, schema, params)
    elif schema.groups is not None:
        division = Division(_by_groups(records, schema, params), "groups")
    else:
        division = _by_chance(records, schema, params)
    _check(division, records, schema)
    return division


def group_codes(records: pd.DataFrame) -> NDArray[np.int64]:
    """Number the groups; a row without a group is a group of its own."""
    if "group" not in records:
        return np.arange(len(records), dtype=np.int64)
    codes = pd.factorize(records["group"], sort=True)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def _given(records: pd.DataFrame, column: str) -> NDArray[np.str_]:
    words = records["split"].map(lambda word: str(word).strip().lower(), na_action="ignore")
    unknown = records.index[~words.isin(set(WORDS))]
    if len(unknown):
        row = unknown[0]
        raise ContractError(
            f"records.parquet: row {row} (key {records.at[row, 'key']!r}) has "
            f"{records.at[row, 'split']!r:.60} in the column '{column}', expected train, dev or test; "
            "correct the table, or set fusion.ingest.split to null"
        )
    return words.map(WORDS).to_numpy(str)


def _by_time(records: pd.DataFrame, schema: Schema, params: PreprocessParams) -> Division:
    time = records["time"]
    missing = records.index[time.isna()]
    if len(missing):
        raise ContractError(
            f"records.parquet: row {missing[0]} (key {records.at[missing[0], 'key']!r}) has no value in the "
            f"time column '{schema.time}' ({len(missing)} rows); fill it, or set fusion.ingest.time to null"
        )
    if not pd.api.types.is_numeric_dtype(time.dtype):
        raise ContractError(
            f"records.parquet: the time column '{schema.time}' has text (row 0: {time.iloc[0]!r:.60}), "
            "expected numbers or dates written YYYY-MM-DD; convert it"
        )
    moments, counts = np.unique(time, return_counts=True)
    later = counts[::-1].cumsum()[::-1] / len(time)
    # Rows of one moment stay together; the first moment is never in the test.
    start = 1 + int(np.argmin(np.abs(later[1:] - params.test_share))) if len(moments) > 1 else 1
    test = time.to_numpy() >= moments[start] if len(moments) > 1 else np.zeros(len(time), bool)
    use = np.where(test, "test", "train").astype("<U6")  # as wide as the word unused
    if schema.groups is None:
        return Division(use, "time")
    groups = group_codes(records)
    use[test & np.isin(groups, groups[~test])] = "unused"
    return Division(use, "time and groups")


def _by_groups(records: pd.DataFrame, schema: Schema, params: PreprocessParams) -> NDArray[np.str_]:
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    groups = group_codes(records)
    number = len(np.unique(groups))
    parts = max(2, round(1 / params.test_share))
    if number < parts:
        raise ContractError(
            f"records.parquet: the column '{schema.groups}' has {number} groups, expected at least {parts} "
            f"for a test share of {params.test_share}; raise fusion.preprocess.test_share, or set "
            "fusion.ingest.groups to null"
        )
    if schema.task == "classification":
        folds = StratifiedGroupKFold(parts, shuffle=True, random_state=params.seed)
        test = next(folds.split(groups, records["target"], groups))[1]
    else:
        draw = GroupShuffleSplit(1, test_size=params.test_share, random_state=params.seed)
        test = next(draw.split(groups, groups=groups))[1]
    return _words(len(records), test)


def _by_chance(records: pd.DataFrame, schema: Schema, params: PreprocessParams) -> Division:
    from sklearn.model_selection import train_test_split

    classes = schema.task == "classification"
    _, test = train_test_split(
        np.arange(len(records)),
        test_size=max(params.test_share, len(schema.classes) / len(records)),
        random_state=params.seed,
        stratify=records["target"] if classes else None,
    )
    return Division(_words(len(records), test), "stratified" if classes else "random")


def _words(rows: int, test: NDArray[np.int64]) -> NDArray[np.str_]:
    use = np.full(rows, "train", dtype="<U6")
    use[test] = "test"
    return use


def _check(division: Division, records: pd.DataFrame, schema: Schema) -> None:
    for word in ("train", "test"):
        number = int((division.use == word).sum())
        if number < LEAST_ROWS:
            raise ContractError(
                f"records.parquet: the rule '{division.rule}' gives {number} {word} rows, expected at least "
                f"{LEAST_ROWS}; correct fusion.ingest.split, time or groups, or fusion.preprocess.test_share"
            )
    learnt = set(records.loc[division.use == "train", "target"])
    if absent := [name for name in schema.classes if name not in learnt]:
        raise ContractError(
            f"records.parquet: no training row has the class {absent[0]!r} by the rule '{division.rule}'; "
            "correct fusion.ingest.split, time or groups, or remove the class"
        )
