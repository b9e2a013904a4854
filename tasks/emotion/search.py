"""Stage emotion-search: settings of a fast forecaster, for three aims at once.

    settings -> forecaster of an artist's next year, learnt before the validation years
                    |
              validation years -> error, steps of the forecasts, share of inputs used
                    |
              NSGA-II, weighted sums, random settings: the same number of evaluations each

A second search, by a Gaussian process and expected improvement, is for the smallest error alone. All
aims are measured on the validation years of half of the artists. The validation years of the others show
whether the results hold for artists that the search did not see. Test years are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from methods.search.bayesian import Trial, maximise
from methods.search.pareto import front, hypervolume, knee, nsga2, weighted
from statewright.contracts import Progress, Table
from tasks.emotion.contracts.search import (
    AIMS,
    Bayesian,
    Gain,
    Point,
    SearchMetrics,
    SearchOutputs,
    Strategy,
)
from tasks.emotion.contracts.tables import Artists, Careers
from tasks.emotion.forecast.targets import audio_task
from tasks.emotion.params import SearchParams, SplitParams
from tasks.emotion.series.aims import (
    NAMES,
    REFERENCE,
    Problem,
    Score,
    limits,
    problem_of,
    score,
    settings,
)

Floats = np.ndarray

RANDOM = "random search"
EVOLUTION = "NSGA-II"
SUMS = "weighted sums"


@dataclass(frozen=True)
class Run:
    """All evaluated points of one search, (n, d), and their aims, (n, 3)."""

    x: Floats
    f: Floats


def search(
    careers: Table[Careers],
    artists: Table[Artists],
    *,
    params: SearchParams,
    split: SplitParams,
    progress: Progress,
) -> SearchOutputs:
    """Search over three aims and over one, and compare with random search."""
    problem = problem_of(audio_task(careers, split, artists))
    runs = {
        name: [_resumed(progress, name, seed, problem, params) for seed in range(params.seeds)]
        for name in (EVOLUTION, SUMS, RANDOM)
    }
    searches = [_trials(progress, seed, problem, params) for seed in range(params.seeds)]
    every = np.vstack([run.x for run in runs[EVOLUTION]])
    best = front(every, np.vstack([run.f for run in runs[EVOLUTION]]))
    scores = [score(problem, point) for point in best.x]
    at = knee(best.f)
    plain = [score(problem, point) for point in runs[RANDOM][0].x]
    return SearchOutputs(
        front_table(best.x, scores, at),
        trials_table(searches),
        SearchMetrics(
            artists=_artists(problem, problem.searched.rows),
            artists_others=_artists(problem, problem.others.rows),
            targets=int(problem.searched.rows.sum()),
            targets_others=int(problem.others.rows.sum()),
            evaluations=params.evaluations,
            seeds=params.seeds,
            weights=len(list(_lattice(params.weights))),
            front=len(best.x),
            front_hypervolume=round(hypervolume(best.f, REFERENCE), 6),
            front_hypervolume_others=round(
                hypervolume(np.array([one.others for one in scores]), REFERENCE), 6
            ),
            norm_share_correlation=_rank_correlation(plain),
            strategies=strategies(runs),
            knee=_point(scores[at], problem),
            best=_point(scores[int(np.argmin(best.f[:, 0]))], problem),
            bayesian=_bayesian(searches, runs[RANDOM], problem, params),
        ),
    )


def _resumed(progress: Progress, name: str, seed: int, problem: Problem, params: SearchParams) -> Run:
    """Return a search, from the rows of an interrupted run if they have it."""
    for row in progress.rows:
        if row.get("search") == name and row["seed"] == seed:
            return Run(np.array(row["x"]), np.array(row["f"]))
    run = _run(name, seed, problem, params)
    progress.append({"search": name, "seed": seed, "x": run.x.tolist(), "f": run.f.tolist()})
    return run


def _run(name: str, seed: int, problem: Problem, params: SearchParams) -> Run:
    """Search over the three aims with one strategy and seed."""
    box, points, values = limits(params), [], []

    def aims(point: Floats) -> Floats:
        points.append(point)
        values.append(score(problem, point).useful)
        return values[-1]

    if name == RANDOM:
        unit = np.random.default_rng(seed).random((params.evaluations, len(NAMES)))
        for point in box.low + unit * (box.high - box.low):
            aims(point)
    elif name == EVOLUTION:
        evolve(aims, np.column_stack(box), params.evaluations, params.population, seed)
    else:
        sums = list(_lattice(params.weights))
        each = params.evaluations // len(sums)
        for number, weights in enumerate(sums):
            one = weighted(aims, weights)
            evolve(one, np.column_stack(box), each, max(4, each // 5), 1000 * seed + number)
    return Run(np.array(points), np.array(values))


def evolve(
    aims: Callable[[Floats], Any], bounds: Floats, evaluations: int, population: int, seed: int
) -> None:
    """Run NSGA-II for the evaluations that `aims` records."""
    nsga2(aims, bounds, evaluations=evaluations, population=population, seed=seed)


def _lattice(steps: int) -> Iterator[tuple[float, ...]]:
    """Yield all weights of three aims in multiples of 1 / steps with sum 1."""
    for parts in product(range(steps + 1), repeat=len(AIMS)):
        if sum(parts) == steps:
            yield tuple(part / steps for part in parts)


def _trials(progress: Progress, seed: int, problem: Problem, params: SearchParams) -> list[Trial]:
    """Search for the smallest error by expected improvement, trial by trial."""
    known = [
        Trial(tuple(row["x"]), row["value"])
        for row in progress.rows
        if row.get("search") == "expected improvement" and row["seed"] == seed
    ]

    def record(trial: Trial) -> None:
        row = {"search": "expected improvement", "seed": seed, "x": list(trial.x), "value": trial.value}
        progress.append(row)

    return maximise(
        lambda point: -float(score(problem, point).aims[0]),
        np.column_stack(limits(params)),
        evaluations=params.trials,
        seed=seed,
        trials=known,
        record=record,
    )


def front_table(x: Floats, scores: list[Score], at: int) -> pd.DataFrame:
    """Return the front with its settings, and the knee marked."""
    aims = np.array([one.aims for one in scores])
    others = np.array([one.others for one in scores])
    return pd.DataFrame(
        {
            **{name: aims[:, column].round(6) for column, name in enumerate(AIMS)},
            "norm": np.round([one.norm for one in scores], 6),
            "error_others": others[:, 0].round(6),
            "step_others": others[:, 1].round(6),
            "knee": np.arange(len(x)) == at,
            **_columns(x),
        }
    )


def trials_table(searches: Iterable[list[Trial]]) -> pd.DataFrame:
    """Return the trials of all seeds with the smallest error so far."""
    tables = []
    for seed, trials in enumerate(searches):
        error = np.array([-trial.value for trial in trials])
        columns = _columns(np.array([trial.x for trial in trials]))
        tables.append(
            pd.DataFrame(
                {
                    "param_seed": seed,
                    "trial": np.arange(1, len(trials) + 1),
                    **{f"param_{name}": values for name, values in columns.items()},
                    "error": error.round(6),
                    "best": np.minimum.accumulate(error).round(6),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _columns(x: Floats) -> dict[str, Floats]:
    rows = [settings(point) for point in x]
    return {name: np.array([float(f"{getattr(row, name):.6g}") for row in rows]) for name in NAMES}


def strategies(runs: dict[str, list[Run]]) -> dict[str, Strategy]:
    """Compare the hypervolumes of the strategies with random search, seed by seed."""
    volumes = {name: [hypervolume(run.f, REFERENCE) for run in of] for name, of in runs.items()}
    return {
        name: Strategy(
            hypervolume=[round(value, 6) for value in values],
            mean=round(float(np.mean(values)), 6),
            gain=None if name == RANDOM else _gain(np.subtract(values, volumes[RANDOM])),
        )
        for name, values in volumes.items()
    }


def _gain(differences: Floats) -> Gain:
    """Return the mean of differences by seed with Student's interval."""
    from scipy.stats import t

    mean, count = float(differences.mean()), len(differences)
    half = float(t.ppf(0.975, count - 1) * differences.std(ddof=1) / np.sqrt(count))
    return Gain(
        mean=round(mean, 6), low=round(mean - half, 6), high=round(mean + half, 6),
        wins=int((differences > 0).sum()),
    )  # fmt: skip


