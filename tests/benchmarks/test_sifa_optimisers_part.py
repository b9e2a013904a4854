"""Paired gains of the part on optimisers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.sifa import _cells, optimisers
from benchmarks.sifa.optimisers import LABELS, compared, gain, searched
from tasks.sifa.contracts.optimisers import Comparison, SearchResult
from tasks.sifa.params import OptimisersParams

PARAMS = OptimisersParams.model_validate(
    {
        "tasks": ("digits-mlp",),
        "optimisers": tuple(LABELS),
        "trials": 2,
        "budgets": (10,),
        "repetitions": 2,
        "seed": 0,
    }
)


def result(test: list[float | None]) -> SearchResult:
    names = ("rate", "momentum", "damping", "validation", "mean", "lower", "upper", "train")
    return SearchResult(budget=10, test=test, diverged=0, **dict.fromkeys(names))


def test_a_gain_is_a_paired_t_interval_in_percent() -> None:
    first, second = [1.0, 1.2, 0.9, 1.1], [0.8, 1.1, 0.6, 1.0]
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    mean = 100 * (np.mean(first) - np.mean(second)) / np.mean(first)
    ends = [100 * end / np.mean(first) for end in (expected.low, expected.high)]
    assert gain(result([*first]), result([*second])) == f"{mean:+.1f} ({ends[0]:+.1f} to {ends[1]:+.1f})"


def test_a_training_that_diverged_has_no_gain() -> None:
    assert gain(result([1.0, None]), result([0.9, 1.0])) is None
    assert gain(result([]), result([])) is None


def test_a_stopped_study_resumes_and_other_data_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def stage(cell: Any, params: OptimisersParams, **sets: Any) -> Comparison:
        calls.append(cell.optimiser)
        if len(calls) == 3:
            raise KeyboardInterrupt
        level = 1.0 + list(LABELS).index(cell.optimiser)
        found = result([level, level + 0.5]).model_copy(update={"mean": level, "rate": 0.25})
        return Comparison(
            task=cell.task, optimiser=cell.optimiser, parameters=1, trials=params.trials, budgets=[found]
        )

    monkeypatch.setattr(_cells, "ROOT", tmp_path)
    monkeypatch.setattr(optimisers, "code_key", lambda function, values: str(values[1]))
    monkeypatch.setattr(optimisers, "optimisers", stage)
    with pytest.raises(KeyboardInterrupt):
        searched({}, ["a"], PARAMS)
    results = searched({}, ["a"], PARAMS)
    assert calls == ["adamw", "sgd", "kfac", "kfac", "leapfrog", "kfac-leapfrog"]
    searched({}, ["b"], PARAMS)
    assert len(calls) == 6 + len(LABELS)

    diagonal, kronecker = compared(results, PARAMS)
    assert diagonal.columns[-4:] == ["over AdamW", "over SGD", "over K-FAC", "step"]
    assert kronecker.columns[-5:] == ["over AdamW", "over SGD", "over K-FAC", "over leapfrog", "step"]
    assert diagonal.rows[0][:6] == ["digits-mlp", 10, 1.0, 2.0, 3.0, 4.0]
    assert kronecker.rows[0][:7] == ["digits-mlp", 10, 1.0, 2.0, 3.0, 4.0, 5.0]
    first = [text for text in kronecker.rows[0] if isinstance(text, str)][1]
    assert first.startswith("-320.0 (")  # from 1.25 to 5.25
    assert kronecker.rows[0][-1] == 0.5


def test_the_key_of_a_cell_depends_on_its_values_and_names_a_missing_function() -> None:
    keys = {_cells.code_key("tasks.sifa.optimisers.optimisers", values) for values in (1, 2, 2)}
    assert len(keys) == 2
    with pytest.raises(LookupError, match=r"no function tasks\.sifa\.optimisers\.absent"):
        _cells.code_key("tasks.sifa.optimisers.absent", 1)
