"""What the language model learns from and is asked: questions with passages and answers, and plain texts.

Cards are split by their name's hash, items by theirs. From a card to learn from, nothing is taken that
names a thing of the test split: no question, no title, no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from methods.language.grounding import sentences
from methods.language.prompt import Passage
from tasks.releaf.catalogue.names import split_of

MOST_REASON_WORDS = 25


@dataclass(frozen=True)
class Asked:
    """A question with its passages, and what is right.

    Attributes
    ----------
    question, city : str
    passages : tuple of Passage
    relevant : int
        Number of the passage of the thing's own card, from 1.
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


@dataclass(frozen=True)
class Shelf:
    """The cards of one split, and the things that may be asked of them.

    Attributes
    ----------
    passages : dict of str to list of Passage
        By card.
    things : list of (card, name, city, streams)
    texts : list of str
        One a card, its passages in a row.
    """

    passages: dict[str, list[Passage]]
    things: list[tuple[str, str, str, tuple[str, ...]]]
    texts: list[str]


def names_of(items: pd.DataFrame, split: str) -> re.Pattern[str]:
    """Finds every name of a split's items in a text, as a whole phrase, also in the plural."""
    rows = items[items["split"] == split]
    names = sorted({*rows["family"], *rows["name"].str.lower()} - {""}, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?:s|es)?(?!\w)", re.IGNORECASE)


def shelve(
    cards: pd.DataFrame,
    passages: pd.DataFrame,
    items: pd.DataFrame,
    split: str,
    *,
    dev_share: float,
    test_share: float,
    salt: str,
) -> Shelf:
    """The cards of one split with the questions of their items.

    Of the test split all text is kept and the test items are asked; of the others, what names a test
    item is left out, and items of neither the test split nor of its names are asked.
    """
    drawn = cards["card_id"].map(lambda card: split_of(card, dev_share, test_share, salt))
    streams = dict(zip(cards["card_id"], map(tuple, cards["streams"]), strict=True))
    secret = None if split == "test" else names_of(items, "test")
    found: dict[str, list[Passage]] = {}
    for row in passages[passages["card_id"].isin(cards["card_id"][drawn == split])].itertuples():
        passage = Passage(row.title, row.text, streams[row.card_id])
        if secret is None or (kept := without(passage, secret)):
            found.setdefault(row.card_id, []).append(passage if secret is None else kept)
    return Shelf(found, _things(cards, items, found, split, secret), [_joined(own) for own in found.values()])


def without(passage: Passage, secret: re.Pattern[str]) -> Passage | None:
    """The passage without sentences that name what is secret; None if its title does or nothing is left."""
    if secret.search(passage.title):
        return None
    first, *rest = sentences(passage.text)
    kept = [sentence for sentence in rest if not secret.search(sentence)]
    head = f"{passage.title}." if secret.search(first) else first
    return replace(passage, text=" ".join([head, *kept])) if kept else None


def _things(
    cards: pd.DataFrame,
    items: pd.DataFrame,
    passages: dict[str, list[Passage]],
    split: str,
    secret: re.Pattern[str] | None,
) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Each name, city and card once; an item with two right streams is one thing."""
    rows = items[items["cited"] & ((items["split"] == "test") == (split == "test"))].set_index("item_id")
    found = []
    for card in cards[cards["card_id"].isin(passages)].itertuples():
        own = rows.loc[[item for item in card.item_ids if item in rows.index]]
        for (city, name), group in own.groupby(["city", "name"], sort=True):
            if secret is None or not secret.search(name):
                found.append((card.card_id, name, city, tuple(dict.fromkeys(group["stream"]))))
    return found


def _joined(passages: Iterable[Passage]) -> str:
    parts = [passage.text for passage in passages]
    title_of = [len(sentences(part)[0]) for part in parts]
    return " ".join(
        [parts[0], *(part[cut:].strip() for part, cut in zip(parts[1:], title_of[1:], strict=True))]
    )


def ask(shelf: Shelf, number: int, most_passages: int, seed: int, *, all_passages: bool) -> list[Asked]:
    """Draw things, and beside a passage of the right card passages of other cards that know the city.

    Parameters
    ----------
    shelf : Shelf
    number : int
        Of things, or as many as there are.
    most_passages : int
        In a prompt.
    seed : int
    all_passages : bool
        Whether every prompt has `most_passages`, or 1 to as many.
    """
    generator = np.random.default_rng(seed)
    of_city: dict[str, list[str]] = {}
    for card, own in shelf.passages.items():
        for city in sorted({stream.split(": ")[0] for stream in own[0].streams}):
            of_city.setdefault(city, []).append(card)
    order = generator.permutation(len(shelf.things))[:number]
    return [
        _ask(shelf, shelf.things[place], of_city, most_passages, generator, all_passages) for place in order
    ]


def _ask(
    shelf: Shelf,
    thing: tuple[str, str, str, tuple[str, ...]],
    of_city: dict[str, list[str]],
    most: int,
    generator: np.random.Generator,
    all_passages: bool,
) -> Asked:
    card, name, city, streams = thing
    others = [other for other in of_city.get(city, []) if other != card]
    beside = min(len(others), most - 1 if all_passages else int(generator.integers(most)))
    picked = [others[place] for place in generator.permutation(len(others))[:beside]]
    relevant = int(generator.integers(beside + 1))
    picked.insert(relevant, card)
    shown = tuple(_one(shelf.passages[other], generator) for other in picked)
    bins = [stream for stream in shown[relevant].bins(city) if stream in streams] or list(streams)
    answer = " ".join(
        [f"In {city}, {name} goes to {' or '.join(bins)} [{relevant + 1}].", *_reason(shown[relevant], city)]
    )
    return Asked(f"Where does {name} go?", city, shown, relevant + 1, tuple(bins), answer)


def _one(passages: list[Passage], generator: np.random.Generator) -> Passage:
    return passages[int(generator.integers(len(passages)))]


def _reason(passage: Passage, city: str) -> list[str]:
    """A sentence of the passage word by word, so that an answer can be checked; none if all are long."""
    short = [s for s in sentences(passage.text)[1:] if len(s.split()) <= MOST_REASON_WORDS]
    bins = passage.bins(city)
    said = [s for s in short if city in s or any(name in s for name in bins)]
    return [*said, *short][:1]


def commonest(items: pd.DataFrame) -> dict[str, str]:
    """The commonest stream of each city among the items to learn from."""
    rows = items[items["split"] == "train"]
    return {city: own.value_counts().index[0] for city, own in rows.groupby("city")["stream"]}
