"""Stage releaf-questions: verdicts by hand, and counts of a small table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from statewright.contracts import ContractError
from tasks.releaf.questions import HALVES, check_bins, half_of, summarise, verdict

QUESTIONS = Path(__file__).resolve().parents[3] / "data" / "source" / "waste_questions.csv"


@pytest.mark.parametrize(
    ("right", "bins", "expected"),
    [
        ("Blue Bin", ["Blue Bin"], "right"),
        ("Blue Bin / Garbage", ["Garbage"], "right"),
        ("Blue Bin", ["Garbage"], "wrong"),
        ("Blue Bin", ["not sure"], "not sure"),
        ("not sure", ["not sure"], "right"),
        ("not sure", ["Garbage"], "wrong"),
        ("HHW + Green Bin", ["HHW", "Green Bin"], "right"),
        ("HHW + Green Bin", ["Green Bin", "HHW"], "wrong"),
        ("HHW + Green Bin", ["HHW"], "wrong"),
        ("HHW + Green Bin", ["HHW", "not sure"], "not sure"),
        ("HHW + Green Bin", ["Garbage", "not sure"], "wrong"),
    ],
)
def test_verdicts(right: str, bins: list[str], expected: str) -> None:
    assert verdict(right, bins) == expected


def test_the_halves_do_not_depend_on_case_and_are_about_equal() -> None:
    table = pd.read_csv(QUESTIONS)
    halves = [half_of(city, question) for city, question in table[["city", "question"]].to_numpy()]
    assert halves == [half_of(city.upper(), q.upper()) for city, q in table[["city", "question"]].to_numpy()]
    assert all(0.4 < halves.count(half) / len(halves) < 0.6 for half in HALVES)
    assert not table.duplicated(["question", "city"]).any()


def test_counts_of_a_small_table() -> None:
    rows = [
        ("right", True, True),
        ("wrong", True, False),
        ("not sure", False, True),
        ("right", False, False),
    ]
    table = pd.DataFrame(rows, columns=["verdict", "hazardous", "caution"])
    table = table.assign(half="develop", city=["A", "A", "B", "B"], kind="plain")
    summary = summarise(table)
    whole = summary.questions
    assert (whole.right.questions, whole.right.right, whole.unsure, whole.wrong) == (4, 0.5, 1, 1)
    assert (whole.hazardous, whole.without_caution, whole.false_caution) == (2, 1, 1)
    assert summary.by_city["A"].without_caution == 1
    assert summary.by_city["B"].without_caution == 0


def test_a_bin_that_the_city_lacks_is_an_error() -> None:
    items = pd.DataFrame({"city": ["A"], "stream": ["Blue"]})
    table = pd.DataFrame({"city": ["A"], "bins": ["Blue / not sure + Red"]})
    with pytest.raises(ContractError, match="row 1, column bins: Red"):
        check_bins(table, items)
