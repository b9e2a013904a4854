"""The cards: complete, true to their facts, short, with warnings of dangers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks.releaf.ingest import IngestOutputs

SOURCE = Path(__file__).parents[3] / "data" / "source"
PARTS = ("what", "where", "prepare", "reuse")
CITIES = ("Toronto", "Seattle", "Nagai")


@pytest.fixture(scope="module")
def cards() -> list[dict[str, Any]]:
    return yaml.safe_load((SOURCE / "cards.yaml").read_text(encoding="utf-8"))


def test_there_are_enough_cards_and_each_is_complete(cards: list[dict[str, Any]]) -> None:
    assert len(cards) >= 180
    for card in cards:
        assert set(card) == {"id", "title", "aliases", *PARTS, "facts"}, card["id"]
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", card["id"])
        assert card["facts"]
        assert len(card["aliases"]) == len(set(card["aliases"]))
        for part in PARTS:
            assert 1 <= len(card[part].split()) <= 120, (card["id"], part)
    for key in ("id", "title"):
        assert len({card[key] for card in cards}) == len(cards)


def test_every_fact_is_in_the_tables(cards: list[dict[str, Any]]) -> None:
    # With a join, independent of the sets in ingest.
    items = pd.read_parquet(SOURCE / "waste_items.parquet")
    edges = pd.read_parquet(SOURCE / "waste_edges.parquet", columns=["src", "dst", "relation"])
    edges = edges.rename(columns={"src": "source", "dst": "target"})
    facts = pd.DataFrame([fact for card in cards for fact in card["facts"]])
    of_items = facts.dropna(subset=["item"])[["city", "item", "stream"]]
    of_edges = facts.dropna(subset=["relation"])[["source", "relation", "target"]]
    assert len(of_items) + len(of_edges) == len(facts)
    assert len(of_items) > 1500
    assert len(of_edges) > 80
    assert len(of_items.merge(items[["item", "city", "stream"]].drop_duplicates())) == len(of_items)
    assert len(of_edges.merge(edges)) == len(of_edges)


def test_no_card_is_quarantined(cards: list[dict[str, Any]], shipped: IngestOutputs) -> None:
    assert shipped.ingest.cards == len(cards)
    assert shipped.waste_quarantine.empty


def test_a_card_names_the_cities_of_its_facts_and_only_those(cards: list[dict[str, Any]]) -> None:
    for card in cards:
        of_facts = {fact["city"] for fact in card["facts"] if "city" in fact}
        text = " ".join(card[part] for part in PARTS)
        assert {city for city in CITIES if city in text} <= of_facts, card["id"]
        # "In all three cities" names them all.
        missing = {city for city in of_facts if city not in text}
        assert not missing or "all three cities" in text, (card["id"], missing)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("household-batteries", "Tape"),
        ("rechargeable-battery", "fire"),
        ("button-cell", "doctor"),
        ("propane-gas-cylinder", "never pierce"),
        ("needles-syringes", "sharps box"),
        ("fluorescent-lamp", "mercury"),
        ("paint-leftover", "Never down a drain"),
        ("cleaning-products", "Never mix"),
        ("asbestos", "Do not saw"),
        ("medicines", "Never down the toilet"),
        ("fuel-can", "Never cut"),
    ],
)
def test_a_card_warns_of_its_danger(cards: list[dict[str, Any]], card: str, words: str) -> None:
    [content] = [each for each in cards if each["id"] == card]
    assert words in " ".join(content[part] for part in PARTS)


def test_every_card_with_a_hazardous_item_names_the_danger(cards: list[dict[str, Any]]) -> None:
    for card in cards:
        streams = {fact["stream"] for fact in card["facts"] if "stream" in fact}
        if streams & {"HHW", "Hazard", "Hazardous"}:
            words = ("hazard", "poison", "danger", "fire", "burn", "hhw", "sharp", "depot", "mercury")
            assert any(word.lower() in " ".join(card[part] for part in PARTS).lower() for word in words), (
                card["id"]
            )
