"""Trials of a search: rows of an output, each recorded as a run.

A stage that searches writes one row per evaluated point to a CSV file and names it in `meta.trials`. A
column that starts with ``param_``, or does not hold a number, is a param of the trial. The other columns
are its metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from statewright.record.journal import HeldFile
from statewright.record.plots import rows_of

PARAM = "param_"
MOST_TRIALS = 1000
"""Maximum number of trials of a stage that are recorded; the file has all."""


@dataclass(frozen=True)
class Trial:
    """Params and metrics of one evaluated point."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]


def trials_of(path: str | None, files: Sequence[HeldFile]) -> Iterator[Trial]:
    """Yield the trials in one of the files that a stage wrote.

    Parameters
    ----------
    path : str, optional
        The file as `meta.trials` names it; None yields nothing.
    files : sequence of HeldFile
        Recorded outputs of the stage.
    """
    for file in files:
        if path is None or Path(file.path).name != Path(path).name or not file.is_unchanged():
            continue
        for number, row in enumerate(rows_of(Path(file.path))):
            if number < MOST_TRIALS:
                yield _trial(row)


def _trial(row: Mapping[str, str]) -> Trial:
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for name, text in row.items():
        try:
            number = None if name.startswith(PARAM) else float(text)
        except ValueError:
            number = None
        if number is None:
            params[name.removeprefix(PARAM)] = text
        else:
            metrics[name] = number
    return Trial(params, metrics)
