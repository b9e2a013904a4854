"""What a question asks about, and when an answer warns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from releaf.cautions import caution
from releaf.knowledge import Card
from releaf.names import asked_for

ITEMS = Path(__file__).resolve().parents[2] / "data" / "source" / "waste_items.parquet"


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("Where do I throw my old TV?", "TV"),
        ("how to dispose of paint", "paint"),
        ("Can I put pizza boxes in the blue bin?", "pizza boxes"),
        ("what bin does a mattress go in?", "mattress"),
        ("which bin for the  cat litter", "cat litter"),
        ("Are milk cartons recyclable?", "milk cartons"),
        ("a jar", "jar"),
        ("I have a broken laptop.", "broken laptop"),
        ("the", "the"),
        ("how are you", "how are you"),
    ],
)
def test_what_a_question_asks_about(question: str, thing: str) -> None:
    assert asked_for(question) == thing


def test_names_of_the_lists_are_asked_for_as_they_are() -> None:
    names = pd.read_parquet(ITEMS)["item"].unique()
    assert len(names) > 2000
    assert [name for name in names if asked_for(name) != " ".join(name.split())] == []


NEEDLES = Card("needles", "Needles", {}, {"Toronto": ("HHW",), "Seattle": ("Hazard", "Trash")})


@pytest.mark.parametrize(
    ("city", "shares", "nearest", "said"),
    [
        ("Toronto", {"Garbage": 0.88, "HHW": 0.12}, None, "hazardous (HHW: 12 %)"),
        ("Toronto", {"Garbage": 0.95, "HHW": 0.05}, NEEDLES, None),
        ("Toronto", {"HHW": 0.6, "Garbage": 0.4}, NEEDLES, None),
        ("Nagai", {"Burnable": 1.0}, NEEDLES, "“Needles”, is hazardous in Seattle and Toronto"),
        ("Nagai", {"Burnable": 1.0}, Card("jar", "Jars", {}, {"Toronto": ("Blue Bin",)}), None),
        ("Elsewhere", {"Bin": 1.0}, NEEDLES, "hazardous in Seattle and Toronto"),
        ("Elsewhere", {"Bin": 1.0}, None, None),
    ],
)
def test_caution_where_an_ordinary_bin_may_be_wrong(
    city: str, shares: dict[str, float], nearest: Card | None, said: str | None
) -> None:
    found = caution(city, shares, nearest)
    assert found is None if said is None else found is not None and said in found
