"""Values as MLflow accepts them: valid names, limited lengths, batches.

Each tag, param and metric passes `texts` or `log_values`.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_TAG, LONGEST_PARAM = 5000, 6000

Point = tuple[str, float, int]
"""Name, value and step of a metric."""


def texts(values: Mapping[str, Any], longest: int = LONGEST_TAG) -> dict[str, str]:
    """Return tags or params as texts of limited length: all of them pass here."""
    return {name: str(value)[:longest] for name, value in values.items()}


def log_values(
    client: MlflowClient,
    run_id: str,
    at: float,
    *,
    metrics: Iterable[Point] = (),
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write values in batches of the maximum size that MLflow accepts.

    The same call again changes nothing, because the time of a metric is a part of its key.

    Parameters
    ----------
    at : float
        Time of the metrics, in seconds since 1970.
    """
    from mlflow.entities import Metric, Param, RunTag

    now = int(at * 1000)
    values = [Metric(valid_key(name), value, now, step) for name, value, step in metrics]
    settings = [Param(valid_key(k), text) for k, text in texts(params or {}, LONGEST_PARAM).items()]
    notes = [RunTag(name, text) for name, text in texts(tags or {}).items()]
    for start in range(0, len(values), 1000):
        client.log_batch(run_id, metrics=values[start : start + 1000])
    for start in range(0, max(len(settings), len(notes)), 100):
        client.log_batch(run_id, params=settings[start : start + 100], tags=notes[start : start + 100])


def valid_key(name: str) -> str:
    """Return `name` as a valid key: allowed characters, no path outside the run."""
    name = "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)[:250]
    outside = name.startswith(("/", "../")) or name in ("", ".", "..") or posixpath.normpath(name) != name
    return f"_{name.replace('/', '_')}" if outside else name


def finite(items: Iterable[tuple[str, float]]) -> list[Point]:
    """Return the finite numbers as points without a step."""
    return [(name, value, 0) for name, value in items if math.isfinite(value)]