def _bayesian(
    searches: list[list[Trial]], random: list[Run], problem: Problem, params: SearchParams
) -> Bayesian:
    ours = [-max(trial.value for trial in trials) for trials in searches]
    # The same number of points, from the searches at random for three aims.
    others = [float(run.f[: params.trials, 0].min()) for run in random]
    top = max((trial for trials in searches for trial in trials), key=lambda trial: trial.value)
    return Bayesian(
        trials=params.trials,
        bayesian=[round(value, 6) for value in ours],
        random=[round(value, 6) for value in others],
        gain=_gain(np.subtract(others, ours)),
        error_others=round(float(score(problem, np.array(top.x)).others[0]), 6),
    )


def _point(of: Score, problem: Problem) -> Point:
    error, step, share = (round(float(value), 6) for value in of.aims)
    every = problem.targets * 3 * problem.history.panel.mean.shape[1]
    return Point(
        error=error, step=step, share=share, weights=round(share * every),
        error_others=round(float(of.others[0]), 6), step_others=round(float(of.others[1]), 6),
    )  # fmt: skip


def _artists(problem: Problem, rows: Floats) -> int:
    return len(np.unique(problem.history.panel.unit[rows]))


def _rank_correlation(scores: list[Score]) -> float:
    """Return the rank correlation of the norm of the weights with the share in use."""
    from scipy.stats import spearmanr

    norm, share = [one.norm for one in scores], [one.aims[2] for one in scores]
    return round(float(spearmanr(norm, share).statistic), 4)
