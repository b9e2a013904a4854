"""The names of metrics: a user gives the end of a name, a state has ``file:key``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath

from statewright.workflow import WorkflowError


def find_metric(name: str, metrics: Iterable[str], option: str = "--until") -> str | None:
    """Return the metric (``file:key``) whose name is `name` or ends with it.

    ``loss``, ``evaluate.loss`` and ``evaluate.json:loss`` all mean ``out/evaluate.json:loss``. The
    result is None if there is no such metric.

    Parameters
    ----------
    option : str
        The option that holds the name, for the message of an error.

    Raises
    ------
    WorkflowError
        If several metrics match.
    """
    metrics = list(metrics)
    for whole in (name, f"{name}:"):  # the key of a file that holds one number is empty
        if whole in metrics:
            return whole
    wanted = _dotted(name)
    matches = [metric for metric in metrics if f".{_dotted(metric)}".endswith(f".{wanted}")]
    if len(matches) > 1:
        raise WorkflowError(
            f"{option}: '{name}' may be any of {', '.join(sorted(matches))}: give more of the name"
        )
    return matches[0] if matches else None


def unknown_metric(name: str, metrics: Iterable[str], option: str = "--until") -> WorkflowError:
    """Return the error for an unknown metric, with similar names."""
    metrics = sorted(metrics)
    by_end = {_dotted(metric).split(".")[-1]: metric for metric in metrics}
    ends = difflib.get_close_matches(_dotted(name).split(".")[-1], by_end, n=3)
    close = list(dict.fromkeys([*(by_end[end] for end in ends), *difflib.get_close_matches(name, metrics)]))
    if not metrics:
        return WorkflowError(f"{option}: no metric '{name}'; no stage has written a metrics file")
    return WorkflowError(
        f"{option}: no metric '{name}'; "
        + (f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(metrics[:8])}")
    )


def _dotted(name: str) -> str:
    """Return a metric's name with dots only.

    For example, ``out/evaluate.json:loss`` becomes ``out.evaluate.loss``.
    """
    file, colon, key = name.rpartition(":")
    path = PurePosixPath(file)
    parts = [*path.parent.parts, path.stem, *([key] if key else [])]
    return ".".join(parts) if colon else key.replace("/", ".")
