"""The item that a question is about."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from releaf.names import asked_for

ITEMS = Path(__file__).resolve().parents[2] / "data" / "source" / "waste_items.parquet"


@pytest.mark.parametrize(
    ("question", "item"),
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
def test_the_item_is_found_in_the_question(question: str, item: str) -> None:
    assert asked_for(question) == item


def test_names_of_the_lists_do_not_change() -> None:
    names = pd.read_parquet(ITEMS)["item"].unique()
    assert len(names) > 2000
    assert [name for name in names if asked_for(name) != " ".join(name.split())] == []
