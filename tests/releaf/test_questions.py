"""Items of a question about one or several."""

from __future__ import annotations

import time

import pytest

from releaf.names import asked_for
from releaf.questions import MOST_ITEMS, items_of

LISTED = {"pots and pans", "battery", "pizza box", "plastic bottles", "glass bottles", "old phone", "ladder"}


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("a battery and a pizza box", ("battery", "pizza box")),
        ("Where do I throw batteries, a pizza box and newspapers?", ("batteries", "pizza box", "newspapers")),
        ("pots and pans", ("pots and pans",)),
        ("plastic and glass bottles", ("plastic bottles", "glass bottles")),
        ("paint, brushes & a ladder", ("paint", "brushes", "ladder")),
        ("fireworks, never lit", ("fireworks never lit",)),
        ("battery and battery", ("battery",)),
        ("asdf", ("asdf",)),
        ("???", ("???",)),
        ("and", ("and",)),
    ],
)
def test_items_are_divided(question: str, items: tuple[str, ...]) -> None:
    assert items_of(question, lambda text: text in LISTED) == items


def test_many_items_are_bounded() -> None:
    question = ", ".join(f"item{number}" for number in range(50))
    assert len(items_of(question, lambda _: False)) == MOST_ITEMS


@pytest.mark.parametrize(
    ("question", "item"),
    [
        ("Baby's used diaper, which bin?", "Baby's used diaper"),
        ("hi, where do I throw batteries", "batteries"),
        ("how should I dispose of a lithium battery safely?", "lithium battery"),
        ("Does a milk carton go in the blue bin?", "milk carton"),
        ("What about coffee cups?", "coffee cups"),
        ("broken toaster - where does it go?", "broken toaster"),
        ("how to get rid of old paint in Toronto", "old paint"),
        ("nappies please", "nappies"),
    ],
)
def test_everyday_phrasings_leave_the_item(question: str, item: str) -> None:
    assert asked_for(question) == item


@pytest.mark.parametrize("word", ["where can i ", "a b ", "put in the ", "which bin ", ", ", "what do "])
def test_long_questions_take_no_exponential_time(word: str) -> None:
    started = time.process_time()
    items_of((word * 500)[:500], lambda _: False)
    assert time.process_time() - started < 20
