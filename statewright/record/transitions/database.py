"""Read recorded runs from a SQLite database of MLflow, without MLflow.

The queries are for the tables of MLflow 3.17, which `pyproject.toml` pins. They take less than a second
for 1,000 runs of ten stages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from statewright.record.journal import ID_TAG
from statewright.record.runs import PastRun
from statewright.record.store import connect_read_only
from statewright.record.transitions.model import (
    RECORDED,
    STAGE,
    STATES,
    STUDY,
    TRANSITION,
    TRIAL,
    Transition,
    TransitionStore,
    Values,
    nothing,
)

MOST_VARIABLES = 500
"""Number of ids in one query; SQLite allows 999 at least."""

_TOP = f"""
SELECT runs.run_uuid, runs.experiment_id, runs.name, runs.status, runs.start_time, runs.end_time,
    kinds.value, records.value
FROM tags AS kinds JOIN runs ON runs.run_uuid = kinds.run_uuid
LEFT JOIN tags AS parents ON parents.run_uuid = runs.run_uuid AND parents.key = 'mlflow.parentRunId'
LEFT JOIN tags AS records ON records.run_uuid = runs.run_uuid AND records.key = '{ID_TAG}'
WHERE kinds.key = 'statewright.kind' AND kinds.value IN ('{TRANSITION}', '{STUDY}', '{STAGE}')
    AND parents.value IS NULL AND runs.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC
"""
_CHILDREN = """
SELECT parents.value, kinds.value, runs.run_uuid, runs.experiment_id, runs.start_time, runs.end_time
FROM tags AS parents JOIN runs ON runs.run_uuid = parents.run_uuid
JOIN tags AS kinds ON kinds.run_uuid = runs.run_uuid AND kinds.key = 'statewright.kind'
WHERE parents.key = 'mlflow.parentRunId' AND parents.value IN ({marks}) AND runs.lifecycle_stage = 'active'
ORDER BY runs.start_time
"""
# Of a group with max(), SQLite returns the other columns of the row that has the maximum.
_RESULTS = f"""
SELECT stages.value, runs.run_uuid, runs.experiment_id, max(runs.start_time), runs.end_time
FROM tags AS stages JOIN runs ON runs.run_uuid = stages.run_uuid
JOIN tags AS statuses ON statuses.run_uuid = runs.run_uuid AND statuses.key = 'statewright.status'
WHERE stages.key = 'statewright.stage' AND statuses.value IN {RECORDED}
    AND runs.lifecycle_stage = 'active' AND runs.start_time <= ?
GROUP BY stages.value
"""
_TAGS = "SELECT run_uuid, key, value FROM tags WHERE run_uuid IN ({marks})"
_PARAMS = "SELECT run_uuid, key, value FROM params WHERE run_uuid IN ({marks})"
_METRICS = "SELECT run_uuid, key, value FROM latest_metrics WHERE is_nan = 0 AND run_uuid IN ({marks})"


def open_database(path: Path) -> TransitionStore:
    """Open a database; one that cannot be read has no runs, and says why."""
    try:
        connection = connect_read_only(path)
        connection.execute("SELECT runs.run_uuid FROM runs, tags LIMIT 1")
    except sqlite3.Error as error:
        return nothing(f"{path} cannot be read: {error}")
    return TransitionStore(
        lambda: _newest(connection),
        lambda rows: _with_stages(connection, rows),
        lambda until: _results(connection, until),
        lambda ids: _values(connection, ids),
    )


def _newest(connection: sqlite3.Connection) -> list[Transition]:
    rows = []
    for run_id, experiment, name, status, start, end, kind, record in connection.execute(_TOP):
        tags = {ID_TAG: record} if record else {}
        run = _run((run_id, experiment, start, end), tags)
        rows.append(Transition(kind, name or "", run, STATES.get(status, "stopped")))
    return rows


def _with_stages(connection: sqlite3.Connection, rows: Sequence[Transition]) -> list[Transition]:
    by_parent: dict[str, list[tuple[Any, ...]]] = {row.run.run_id: [] for row in rows}
    for parent, *child in _select(connection, _CHILDREN, list(by_parent)):
        by_parent[parent].append(tuple(child))
    children = [child for group in by_parent.values() for child in group]
    tags = _by_run(connection, _TAGS, [*by_parent, *(child[1] for child in children if child[0] == STAGE)])
    whole = []
    for row in rows:
        run = replace(row.run, tags=tags[row.run.run_id])
        group = by_parent[row.run.run_id]
        stages = [_run(child, tags[child[0]]) for kind, *child in group if kind == STAGE]
        trials = sum(child[0] == TRIAL for child in group)
        whole.append(
            replace(row, run=run, stages=tuple(stages) if row.kind != STAGE else (run,), trials=trials)
        )
    return whole


def _results(connection: sqlite3.Connection, until: float) -> dict[str, PastRun]:
    rows = connection.execute(_RESULTS, (int(until * 1000),)).fetchall()
    tags = _by_run(connection, _TAGS, [row[1] for row in rows])
    return {stage: _run(row, tags[row[0]]) for stage, *row in rows}


def _values(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, Values]:
    params, metrics = (_by_run(connection, query, list(ids)) for query in (_PARAMS, _METRICS))
    return {run_id: Values(params[run_id], metrics[run_id]) for run_id in ids}


def _by_run(connection: sqlite3.Connection, query: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {run_id: {} for run_id in ids}
    for run_id, key, value in _select(connection, query, ids):
        values[run_id][key] = value
    return values


def _select(connection: sqlite3.Connection, query: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(ids), MOST_VARIABLES):
        part = ids[start : start + MOST_VARIABLES]
        yield from connection.execute(query.format(marks=", ".join("?" * len(part))), part)


def _run(row: Sequence[Any], tags: dict[str, str]) -> PastRun:
    run_id, experiment, start, end = row
    took = None if start is None or end is None else (end - start) / 1000
    return PastRun(run_id, str(experiment), None if start is None else start / 1000, took, tags, dict)
