"""Examples for the language model: texts, and questions with their answers.

Cards are split by a hash of their id, items by a hash of their name. Training examples contain no question,
title or sentence with the name of an item of the test split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from releaf.grounding import sentences
from releaf.prompt import Passage
from tasks.releaf.catalogue.names import split_of

MOST_REASON_WORDS = 25


@dataclass(frozen=True)
class Question:
    """A question with its passages and the right answer.

    Attributes
    ----------
    question, city : str
    passages : tuple of Passage
    relevant : int
        Number of the passage of the item's own card, from 1.
    streams : tuple of str
        The right bins, in the order of the card.
    answer : str
    """

    question: str
    city: str
    passages: tuple[Passage, ...]
    relevant: int
    streams: tuple[str, ...]
    answer: str


class CardItem(NamedTuple):
    """An item in a city, with the card that it is a fact of."""

    card: str
    name: str
    city: str
    streams: tuple[str, ...]


@dataclass(frozen=True)
class CardSet:
    """Cards of one split, and the items that may be in a question.

    Attributes
    ----------
    passages : dict of str to list of Passage
        Passages by card.
    items : list of CardItem
    texts : list of str
        One text for each card, its passages joined.
    """

    passages: dict[str, list[Passage]]
    items: list[CardItem]
    texts: list[str]


def names_of(items: pd.DataFrame, split: str) -> re.Pattern[str]:
    """Return a pattern of the item names of a split, as whole phrases, with plurals."""
    rows = items[items["split"] == split]
    names = sorted({*rows["family"], *rows["name"].str.lower()} - {""}, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?:s|es)?(?!\w)", re.IGNORECASE)


def card_set(
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    items: pd.DataFrame,
    split: str,
    *,
    dev_share: float,
    test_share: float,
    salt: str,
) -> CardSet:
    """Return the cards of one split, and the items for questions.

    The test split has all text, and its items are the test items. The other splits have no text with the name
    of a test item, and neither test items nor items with such a name.
    """
    drawn = cards["card_id"].map(lambda card: split_of(card, dev_share, test_share, salt))
    streams = dict(zip(cards["card_id"], map(tuple, cards["streams"]), strict=True))
    test_names = None if split == "test" else names_of(items, "test")
    by_card: dict[str, list[Passage]] = {}
    for row in passages[passages["card_id"].isin(cards["card_id"][drawn == split])].itertuples():
        whole = Passage(row.title, row.text, streams[row.card_id])
        passage = whole if test_names is None else without(whole, test_names)
        if passage is not None:
            by_card.setdefault(row.card_id, []).append(passage)
    texts = [_joined(passages_of_card) for passages_of_card in by_card.values()]
    return CardSet(by_card, _items(cards, items, by_card, split, test_names), texts)


def without(passage: Passage, names: re.Pattern[str]) -> Passage | None:
    """Return the passage without sentences that match `names`.

    The result is None if the title matches or no sentence is left.
    """
    if names.search(passage.title):
        return None
    first, *rest = sentences(passage.text)
    kept = [sentence for sentence in rest if not names.search(sentence)]
    head = f"{passage.title}." if names.search(first) else first
    return replace(passage, text=" ".join([head, *kept])) if kept else None


def _items(
    cards: pd.DataFrame,
    items: pd.DataFrame,
    passages: dict[str, list[Passage]],
    split: str,
    test_names: re.Pattern[str] | None,
) -> list[CardItem]:
    """Return each combination of card, name and city once, with all right streams."""
    rows = items[items["cited"] & ((items["split"] == "test") == (split == "test"))].set_index("item_id")
    card_items = []
    for card in cards[cards["card_id"].isin(passages)].itertuples():
        own = rows.loc[[item for item in card.item_ids if item in rows.index]]
        for (city, name), group in own.groupby(["city", "name"], sort=True):
            if test_names is None or not test_names.search(name):
                streams = tuple(dict.fromkeys(group["stream"]))
                card_items.append(CardItem(card.card_id, name, city, streams))
    return card_items


def _joined(passages: Iterable[Passage]) -> str:
    parts = [passage.text for passage in passages]
    title_of = [len(sentences(part)[0]) for part in parts]
    return " ".join(
        [parts[0], *(part[cut:].strip() for part, cut in zip(parts[1:], title_of[1:], strict=True))]
    )


def ask(
    card_set: CardSet, number: int, most_passages: int, seed: int, *, all_passages: bool
) -> list[Question]:
    """Draw questions, each with a passage of the right card and of other cards.

    The other cards have facts about the same city.

    Parameters
    ----------
    card_set : CardSet
    number : int
        Largest number of questions.
    most_passages : int
        Largest number of passages in a prompt.
    seed : int
    all_passages : bool
        Whether every prompt has `most_passages`, or a random number from 1 to `most_passages`.
    """
    generator = np.random.default_rng(seed)
    of_city: dict[str, list[str]] = {}
    for card, passages in card_set.passages.items():
        for city in sorted({stream.split(": ")[0] for stream in passages[0].streams}):
            of_city.setdefault(city, []).append(card)
    order = generator.permutation(len(card_set.items))[:number]
    return [
        _ask(card_set, card_set.items[place], of_city, most_passages, generator, all_passages)
        for place in order
    ]


def _ask(
    card_set: CardSet,
    item: CardItem,
    of_city: dict[str, list[str]],
    most: int,
    generator: np.random.Generator,
    all_passages: bool,
) -> Question:
    card, name, city, streams = item
    others = [other for other in of_city.get(city, []) if other != card]
    beside = min(len(others), most - 1 if all_passages else int(generator.integers(most)))
    picked = [others[place] for place in generator.permutation(len(others))[:beside]]
    relevant = int(generator.integers(beside + 1))
    picked.insert(relevant, card)
    shown = tuple(_draw(card_set.passages[other], generator) for other in picked)
    bins = [stream for stream in shown[relevant].bins(city) if stream in streams] or list(streams)
    answer = " ".join(
        [f"In {city}, {name} goes to {' or '.join(bins)} [{relevant + 1}].", *_reason(shown[relevant], city)]
    )
    return Question(f"Where does {name} go?", city, shown, relevant + 1, tuple(bins), answer)


def _draw(passages: list[Passage], generator: np.random.Generator) -> Passage:
    return passages[int(generator.integers(len(passages)))]


def _reason(passage: Passage, city: str) -> list[str]:
    """Return one sentence of the passage verbatim; none if all are long.

    A verbatim sentence lets the answer be checked against the passage.
    """
    short = [s for s in sentences(passage.text)[1:] if len(s.split()) <= MOST_REASON_WORDS]
    bins = passage.bins(city)
    about_city = [s for s in short if city in s or any(name in s for name in bins)]
    return [*about_city, *short][:1]


def commonest(items: pd.DataFrame) -> dict[str, str]:
    """Return the most common stream of each city among the training items."""
    rows = items[items["split"] == "train"]
    return {city: own.value_counts().index[0] for city, own in rows.groupby("city")["stream"]}
