"""The end of a study: a pure function of its trials and limits."""

from __future__ import annotations

from statewright.terminal.words import counted
from statewright.tuning.again import next_repeat
from statewright.tuning.study import AGAIN, AGAIN_RUNS, DONE, MINIMUM, REPEATED, Study, Trial

MOST_FAILURES = 5
"""Number of failed trials, with none that succeeded, after which a study ends."""
MOST_REPEATS = 25
"""Number of repeated trials in a row after which nothing new is expected of the sampler."""
FLAT_AFTER = 20
"""Number of equal values, with no other, after which the params are taken to change nothing."""


def stop_reason(study: Study) -> str | None:
    """Return the sentence that ends the study, or None if it continues."""
    values = [value for trial in study.trials if (value := _value(study, trial)) is not None]
    if study.stop_at is not None and study.best and not _missed(study, study.stop_at):
        sign = "<=" if study.direction == MINIMUM else ">="
        return f"the target is reached: {study.best.value:.6g} {sign} {study.stop_at:g}"
    if len(study.trials) >= study.budget:
        return f"the budget of {counted(study.budget, 'trial')} is spent"
    if len(values) >= FLAT_AFTER and min(values) == max(values):
        return f"nothing was found: all {len(values)} values are {study.sign * values[0]:.6g}"
    since = since_best(study)
    if study.patience is not None and since >= study.patience:
        return f"no better value in {counted(since, 'trial')}"
    left = study.budget - len(study.trials)
    if study.is_noisy and study.trials and left <= AGAIN_RUNS and next_repeat(study, ()) is None:
        return f"the last {counted(left, 'trial')} of the budget could not run a better result again"
    if _repeats(study) >= MOST_REPEATS:
        return f"the sampler proposed only params that were tried, {MOST_REPEATS} times in a row"
    return None


def all_failed(study: Study) -> bool:
    """Return whether the first trials have all failed."""
    ran = [trial for trial in study.trials if trial.status != REPEATED]
    return len(ran) >= min(MOST_FAILURES, study.budget) and not any(t.value is not None for t in ran)


def since_best(study: Study) -> int:
    """Return the number of trials of the search since the last better value."""
    best, since = None, 0
    for trial in study.trials:
        if trial.kind == AGAIN:
            continue
        value = _value(study, trial)
        if value is not None and (best is None or value < best):
            best, since = value, 0
        else:
            since += 1
    return since


def _value(study: Study, trial: Trial) -> float | None:
    """Return the value of a trial that is done, lower is better."""
    return study.sign * trial.value if trial.status == DONE and trial.value is not None else None


def _missed(study: Study, target: float) -> bool:
    return study.best is None or study.sign * study.best.value > study.sign * target


def _repeats(study: Study) -> int:
    count = 0
    for trial in reversed(study.trials):
        if trial.status != REPEATED:
            break
        count += 1
    return count
