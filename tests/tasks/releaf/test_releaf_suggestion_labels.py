"""Precision of the suggestions: labels, threshold and draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from releaf.suggestions import LEAST_SCORE, is_general
from statewright.contracts import Table, check
from tasks.releaf.links.checking import (
    GOAL,
    Precision,
    SuggestionLabels,
    checked,
    draw,
    left_out_precision,
    precision,
    threshold,
)

LABELS = Path(__file__).parents[3] / "data/source/suggestion_labels.csv"


@pytest.fixture
def labels() -> pd.DataFrame:
    return check(pd.read_csv(LABELS), Table[SuggestionLabels], "suggestion_labels")


def scored(scores: list[float], sensible: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"score": scores, "sensible": np.array(sensible, bool)})


def test_one_hundred_distinct_pairs_are_labelled_with_a_reason(labels: pd.DataFrame):
    assert len(labels) == len(labels[["kind", "item", "target"]].drop_duplicates()) == 100
    assert labels["why"].str.len().gt(10).all()
    assert not labels["item"].map(is_general).any()


def test_the_interval_is_that_of_wilson():
    expected = proportion_confint(8, 9, method="wilson")
    assert Precision(9, 8).interval == pytest.approx(expected, abs=1e-12)
    assert Precision(0, 0).interval == (0.0, 1.0)


def test_the_lowest_threshold_that_reaches_the_goal_is_chosen():
    table = scored([0.95, 0.9, 0.8, 0.7, 0.6], [1, 1, 1, 0, 1])
    assert threshold(table, 0.9) == 0.71
    assert threshold(table, 0.75) == 0.5
    assert threshold(scored([0.9, 0.8], [0, 0]), 0.5) is None
    assert precision(table, 0.7) == Precision(4, 3)


def test_a_pair_has_no_part_in_the_threshold_that_shows_it():
    # Without the wrong pair the threshold falls below it, so that it is shown.
    table = scored([0.95, 0.9, 0.8, 0.7], [1, 1, 1, 0])
    assert precision(table, threshold(table, 0.9) or 0) == Precision(3, 3)
    assert left_out_precision(table, 0.9) == Precision(4, 3)


def test_labels_meet_candidates_whatever_their_spelling():
    mine = pd.DataFrame(
        {"item": ["Sunglasses", "Jar"], "target": ["Check it", "Lamp"], "score": 0.1, "sensible": True}
    )
    theirs = pd.DataFrame({"name": ["sun glasses"], "target_name": ["Check It"], "score": [0.9]})
    found = checked(mine, theirs)
    assert (found["item"].tolist(), found["score"].tolist()) == (["Sunglasses"], [0.9])


def test_one_pair_is_drawn_from_each_part_of_the_ranking():
    places = np.arange(40)
    table = pd.DataFrame(
        {"item": [f"n{k}" for k in places], "target": "t", "target_name": "lamp", "steps": 3}
    )
    table = table.assign(score=0.9 - 0.01 * places, kind="reuse")
    others = table.assign(kind="product")
    both = pd.concat([table, others, table.assign(steps=9, score=0.99)], ignore_index=True)
    names = {f"n{k}": f"thingamajig {k}" for k in places}
    drawn = draw(both, names, {"reuse": 10, "product": 4}, seed=1)
    parts = [
        int(item[1:]) // (4 if kind == "reuse" else 10) for item, kind in drawn[["item", "kind"]].to_numpy()
    ]
    assert parts == [*range(10), *range(4)]
    assert drawn["steps"].eq(3).all()
    assert draw(both, names, {"reuse": 10, "product": 4}, seed=1).equals(drawn)
    assert not draw(both, names, {"reuse": 10, "product": 4}, seed=2).equals(drawn)


def test_the_constant_is_the_threshold_of_the_labels(labels: pd.DataFrame):
    plain = labels[labels["kind"].eq("reuse") & labels["explained"]]
    assert threshold(plain, GOAL) == LEAST_SCORE
