"""Tune a pipeline with several samplers, and judge on unseen data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from statewright import parameters
from statewright.tuning.space_file import changes_of
from statewright.tuning.study import read_study
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray
DEFAULTS = "defaults"
SAMPLERS = ("random", "tpe", "hybrid")
DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Unseen:
    """Results on the data that no search saw, for one configuration.

    Parameters
    ----------
    rows : ndarray
        First axis: independent units, such as test rows or seeds of a training.
    """

    rows: Floats


@dataclass(frozen=True)
class Case:
    """A pipeline to tune.

    Parameters
    ----------
    root : Path
        The repository of the pipeline: a copy, which is changed.
    metric : str
        Validation metric of the search, less is better unless `direction` says otherwise.
    measure : callable
        Gets rows as in `Unseen` and returns the score that is compared; less is better.
    judge : callable
        Runs the pipeline with the present params and returns its results on unseen data.
    environment : mapping of str to str
        Variables for the commands of the pipeline.
    """

    name: str
    root: Path
    target: str
    metric: str
    direction: str
    space: str
    measure: Callable[[Floats], float]
    judge: Callable[[Case], Unseen]
    environment: Mapping[str, str]

    def run(self, *words: str) -> None:
        """Run a command of the engine; exit with its output if it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "statewright", *words],
            cwd=self.root,
            env={**os.environ, **self.environment, "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{self.name}: statewright {' '.join(words)} failed: {done.stdout}{done.stderr}")

    def bring_up_to_date(self, config: Mapping[str, Any]) -> None:
        """Set params and run the target with what it needs."""
        for file, changes in changes_of(config).items():
            parameters.apply(self.root / file, [(key, value) for key, value in changes])
        self.run("run", self.target, "--quiet")


@dataclass(frozen=True)
class Outcome:
    """Results of one sampler with one seed."""

    value: float
    evaluations: int
    unseen: Unseen


def compare(case: Case, *, budget: int, seeds: int) -> list[list[TextOrNumber]]:
    """Return a row of the table for the defaults and each sampler."""
    (case.root / "space.yaml").write_text(case.space, encoding="utf-8")
    outcomes: dict[str, list[Outcome]] = {name: [] for name in SAMPLERS}
    default: Outcome | None = None
    for seed in range(seeds):
        for sampler in SAMPLERS:
            study = _tune(case, sampler, seed, budget)
            best, first = study.best, study.default
            if best is None or first is None:
                sys.exit(f"{case.name}: no trial succeeded; see {case.root}/.statewright/tune")
            if default is None:
                default = Outcome(first.value, 1, _judge(case, first.config, first.config))
            result = _judge(case, best.config, first.config)
            outcomes[sampler].append(Outcome(best.value, study.evaluations, result))
            print(
                f"{case.name}: {sampler}, seed {seed}: {first.value:.5g} -> {best.value:.5g}", file=sys.stderr
            )
    assert default is not None
    base = [default] * seeds
    rows: list[list[TextOrNumber]] = [[case.name, DEFAULTS, 1, default.value, _score(case, base), "", ""]]
    for sampler, found in outcomes.items():
        row: list[TextOrNumber] = [
            case.name,
            sampler,
            round(float(np.mean([outcome.evaluations for outcome in found]))),
            float(np.mean([outcome.value for outcome in found])),
            _score(case, found),
            interval(case, base, found),
            "" if sampler == "hybrid" else interval(case, found, outcomes["hybrid"]),
        ]
        rows.append(row)
    return rows


def _tune(case: Case, sampler: str, seed: int, budget: int) -> Any:
    name = f"{sampler}-{seed}"
    words = ["tune", case.target, "--metric", case.metric, "--direction", case.direction]
    words += ["--space", "space.yaml", "--sampler", sampler, "--seed", str(seed), "--budget", str(budget)]
    case.run(*words, "--name", name, "--no-experiments", "--workers", "2", "--quiet")
    return read_study(case.root, name)


def _judge(case: Case, config: Mapping[str, Any], default: Mapping[str, Any]) -> Unseen:
    """Judge a configuration, and set the params back."""
    try:
        case.bring_up_to_date(config)
        return case.judge(case)
    finally:
        for file, changes in changes_of(default).items():
            parameters.apply(case.root / file, [(key, value) for key, value in changes])


def _score(case: Case, outcomes: list[Outcome]) -> float:
    """Return the mean over the searches of the score on unseen data."""
    return float(np.mean([case.measure(outcome.unseen.rows) for outcome in outcomes]))


def interval(case: Case, worse: list[Outcome], better: list[Outcome], seed: int = 0) -> str:
    """Return how much lower the score of `better` is, with a paired interval.

    The bootstrap draws units (rows, or seeds) of the unseen data, the same for both sides, and averages
    over the searches; so it covers the choice of the unseen data, and not that of the searches' seeds.
    """
    rng = np.random.default_rng(seed)
    pairs = [(a.unseen.rows, b.unseen.rows) for a, b in zip(worse, better, strict=True)]

    def gain(chosen: Any) -> float:
        return float(np.mean([case.measure(a[chosen]) - case.measure(b[chosen]) for a, b in pairs]))

    count = len(pairs[0][0])
    whole = gain(slice(None))
    draws = [gain(rng.integers(count, size=count)) for _ in range(DRAWS if count > 20 else 0)]
    if draws:
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    else:  # too few units for a bootstrap: Student's t over them
        from scipy.stats import t

        units = [gain(slice(k, k + 1)) for k in range(count)]
        half = float(t.ppf((1 + LEVEL) / 2, count - 1) * np.std(units, ddof=1) / np.sqrt(count))
        low, high = whole - half, whole + half
    return f"{whole:.4g} [{low:.4g}, {high:.4g}]"


def searches(count: int) -> str:
    """Return a number of searches in words."""
    return "1 search a sampler" if count == 1 else f"{count} searches a sampler"


def table(name: str, title: str, rows: list[list[TextOrNumber]]) -> BenchmarkTable:
    """Return the table of a part."""
    columns = [
        "pipeline",
        "params from",
        "evaluations",
        "validation",
        "unseen",
        "better than the defaults by",
        "hybrid is better by",
    ]
    return BenchmarkTable(
        name=name,
        title=f"{title} Differences are on unseen data, with 95 % paired intervals; one with 0 inside is "
        "no difference.",
        columns=columns,
        rows=rows,
        decimals={"validation": 4, "unseen": 4},
    )
