"""Run the best params again with other seeds, so that no lucky run is reported.

::

    defaults ----------------------------> AGAIN_RUNS runs: the bar
    a single value better than the bar --> AGAIN_RUNS runs; dropped as soon as their mean is worse

All params get the same seeds, so that their means differ by the params and not by the seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from statewright.tuning.study import (
    AGAIN,
    AGAIN_RUNS,
    DEFAULT,
    DONE,
    Study,
    Trial,
    config_key,
)


@dataclass(frozen=True)
class Repeat:
    """Params to run again, and the seed."""

    config: dict[str, Any]
    seed: int


def next_repeat(study: Study, running: Iterable[Trial]) -> Repeat | None:
    """Return the next run with another seed; None if there is none to start now.

    Parameters
    ----------
    running : iterable of Trial
        Trials that have not finished.
    """
    if not study.is_noisy:
        return None
    started = [trial for trial in (*study.trials, *running) if trial.kind == AGAIN]
    for first in _worth_it(study):
        runs = [trial for trial in started if _same(trial, first)]
        if len(runs) < AGAIN_RUNS and first.seed is not None and not _is_worse(study, first, runs):
            return Repeat(first.config, first.seed + 1 + len(runs))
    return None


def _worth_it(study: Study) -> Iterator[Trial]:
    """Yield the first trials of the defaults, and of params that seem better."""
    done = [trial for trial in study.trials if trial.status == DONE and trial.kind != AGAIN]
    yield from (trial for trial in done if trial.kind == DEFAULT)
    bar = _bar(study)
    better = [
        trial for trial in done if trial.kind != DEFAULT and (bar is None or _value(study, trial) < bar)
    ]
    yield from sorted(better, key=lambda trial: _value(study, trial))


def _bar(study: Study) -> float | None:
    """Return the best mean of params with all their runs, lower is better."""
    best = study.best
    return study.sign * best.value if best and len(best.values) >= AGAIN_RUNS else None


def _is_worse(study: Study, first: Trial, runs: list[Trial]) -> bool:
    """Return whether the runs so far lose to the bar; a failed run does."""
    finished = [trial for trial in runs if trial.status]
    if any(trial.status != DONE for trial in finished):
        return True
    bar = _bar(study)
    if bar is None or not finished or first.kind == DEFAULT:
        return False
    return fmean(_value(study, trial) for trial in finished) > bar


def _same(one: Trial, two: Trial) -> bool:
    return config_key(one.config) == config_key(two.config)


def _value(study: Study, trial: Trial) -> float:
    assert trial.value is not None
    return study.sign * trial.value
