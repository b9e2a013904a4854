"""Suggestions on display: each rule leaves out what breaks it."""

from __future__ import annotations

import pandas as pd
import pytest

from releaf.suggestions import (
    FEWEST_STEPS,
    LEAST_SCORE,
    MOST_STEPS,
    candidates,
    explains,
    is_general,
    suggestions,
)

SAME = "towel has the same name as Towels (item); Towels can become Rags (reuse)"
NAMES = {"item:towel": "towel", "item:other": "Other plastic", "item:cigarette": "Cigarette"}


def row(**other: object) -> dict[str, object]:
    return {
        "item": "item:towel", "kind": "reuse", "target_name": "Cleaning Rags", "score": 0.9,
        "steps": 2, "path": SAME,
    } | other  # fmt: skip


def shown(*rows: dict[str, object]) -> list[tuple[str, str]]:
    table = suggestions(pd.DataFrame(list(rows)), NAMES)
    return list(zip(table["name"], table["target_name"], strict=True))


def test_a_likely_use_of_the_same_item_is_suggested_in_sentence_case():
    assert shown(row()) == [("towel", "Cleaning rags")]


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "product", "item": "item:cigarette", "target_name": "Tomato Ketchup"},
        {"item": "item:other"},
        {"score": LEAST_SCORE - 0.001},
        {"steps": MOST_STEPS + 1},
        {"steps": FEWEST_STEPS - 1},
        {"path": "no path in the graph"},
        {"path": "towel goes to Reuse (bin); Reuse takes Towels (item); Towels can become Rags (reuse)"},
        {"path": "towel is related to Towels (item); Towels can become Rags (reuse)"},
    ],
)
def test_what_breaks_a_rule_is_not_suggested(bad: dict[str, object]):
    assert shown(row(), row(**bad)) == [("towel", "Cleaning rags")]


def test_the_best_come_first_and_candidates_may_have_a_low_score():
    rows = pd.DataFrame([row(score=0.85), row(score=0.95), row(score=0.6)])
    assert suggestions(rows, NAMES)["score"].tolist() == [0.95, 0.85]
    assert candidates(rows, NAMES)["score"].tolist() == [0.95, 0.85, 0.6]


@pytest.mark.parametrize(
    ("name", "general"),
    [("Plastic", True), ("Mixed paper", True), ("Unlabeled litter", True), ("Other plastic", True),
     ("plastic bottle", False), ("Books", False), ("Cigarette", False)],
)  # fmt: skip
def test_a_name_of_materials_and_filler_words_is_general(name: str, general: bool):
    assert is_general(name) is general


def test_a_bracket_in_a_name_is_no_kind_of_node():
    assert explains(
        "a is listed on Bin (or E-Days) (card); Bin (or E-Days) lists b (item); b can become c (reuse)"
    )
