"""Stop conditions of a study: each, and their order."""

from __future__ import annotations

import pytest
from studies import study_of

from statewright.tuning.stops import (
    FLAT_AFTER,
    MOST_FAILURES,
    MOST_REPEATS,
    all_failed,
    since_best,
    stop_reason,
)
from statewright.tuning.study import AGAIN, DONE, FAILED, REPEATED, SEARCH, Trial


def trials(*values: float | None) -> tuple[Trial, ...]:
    """Return trials with these values; None is a failed one."""
    return tuple(
        Trial(number, {"x": float(number)}, SEARCH, FAILED if value is None else DONE, value)
        for number, value in enumerate(values)
    )


def test_the_budget_counts_all_trials() -> None:
    repeat = Trial(3, {"x": 0.0}, SEARCH, REPEATED, 1.0)
    assert stop_reason(study_of(*trials(1, None, 2), budget=4)) is None
    assert stop_reason(study_of(*trials(1, None, 2), repeat, budget=4)) == "the budget of 4 trials is spent"


@pytest.mark.parametrize(
    ("direction", "target", "values", "reason"),
    [
        ("min", 0.5, (0.9, 0.5), "the target is reached: 0.5 <= 0.5"),
        ("min", 0.5, (0.9, 0.51), None),
        ("max", 0.9, (0.5, 0.95), "the target is reached: 0.95 >= 0.9"),
        ("max", 0.9, (0.5, 0.89), None),
        ("max", 0.9, (None,), None),
    ],
)
def test_the_target_ends_a_study(
    direction: str, target: float, values: tuple[float | None, ...], reason: str | None
) -> None:
    assert stop_reason(study_of(*trials(*values), direction=direction, stop_at=target)) == reason


def test_patience_counts_trials_without_a_better_value() -> None:
    study = study_of(*trials(3, 2, 2, None, 4), patience=3)
    assert since_best(study) == 3
    assert stop_reason(study) == "no better value in 3 trials"
    assert stop_reason(study_of(*trials(3, 2, 2, None, 1), patience=3)) is None
    again = Trial(5, {"x": 0.0}, AGAIN, DONE, 9.0)
    assert since_best(study_of(*trials(3, 2), again)) == 0


def test_equal_values_mean_that_nothing_is_found() -> None:
    flat = trials(*[0.25] * FLAT_AFTER)
    assert stop_reason(study_of(*flat)) == f"nothing was found: all {FLAT_AFTER} values are 0.25"
    assert stop_reason(study_of(*flat[:-1])) is None
    assert stop_reason(study_of(*flat, *trials(0.5))) is None


def test_a_sampler_that_only_repeats_ends_the_study() -> None:
    repeats = tuple(Trial(n, {"x": 0.0}, SEARCH, REPEATED, 1.0) for n in range(MOST_REPEATS))
    assert stop_reason(study_of(*trials(1, 2), *repeats[1:])) is None
    assert "only params that were tried" in str(stop_reason(study_of(*trials(1, 2), *repeats)))


def test_failures_end_a_study_early_if_nothing_succeeds() -> None:
    assert not all_failed(study_of(*trials(*[None] * (MOST_FAILURES - 1))))
    assert all_failed(study_of(*trials(*[None] * MOST_FAILURES)))
    assert not all_failed(study_of(*trials(*[None] * MOST_FAILURES, 1.0)))
    assert all_failed(study_of(*trials(None, None), budget=2))
