"""Test questions, their relevant cards, and the bins that retrieved cards name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Questions:
    """Names of items as questions, one row a city and name.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns city, name, split, streams (set of the right ones), cited.
    relevance : ndarray of shape (questions, cards)
        1 if a fact of the card names the item.
    """

    table: pd.DataFrame
    relevance: NDArray[np.int64]

    def of(self, *splits: str) -> Questions:
        """Return the questions of some splits."""
        mask = self.table["split"].isin(splits).to_numpy()
        return Questions(self.table[mask].reset_index(drop=True), self.relevance[mask])

    def cited(self) -> NDArray[np.bool_]:
        """Return a mask of the questions with a relevant card."""
        return self.table["cited"].to_numpy(bool)


def ask(items: pd.DataFrame, cards: pd.DataFrame) -> Questions:
    """Return the questions of the items; an item with two right streams gives one."""
    rows = items.groupby(["city", "name"], sort=True).agg(
        split=("split", "first"), streams=("stream", set), item_ids=("item_id", set)
    )
    rows = rows.reset_index()
    relevance = np.zeros((len(rows), len(cards)), dtype=np.int64)
    asking = {item: place for place, ids in enumerate(rows["item_ids"]) for item in ids}
    for card, ids in enumerate(cards["item_ids"]):
        for item in ids:
            if item in asking:
                relevance[asking[item], card] = 1
    table = rows.drop(columns="item_ids").assign(cited=relevance.any(axis=1))
    return Questions(table, relevance)


def best_passage(scores: NDArray[np.float64], card_of: NDArray[np.int64], cards: int) -> NDArray[np.float64]:
    """Return the score of each card's best passage, of shape (questions, cards).

    The score is ``-inf`` for a card without a passage.
    """
    best = np.full((len(scores), cards), -np.inf)
    for passage, card in enumerate(card_of):
        np.maximum(best[:, card], scores[:, passage], out=best[:, card])
    return best


def right_stream(
    scores: NDArray[np.float64], questions: Questions, streams: list[dict[str, list[str]]]
) -> NDArray[np.float64]:
    """Return the share of right bins on the first card that names the city.

    Parameters
    ----------
    scores : ndarray of shape (questions, cards)
    streams : list of dict
        For each card, its streams by city.

    Returns
    -------
    ndarray of shape (questions,)
        Share of right streams among those that the card names for the city; 0 without a card.
    """
    shares = np.zeros(len(scores))
    for question, (city, right) in enumerate(
        zip(questions.table["city"], questions.table["streams"], strict=True)
    ):
        row = np.where([city in named for named in streams], scores[question], -np.inf)
        if len(row) and np.isfinite(row.max()):
            named = streams[int(row.argmax())][city]
            shares[question] = len(right.intersection(named)) / len(named)
    return shares


def card_streams(cards: pd.DataFrame) -> list[dict[str, list[str]]]:
    """Return the streams of each card's facts by city."""
    cards_streams = []
    for named in cards["streams"]:
        by_city: dict[str, list[str]] = {}
        for text in named:
            city, _, stream = text.partition(": ")
            by_city.setdefault(city, []).append(stream)
        cards_streams.append(by_city)
    return cards_streams


def commonest_stream(questions: Questions, learnt_from: Questions) -> NDArray[np.float64]:
    """Return 1 where the city's most common stream in `learnt_from` is right, else 0."""
    rows = learnt_from.table.explode("streams")
    common = rows.groupby("city")["streams"].agg(lambda streams: streams.value_counts().index[0])
    return np.array(
        [
            float(common.get(city) in right)
            for city, right in zip(questions.table["city"], questions.table["streams"], strict=True)
        ]
    )
