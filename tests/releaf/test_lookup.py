"""Items of the shipped lists in other words, and the hand-written questions."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from releaf.listing import ListIndex, build_index, other_names
from releaf.lookup import STRICT, find
from releaf.questions import items_of
from releaf.words import rename, spell

SOURCE = Path(__file__).resolve().parents[2] / "data" / "source"


@cache
def lists() -> dict[str, tuple[list[str], ListIndex]]:
    items = pd.read_parquet(SOURCE / "waste_items.parquet")
    found = {}
    for city, rows in items.groupby("city"):
        streams = rows.groupby("item")["stream"].agg(lambda column: tuple(sorted(set(column))))
        found[str(city)] = (list(streams.index), build_index(list(streams.index), list(streams)))
    return found


def bins_of(city: str, text: str) -> set[str]:
    _, index = lists()[city]
    match = find(index, text)
    return set() if match is None else {stream for place in match.places for stream in index.bins[place]}


@pytest.mark.parametrize("city", ["Toronto", "Seattle", "Nagai"])
def test_each_name_of_a_list_finds_itself(city: str) -> None:
    names, index = lists()[city]
    for place, name in enumerate(names):
        for text in (name, name.upper(), f"  {name} "):
            match = find(index, text)
            assert match is not None and match.step == "spelling", text
            assert place in match.places or set(index.bins[place]) & bins_of(city, text), text


@pytest.mark.parametrize(
    ("city", "text", "bins"),
    [
        ("Toronto", "yoghurt", {"Green Bin"}),
        ("Toronto", "Yogourt", {"Green Bin"}),
        ("Toronto", "disposable nappies", {"Green Bin"}),
        ("Toronto", "power-bank", {"HHW"}),
        ("Toronto", "bottle of Evian", {"Blue Bin"}),
        ("Toronto", "green wine bottle", {"Blue Bin"}),
        ("Toronto", "toohbrush", {"Garbage"}),
        ("Toronto", "pizza box with grease", {"Green Bin"}),
        ("Toronto", "clean pizza box", {"Blue Bin"}),
        ("Toronto", "lithiumbattery", {"HHW"}),
        ("Seattle", "CFL", {"Hazard"}),
        ("Seattle", "energy-saving lamp", {"Hazard"}),
        ("Seattle", "yogurt pot", {"Recycle"}),
        ("Seattle", "milk cartons", {"Recycle"}),
        ("Nagai", "teddy", {"Burnable"}),
        ("Nagai", "tyres", {"Not collectable"}),
        ("Nagai", "fridge freezer", {"Not collectable"}),
        ("Toronto", "asdfghjk", set()),
        ("Toronto", "flux capacitor", set()),
        ("Toronto", "", set()),
        ("Toronto", "!!!", set()),
    ],
)
def test_other_words_find_the_item(city: str, text: str, bins: set[str]) -> None:
    assert bins_of(city, text) == bins


def test_a_row_of_several_items_stands_for_each() -> None:
    assert other_names("Ammunition, Guns and Fireworks")[1:] == ["Ammunition", "Guns", "Fireworks"]
    assert "Milk" not in other_names("Milk and Juice Cartons")
    assert "Paint -- Latex" in other_names("Paint -- Latex")
    assert spell("Latex Paint") in [spell(name) for name in other_names("Paint -- Latex")]


def test_strict_steps_do_not_guess() -> None:
    _, index = lists()["Toronto"]
    loose, strict = find(index, "gaming laptop"), find(index, "gaming laptop", strict=True)
    assert strict is None
    assert loose is not None and loose.step not in STRICT
    assert bins_of("Toronto", "gaming laptop") == {"Electronic Waste"}


def test_renaming_twice_changes_nothing() -> None:
    for names, _ in lists().values():
        for name in names:
            once = rename(spell(name))
            assert rename(once) == once, name


def test_the_list_alone_answers_most_questions() -> None:
    """Compare with the bins that were written by hand before any answer."""
    questions = pd.read_csv(SOURCE / "waste_questions.csv", keep_default_na=False)
    assert len(questions) >= 300
    results: Counter[str] = Counter()
    for row in questions.to_dict("records"):
        _, index = lists()[row["city"]]
        items = items_of(row["question"], lambda text, index=index: bool(find(index, text, strict=True)))
        parts = [set(part.split(" / ")) for part in row["bins"].split(" + ")]
        found = [bins_of(row["city"], item) or {"not sure"} for item in items]
        agree = len(found) == len(parts) and all(a & b for a, b in zip(found, parts, strict=True))
        results["right" if agree else "wrong"] += 1
    assert results["right"] >= 0.9 * len(questions)
