"""Noisy metrics: the best params run again with other seeds."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from studies import loss_of, make_toy, study_of, tune_here

from statewright.tuning.again import next_repeat
from statewright.tuning.study import AGAIN, AGAIN_RUNS, DEFAULT, DONE, FAILED, SEARCH, Trial, read_study


def trial(
    number: int, value: float | None, x: float, kind: str = SEARCH, seed: int = 7, status: str = DONE
) -> Trial:
    return Trial(number, {"x": x}, kind, status, value, seed=seed)


DEFAULTS = (
    trial(0, 0.5, 0.0, DEFAULT),
    *(trial(n, value, 0.0, AGAIN, 7 + n) for n, value in ((1, 0.4), (2, 0.5), (3, 0.6))),
)


def next_of(*trials: Trial, running: tuple[Trial, ...] = (), **more: Any) -> tuple[float, int] | None:
    repeat = next_repeat(study_of(*trials, **{"seed_param": "seed", **more}), running)
    return (repeat.config["x"], repeat.seed) if repeat else None


def test_the_defaults_get_their_runs_first_each_with_its_own_seed() -> None:
    assert next_of(DEFAULTS[0]) == (0.0, 8)
    started = trial(1, None, 0.0, AGAIN, 8, status="")
    assert next_of(DEFAULTS[0], running=(started,)) == (0.0, 9)
    assert next_of(*DEFAULTS) is None
    assert next_of(DEFAULTS[0], seed_param=None) is None


def test_only_what_seems_better_than_the_bar_runs_again() -> None:
    assert next_of(*DEFAULTS, trial(4, 0.5, 0.1)) is None
    assert next_of(*DEFAULTS, trial(4, 0.49, 0.1), trial(5, 0.3, 0.2)) == (0.2, 8)
    assert next_of(*DEFAULTS, trial(4, 0.51, 0.1), direction="max") == (0.1, 8)


def test_a_lucky_run_is_dropped_as_soon_as_its_mean_is_worse() -> None:
    lucky = (*DEFAULTS, trial(4, 0.1, 0.1))
    assert next_of(*lucky, trial(5, 0.5, 0.1, AGAIN, 8)) == (0.1, 9)
    assert next_of(*lucky, trial(5, 0.6, 0.1, AGAIN, 8)) is None
    assert next_of(*lucky, trial(5, 0.3, 0.1, AGAIN, 8), trial(6, 0.8, 0.1, AGAIN, 9)) is None
    assert next_of(*lucky, trial(5, None, 0.1, AGAIN, 8, status=FAILED)) is None


def test_the_reported_best_is_a_mean_of_fresh_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, noise = make_toy(tmp_path / "toy"), 20.0
    runs: list[tuple[str, int]] = []

    def evaluate(params: dict[str, Any]) -> float:
        seed = params["seed"]
        config = str({key: value for key, value in params.items() if key != "seed"})
        runs.append((config, seed))
        return loss_of(params) + noise * random.Random(f"{config} {seed}").random()

    assert tune_here(root, evaluate, budget=40, workers=2, seed_param="seed")[0] == 0
    study = read_study(root, "train")
    assert len(runs) == len(set(runs)) == study.evaluations
    best, default = study.best, study.default
    assert best is not None and default is not None
    for candidate in (best, default):
        config = str(candidate.config)
        fresh = [
            loss_of(candidate.config) + noise * random.Random(f"{config} {seed}").random()
            for seed in range(2, 2 + AGAIN_RUNS)  # params.yaml has the seed 1
        ]
        assert candidate.value == pytest.approx(fmean(fresh))
    settled = [item for item in study.candidates.values() if len(item.values) == AGAIN_RUNS]
    assert best.value == min(item.value for item in settled)
    err = capsys.readouterr().err
    assert f"(the mean of {AGAIN_RUNS} runs, {min(best.values):.6g} to {max(best.values):.6g})" in err
    assert "a single run" not in err
    assert len(study.trials) in range(37, 41)


def test_a_seed_without_effect_costs_the_runs_of_the_defaults_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_toy(tmp_path / "toy")
    assert tune_here(root, budget=12, seed_param="seed")[0] == 0
    study = read_study(root, "train")
    assert [trial.kind for trial in study.trials] == [DEFAULT, *[AGAIN] * AGAIN_RUNS, *[SEARCH] * 8]
    assert study.best is not None and study.best.value == min(loss_of(t.config) for t in study.trials)
    assert "(other seeds give the same) in trial " in capsys.readouterr().err
