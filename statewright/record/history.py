"""How long stages took in past runs, from MLflow.

A plan must be quick, and importing MLflow takes seconds: a local database is read directly
(tables of MLflow 3.17, which `pyproject.toml` pins), any other store through the client.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from statewright.record.tracking import answers, tracking_uri

LATEST = 10
"""How many past runs of a stage are looked at."""

_QUERY = """
SELECT tags.value, latest_metrics.value
FROM latest_metrics
JOIN tags ON tags.run_uuid = latest_metrics.run_uuid AND tags.key = 'statewright.stage'
JOIN runs ON runs.run_uuid = latest_metrics.run_uuid
WHERE latest_metrics.key = 'seconds' AND runs.lifecycle_stage = 'active'
ORDER BY runs.start_time DESC
"""


def durations(root: Path) -> dict[str, tuple[float, float]]:
    """How long every stage is likely to run, low and high, in seconds; empty without history.

    Restores and failures have no duration here: they say nothing of what the command takes.
    Of n past runs that differ by chance a next one falls outside their range with probability
    2 / (n + 1), so the range is widened by the factor 1 + 1 / n on either side, the more the fewer they are.
    A store that does not answer is no history: a plan without predictions is better than none.
    """
    uri = tracking_uri(root)
    if uri.startswith("sqlite:///"):
        return _ranges(_read_database(Path(uri.removeprefix("sqlite:///"))))
    return _ranges(_read_client(uri, root)) if answers(uri) else {}


def _ranges(pairs: Iterable[tuple[str, float]]) -> dict[str, tuple[float, float]]:
    found: dict[str, list[float]] = {}
    for stage, seconds in pairs:
        found.setdefault(stage, []).append(seconds)
    return {stage: _spread(times[:LATEST]) for stage, times in found.items()}


def _spread(times: Collection[float]) -> tuple[float, float]:
    """The range of past times, widened for how few they are."""
    wider = 1 + 1 / len(times)
    return min(times) / wider, max(times) * wider


def _read_database(path: Path) -> list[tuple[str, float]]:
    if not path.is_file():
        return []
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        return [(str(stage), float(seconds)) for stage, seconds in connection.execute(_QUERY)]
    except sqlite3.Error:
        return []
    finally:
        connection.close()


def _read_client(uri: str, root: Path) -> list[tuple[str, float]]:
    import os

    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(os.environ.get("MLFLOW_EXPERIMENT_NAME") or root.name)
    if experiment is None:
        return []
    runs = client.search_runs(
        [experiment.experiment_id],
        "tags.`statewright.kind` = 'stage'",
        order_by=["start_time DESC"],
        max_results=1000,
    )
    return [
        (run.data.tags["statewright.stage"], run.data.metrics["seconds"])
        for run in runs
        if "seconds" in run.data.metrics
    ]
