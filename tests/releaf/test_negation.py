"""Questions that deny something, and the answers that follow."""

from __future__ import annotations

import pytest
from test_lookup import bins_of, lists

from releaf.hazards import hazard_of
from releaf.lookup import STRICT, find
from releaf.negation import read_statement
from releaf.questions import items_of
from releaf.words import spell


@pytest.mark.parametrize(
    ("text", "words", "denied", "states"),
    [
        ("a jar without its lid", "a jar", {"lid"}, set()),
        ("soup tin with no label", "soup tin", {"label"}, set()),
        ("aerosol can that isn't empty", "aerosol can", {"empty"}, {"full"}),
        ("fireworks, never lit", "firework", {"lit"}, {"unused"}),
        ("non-rechargeable batteries", "battery", {"rechargeable"}, set()),
        ("paint tin without any paint left", "paint tin", {"left"}, {"empty"}),
        ("glass bottle but not the cap", "glass bottle", {"cap"}, set()),
        ("unpainted wood", "unpainted wood", {"painted"}, set()),
        ("bottle with a lid", "bottle with a lid", set(), set()),
        ("no", "no", set(), set()),
        ("without", "without", set(), set()),
    ],
)
def test_denied_words_are_no_words_of_the_item(
    text: str, words: str, denied: set[str], states: set[str]
) -> None:
    read = read_statement(spell(text))
    assert (" ".join(read.words), set(read.denied), set(read.states)) == (words, denied, states)


@pytest.mark.parametrize(
    ("city", "text", "bins"),
    [
        ("Toronto", "paper straw with no plastic lining", {"Green Bin"}),
        ("Toronto", "paper straw with plastic lining", {"Garbage"}),
        ("Toronto", "metal paint can, not empty", {"HHW"}),
        ("Toronto", "metal paint can, empty", {"Blue Bin"}),
        ("Toronto", "lighter that isn't empty", set()),
        ("Toronto", "pizza box, not greasy", {"Blue Bin"}),
        ("Toronto", "coffee cup lid", {"Blue Bin"}),
        ("Seattle", "wood that is not painted", {"Compost"}),
        ("Seattle", "jar without its lid", {"Recycle"}),
        ("Nagai", "milk bottle, not plastic", set()),
        ("Toronto", "greasy kitchen paper", {"Green Bin"}),
        ("Toronto", "newpaper", {"Blue Bin"}),
        ("Toronto", "aliminium foil", {"Garbage"}),
        ("Seattle", "cat food tin", {"Recycle"}),
        ("Toronto", "courgette ends", {"Green Bin"}),
    ],
)
def test_a_denied_word_excludes_the_names_that_state_it(city: str, text: str, bins: set[str]) -> None:
    assert bins_of(city, text) == bins


def test_wood_is_no_name_of_an_object_of_wood() -> None:
    assert bins_of("Toronto", "knife block made of wood") != {"Depot"}


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("CD and its case", ("CD", "CD case")),
        ("glass bottle and its metal lid", ("glass bottle", "metal lid")),
        ("can of hairspray, completely empty", ("can of hairspray completely empty",)),
        ("pickle jar, missing its lid", ("pickle jar missing its lid",)),
        ("Head & Shoulders bottle and a sponge", ("Head and Shoulders bottle", "sponge")),
    ],
)
def test_a_denial_and_a_brand_are_no_items(question: str, items: tuple[str, ...]) -> None:
    _, index = lists()["Toronto"]
    strict = {"CD", "CD case", "metal lid", "lid", "sponge"}
    assert items_of(question, lambda text: text in strict) == items
    assert find(index, "metal lid").step in STRICT  # type: ignore[union-attr]


def test_a_torch_without_its_batteries_is_no_hazard() -> None:
    assert hazard_of("torch without its batteries") is None
    assert hazard_of("torch with its batteries") == "battery"
