"""Stage fusion-ingest: join a user's tables by their key, and check every column.

A cell, a row or a whole modality may be missing: a record exists if its target and at least one cell
of one modality do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statewright.contracts import ContractError
from tasks.checked import Counts
from tasks.fusion.contracts.tables import (
    Column,
    IngestMetrics,
    IngestOutputs,
    Modality,
    ModalityCounts,
    Schema,
)
from tasks.fusion.params import IngestParams, names
from tasks.fusion.tables.kinds import is_list, spread, typed
from tasks.fusion.tables.leaks import class_leak, is_constant, value_leaks
from tasks.fusion.tables.reading import BLOCK, Faults, Plan, plan, read_tables
from tasks.fusion.tables.target import read_target
from tasks.sources import Cells


@dataclass(frozen=True)
class Part:
    """One modality: its columns, indexed by key, and their kinds."""

    frame: pd.DataFrame
    columns: list[Column]
    dropped: int


def ingest(*, params: IngestParams) -> IngestOutputs:
    """Read the tables, quarantine what is invalid, and join them into records.

    Raises
    ------
    ContractError
        If a table or column is missing, a column gives the target away, too many rows are invalid, or
        fewer than two modalities are left.
    """
    faults = Faults()
    planned = plan(params)
    tables, rows = read_tables(params, planned, faults)
    target = read_target(tables[params.target.table], params, faults)
    keys = _sorted_keys(target.index)
    parts = {
        name: _read_part(name, tables[params.modalities[name].table], planned, params, faults)
        for name in params.modalities
    }
    keys = _joined(keys, parts, tables, params, faults)
    target = target.loc[keys]
    parts = {name: Part(part.frame.reindex(keys), part.columns, part.dropped) for name, part in parts.items()}
    parts = _without_constants(parts, params, faults)
    _refuse_leaks(parts, target, tables, params)
    records = pd.DataFrame({"key": keys.astype("str"), "target": target.to_numpy()})
    for role, column in _role_columns(params).items():
        records[role] = _role(tables[planned.roles[column]], column, keys)
    records = pd.concat(
        [
            records,
            *(part.frame.add_prefix(f"{name}.").reset_index(drop=True) for name, part in parts.items()),
        ],
        axis=1,
    )
    quarantine = faults.frame()
    counts = _counts(rows, quarantine, tables, params)
    return IngestOutputs(
        records, _schema(params, target, parts), quarantine, _metrics(counts, parts, records, quarantine)
    )


def _sorted_keys(keys: pd.Index) -> pd.Index:
    numbers = pd.to_numeric(pd.Series(keys), errors="coerce")
    return keys[np.lexsort([keys.to_numpy(str), numbers.to_numpy(float)])]


def _read_part(name: str, cells: Cells, planned: Plan, params: IngestParams, faults: Faults) -> Part:
    table = params.modalities[name].table
    frame, kinds, dropped = {}, [], 0
    for column in planned.columns[name]:
        values = cells.frame[column]
        if is_list(values):
            matrix, reasons = spread(values)
            faults.add(table, column, reasons, "cell")
            for number in range(matrix.shape[1]):
                frame[f"{column}.{number}"] = matrix[:, number]
                kinds.append(Column(name=f"{column}.{number}", kind="number"))
            continue
        result = typed(values, params.most_quarantined)
        if result.refused:
            faults.add_column(table, column, f"{result.refused}: group its values, or give numbers")
            dropped += 1
            continue
        faults.add(table, column, result.faults, "cell", values)
        frame[column] = result.values.to_numpy()
        kinds.append(Column(name=column, kind=result.kind))
    index = pd.Index(cells.frame["(key)"])
    return Part(pd.DataFrame(frame, index=index), kinds, dropped)


def _joined(
    keys: pd.Index, parts: dict[str, Part], tables: dict[str, Cells], params: IngestParams, faults: Faults
) -> pd.Index:
    """Return the keys with a target and at least one cell; quarantine the others."""
    labelled = set(keys)
    described: set[str] = set()
    for name, part in parts.items():
        table = params.modalities[name].table
        matched = labelled & set(part.frame.index)
        if not matched:
            raise ContractError(_no_match(name, table, part.frame.index, keys, params))
        frame = tables[table].frame
        if table != params.target.table:
            lost = frame.loc[~frame["(key)"].isin(labelled), "(key)"]
            reason = f"has no usable row in table '{params.target.table}', which has the target"
            faults.add(table, ", ".join(names(params.key)), lost.map(lambda _, r=reason: r), "row", lost)
        described |= set(part.frame.index[part.frame.notna().any(axis=1)])
    frame = tables[params.target.table].frame
    empty = frame.loc[frame["(key)"].isin(labelled - described), "(key)"]
    faults.add(params.target.table, "(all)", empty.map(lambda _: "has no cell in any modality"), "row", empty)
    return keys[keys.isin(described)]


def _no_match(name: str, table: str, found: pd.Index, keys: pd.Index, params: IngestParams) -> str:
    return (
        f"modality '{name}': none of the {len(found)} keys of table '{table}' (such as {found[0]!r}) is in "
        f"table '{params.target.table}' (such as {keys[0]!r}); correct {BLOCK}.key in params.yaml, or "
        "write the keys in the same form"
    )


def _without_constants(parts: dict[str, Part], params: IngestParams, faults: Faults) -> dict[str, Part]:
    kept = {}
    for name, part in parts.items():
        constant = [column.name for column in part.columns if is_constant(_codes(part.frame[column.name]))]
        for column in constant:
            faults.add_column(params.modalities[name].table, column, "has the same value in every row")
        columns = [column for column in part.columns if column.name not in set(constant)]
        if columns:
            kept[name] = Part(part.frame.drop(columns=constant), columns, part.dropped + len(constant))
    if len(kept) < 2:
        lost = ", ".join(f"'{name}'" for name in parts if name not in kept)
        raise ContractError(
            f"{BLOCK}.modalities: {lost} has no usable column (constant, or text with too many values), so "
            f"{len(kept)} modality is left, expected at least two; give it other columns in params.yaml"
        )
    return kept


def _codes(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(float)
    codes = pd.factorize(values, sort=True)[0].astype(float)
    return np.where(codes < 0, np.nan, codes)


def _refuse_leaks(
    parts: dict[str, Part], target: pd.Series, tables: dict[str, Cells], params: IngestParams
) -> None:
    total = sum(len(part.columns) for part in parts.values())
    known = {f"{name}.{column.name}" for name, part in parts.items() for column in part.columns}
    if unknown := sorted(set(params.allowed) - known):
        raise ContractError(
            f"{BLOCK}.allowed: found '{unknown[0]}', expected MODALITY.COLUMN of a used column, such as "
            f"'{sorted(known)[0]}'; correct params.yaml"
        )
    leaks = []
    for name, part in parts.items():
        table = np.column_stack([_codes(part.frame[column.name]) for column in part.columns])
        if params.target.task == "classification":
            labels = np.unique(target.to_numpy(str), return_inverse=True)[1]
            rules = {i: class_leak(table[:, i], labels, total) for i in range(table.shape[1])}
        else:
            rules = value_leaks(table, target.to_numpy(float))
        columns = {part.columns[i].name: rule for i, rule in rules.items() if rule}
        leaks += [
            (name, column, rule)
            for column, rule in columns.items()
            if f"{name}.{column}" not in params.allowed
        ]
    if leaks:
        name, column, rule = leaks[0]
        others = ", ".join(f"{leak[0]}.{leak[1]}" for leak in leaks[1:6])
        more = f" ({len(leaks) - 1} more: {others})" if others else ""
        raise ContractError(
            f"{tables[params.modalities[name].table].place}: column '{column}' {rule}{more}; if it is "
            f"known only with the target, add it to {BLOCK}.modalities.{name}.without in params.yaml, "
            f"otherwise add '{name}.{column}' to {BLOCK}.allowed"
        )


def _role_columns(params: IngestParams) -> dict[str, str]:
    roles = {"time": params.time, "group": params.groups, "split": params.split}
    levels = {f"level.{number}": column for number, column in enumerate(params.levels)}
    return {role: column for role, column in (roles | levels).items() if column is not None}


def _role(cells: Cells, column: str, keys: pd.Index) -> np.ndarray:
    """Return text, or numbers for a column of numbers or dates."""
    result = typed(cells.frame[column], 0.0)
    values = pd.Series(result.values.to_numpy(), index=pd.Index(cells.frame["(key)"])).reindex(keys)
    return np.asarray(values)


def _counts(
    rows: dict[str, int], quarantine: pd.DataFrame, tables: dict[str, Cells], params: IngestParams
) -> dict[str, Counts]:
    counts = {}
    for table, number in rows.items():
        mine = quarantine[(quarantine["table"] == table) & (quarantine["lost"] == "row")]
        lost = mine["row"].nunique()
        counts[table] = Counts(rows_read=number, rows_kept=number - lost, rows_quarantined=lost)
        if lost > params.most_quarantined * number:
            worst = mine["reason"].str.replace(r"\d+", "N", regex=True).value_counts()
            example = mine.iloc[0]
            raise ContractError(
                f"{tables[table].place}: {lost} of {number} rows are invalid, expected at most "
                f"{params.most_quarantined:.0%}; most often the row {worst.index[0]} ({worst.iloc[0]} rows; "
                f"row {example['row']}, column '{example['column']}': {example['value']!r:.60}); correct the "
                f"table, or raise {BLOCK}.most_quarantined in params.yaml"
            )
    return counts


def _schema(params: IngestParams, target: pd.Series, parts: dict[str, Part]) -> Schema:
    classes = sorted(set(target)) if params.target.task == "classification" else []
    return Schema(
        task=params.target.task,
        target=params.target.column,
        classes=classes,
        key=list(names(params.key)),
        modalities={
            name: Modality(table=params.modalities[name].table, columns=part.columns)
            for name, part in parts.items()
        },
        time=params.time,
        groups=params.groups,
        split=params.split,
        levels=list(params.levels),
    )


def _metrics(
    counts: dict[str, Counts], parts: dict[str, Part], records: pd.DataFrame, quarantine: pd.DataFrame
) -> IngestMetrics:
    present = {name: part.frame.notna() for name, part in parts.items()}
    complete = np.logical_and.reduce([cells.any(axis=1).to_numpy() for cells in present.values()])
    reasons = quarantine["reason"].str.replace(r"\d+", "N", regex=True).str.split(":").str[0]
    return IngestMetrics(
        tables=counts,
        modalities={
            name: ModalityCounts(
                columns=len(part.columns),
                columns_dropped=part.dropped,
                rows=int(present[name].any(axis=1).sum()),
                cells_missing=round(1 - float(present[name].to_numpy().mean()), 5),
            )
            for name, part in parts.items()
        },
        records=len(records),
        complete_records=int(complete.sum()),
        cells_quarantined=int((quarantine["lost"] == "cell").sum()),
        reasons={str(reason): int(number) for reason, number in reasons.value_counts(sort=False).items()},
    )
