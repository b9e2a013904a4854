"""Durations of stages in past runs, from MLflow and from pending journals.

A plan must be quick, and importing MLflow takes seconds. Therefore a local SQLite store is read
directly, with a query for the tables of MLflow 3.17, which `pyproject.toml` pins. Any other store
is read through MLflow's client.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from statewright.record.experiment import connect, experiment_ids
from statewright.record.journal import ID_TAG, StageRun, pending_runs
from statewright.record.store import answers, connect_read_only, database_path, tracking_uri

LATEST = 10
"""Number of latest runs of a stage that a prediction uses."""

_QUERY = """
SELECT tags.value, latest_metrics.value, records.value
FROM latest_metrics
JOIN tags ON tags.run_uuid = latest_metrics.run_uuid AND tags.key = 'statewright.stage'
JOIN runs ON runs.run_uuid = latest_metrics.run_uuid
LEFT JOIN tags AS records ON records.run_uuid = runs.run_uuid AND records.key = 'statewright.record'
WHERE latest_metrics.key = 'seconds' AND runs.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC
"""


def past_seconds(root: Path) -> dict[str, list[float]]:
    """Return the seconds of the latest runs of each stage, the newest first.

    Restores and failures do not count, because they say nothing about the duration of the command.
    The result is empty if the store does not answer: the plan then has no predictions.
    """
    uri = tracking_uri(root)
    path = database_path(uri)
    if path is not None:
        past = _read_database(path)
    else:
        past = _read_client(uri, root) if answers(uri) else []
    recorded = {run.record for run in past}
    seconds_of: dict[str, list[float]] = {}
    for run in (*(run for run in pending_runs(root) if run.record not in recorded), *past):
        latest = seconds_of.setdefault(run.stage, [])
        if len(latest) < LATEST:
            latest.append(run.seconds)
    return seconds_of


def widened_range(times: Collection[float]) -> tuple[float, float]:
    """Return the range of past durations, widened more for fewer runs.

    If n past runs differ by chance only, the next run falls outside their range with probability
    2 / (n + 1). Therefore both ends of the range are widened by the factor 1 + 1 / n.
    """
    factor = 1 + 1 / len(times)
    return min(times) / factor, max(times) * factor


def _read_database(path: Path) -> list[StageRun]:
    if not path.is_file():
        return []
    connection = connect_read_only(path)
    try:
        rows = connection.execute(_QUERY)
        return [StageRun(record or "", str(stage), float(seconds)) for stage, seconds, record in rows]
    except sqlite3.Error:
        return []
    finally:
        connection.close()


def _read_client(uri: str, root: Path) -> list[StageRun]:
    client = connect(uri)
    experiments = experiment_ids(client, root)
    if not experiments:
        return []
    runs = client.search_runs(
        experiments,
        "tags.`statewright.kind` = 'stage'",
        order_by=["start_time DESC"],
        max_results=1000,
    )
    return [
        StageRun(tags.get(ID_TAG, ""), tags["statewright.stage"], run.data.metrics["seconds"])
        for run in runs
        if (tags := run.data.tags) and "seconds" in run.data.metrics
    ]
