"""The search over three aims: contracts, resumption, no look at test years."""

from __future__ import annotations

from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.search.pareto import hypervolume
from statewright.contracts import Progress, check
from tasks.emotion.contracts.search import AIMS, SearchOutputs
from tasks.emotion.forecast.targets import audio_task
from tasks.emotion.params import SearchParams, SplitParams
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.search import search
from tasks.emotion.series.aims import NAMES, REFERENCE, limits, problem_of, score

SMALL = {"evaluations": 40, "population": 8, "weights": 1, "trials": 16, "seeds": 3}
PARAMS = shipped_params(SearchParams, "emotion.search", **SMALL)
SPLIT = shipped_params(SplitParams, "emotion.split")


@pytest.fixture(scope="module")
def careers(preprocessed: PreprocessOutputs) -> pd.DataFrame:
    table = preprocessed.careers
    return table[(table["artist_id"] % 4 == 0) & (table["year"] < SPLIT.audio_test_from + 3)]


def run(careers: pd.DataFrame, preprocessed: PreprocessOutputs, progress: Progress) -> SearchOutputs:
    return search(careers, preprocessed.artists, params=PARAMS, split=SPLIT, progress=progress)


@pytest.fixture(scope="module")
def whole(careers, preprocessed) -> tuple[SearchOutputs, list[dict[str, Any]]]:
    progress = Progress()
    return run(careers, preprocessed, progress), progress.rows


def test_outputs_keep_their_contracts(whole) -> None:
    outputs, _ = whole
    for name, contract in get_type_hints(SearchOutputs, include_extras=True).items():
        check(getattr(outputs, name), contract, name)
    assert outputs.search_front["knee"].sum() == 1
    assert len(outputs.search_trials) == PARAMS.seeds * PARAMS.trials


def test_nothing_on_the_front_is_dominated_and_its_volume_is_reported(whole) -> None:
    front = whole[0].search_front[list(AIMS)].to_numpy()
    for point in front:
        assert not ((front <= point).all(axis=1) & (front < point).any(axis=1)).any()
    assert whole[0].search.front_hypervolume == pytest.approx(hypervolume(front, REFERENCE), abs=1e-5)
    volumes = whole[0].search.strategies["NSGA-II"].hypervolume
    assert max(volumes) <= whole[0].search.front_hypervolume + 1e-9


def test_gain_is_the_mean_difference_to_random_search(whole) -> None:
    strategies = whole[0].search.strategies
    ours, random = (np.array(strategies[name].hypervolume) for name in ("NSGA-II", "random search"))
    gain = strategies["NSGA-II"].gain
    assert gain is not None
    assert gain.mean == pytest.approx(np.mean(ours - random), abs=1e-5)
    assert gain.low <= gain.mean <= gain.high
    assert gain.wins == (ours > random).sum()
    assert strategies["random search"].gain is None


def test_every_strategy_has_the_same_number_of_evaluations(whole) -> None:
    sizes = {row["search"]: len(row["x"]) for row in whole[1] if "f" in row}
    # three sums of 13 evaluations, in three whole populations of 4
    assert sizes == {"NSGA-II": 40, "random search": 40, "weighted sums": 36}


def test_an_interrupted_search_gives_the_same_result(careers, preprocessed, whole) -> None:
    outputs, rows = whole
    for kept in (4, len(rows) - 3):
        progress = Progress(list(rows[:kept]))
        again = run(careers, preprocessed, progress)
        assert progress.rows == rows
        assert again.search == outputs.search
        pd.testing.assert_frame_equal(again.search_front, outputs.search_front, check_exact=True)
        pd.testing.assert_frame_equal(again.search_trials, outputs.search_trials, check_exact=True)


def test_test_years_do_not_matter(careers, preprocessed) -> None:
    point = limits(PARAMS).low * 0.6 + limits(PARAMS).high * 0.4
    tests = careers["year"] >= SPLIT.audio_test_from
    assert tests.any()
    changed = careers.assign(valence_mean=careers["valence_mean"].where(~tests, 0.5))
    scores = [
        score(problem_of(audio_task(table, SPLIT, preprocessed.artists)), point)
        for table in (careers, changed)
    ]
    np.testing.assert_array_equal(scores[0].aims, scores[1].aims)
    np.testing.assert_array_equal(scores[0].others, scores[1].others)


def test_a_constant_forecast_is_useless(careers, preprocessed) -> None:
    problem = problem_of(audio_task(careers, SPLIT, preprocessed.artists))
    constant = score(problem, np.array([3.0, 0.0, 0.0, 1.0, 0.5, 0.0]))
    assert constant.aims[0] > 1
    assert constant.aims[1:].tolist() == [0.0, 0.0]
    assert constant.useful.tolist() == [constant.aims[0], 1.0, 1.0]
    assert len(NAMES) == 6


def test_ranges_must_be_positive() -> None:
    with pytest.raises(ValueError, match="lasso is 0"):
        shipped_params(SearchParams, "emotion.search", lasso=(0.0, 1.0))
