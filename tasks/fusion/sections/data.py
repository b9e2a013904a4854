"""Section of the report on the tables: rows, columns, what is missing."""

from __future__ import annotations

import pandas as pd

from tasks.fusion.contracts.tables import IngestMetrics, PreprocessMetrics, Schema
from tasks.report.blocks import Block, Prose, Section, count, grid, joined, plural, share

LISTED = 10
"""Quarantined cells that the page lists."""

RULES = {
    "given": "by the given column",
    "time": "by time: the test rows are the latest",
    "time and groups": "by time, and no group is in both parts",
    "groups": "at random, and no group is in both parts",
    "stratified": "at random within each class",
    "random": "at random",
}


def finding(schema: Schema, preprocess: PreprocessMetrics) -> list[str]:
    """Return the sentence on rows and modalities."""
    return [
        f"{count(preprocess.development + preprocess.test)} records with {_names(schema)} and the target "
        f"“{schema.target}”; {count(preprocess.test)} of them were held out and used once."
    ]


def section(
    schema: Schema, ingest: IngestMetrics, preprocess: PreprocessMetrics, quarantine: pd.DataFrame
) -> Section:
    """Return the data card."""
    blocks: list[Block] = [
        Prose(
            f"{plural(len(ingest.tables), 'table')} joined by {_key(schema)} give "
            f"{plural(ingest.records, 'record')}; {count(ingest.complete_records)} have every modality. The "
            f"target is “{schema.target}” ({_target(schema)}). The rows are divided "
            f"{RULES[preprocess.rule]}: {count(preprocess.development)} to develop, "
            f"{count(preprocess.test)} to test"
            + (f", {count(preprocess.unused)} unused" if preprocess.unused else "")
            + f". {_repeated(preprocess)}"
        ),
        grid(
            "Modalities. “Rows”: records that have any of its cells. “Absent”: share of the rows to develop "
            "without it. “Dropped”: constant columns.",
            ("modality", "table", "columns", "dropped", "rows", "cells missing", "absent"),
            [
                (
                    name,
                    schema.modalities[name].table,
                    count(preprocess.columns[name]),
                    count(counts.columns_dropped + preprocess.columns_dropped[name]),
                    count(counts.rows),
                    share(counts.cells_missing),
                    share(preprocess.absent[name]),
                )
                for name, counts in ingest.modalities.items()
            ],
            text=(1,),
        ),
    ]
    if preprocess.classes:
        blocks.append(
            grid(
                "Classes, and their share of the rows to develop. A model that always names the most common "
                "class is right as often as its share.",
                ("class", "share"),
                [(name, share(part)) for name, part in preprocess.classes.items()],
            )
        )
    if len(quarantine):
        blocks.append(
            grid(
                f"Quarantined ({min(len(quarantine), LISTED)} of {count(len(quarantine))} listed; "
                "data/fusion/quarantine.parquet has all). Row −1 is a whole column.",
                ("table", "row", "column", "value", "reason", "lost"),
                [
                    (row.table, str(row.row), row.column, row.value[:60], row.reason, row.lost)
                    for row in quarantine.head(LISTED).itertuples()
                ],
                text=(2, 3, 4, 5),
            )
        )
    hint = f"{plural(ingest.records, 'record')}, {count(preprocess.test)} of them held out; what is missing."
    return Section("data", "Data card", tuple(blocks), hint)


def _names(schema: Schema) -> str:
    return f"{count(len(schema.modalities))} modalities ({joined(schema.modalities)})"


def _key(schema: Schema) -> str:
    return f"“{', '.join(schema.key)}”" if schema.key else "row number"


def _target(schema: Schema) -> str:
    return f"{len(schema.classes)} classes" if schema.classes else "a number"


def _repeated(preprocess: PreprocessMetrics) -> str:
    if not preprocess.repeated:
        return "No test row repeats the cells of a row to develop."
    return (
        f"{plural(preprocess.repeated, 'test row')} repeat exactly the cells of a row to develop: scores on "
        "them say little about new rows."
    )
