"""What a person could type, which cards would be right, and which bin the cards found would name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Questions:
    """Names of items as they would be typed, one row a city and name.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns city, name, split, streams (set: the right ones), cited.
    relevance : ndarray of shape (questions, cards)
        1 where the card rests on the item.
    """

    table: pd.DataFrame
    relevance: NDArray[np.int64]

    def of(self, *splits: str) -> Questions:
        """Those of some splits."""
        kept = self.table["split"].isin(splits).to_numpy()
        return Questions(self.table[kept].reset_index(drop=True), self.relevance[kept])

    def cited(self) -> NDArray[np.bool_]:
        """Which have a card that rests on them."""
        return self.table["cited"].to_numpy(bool)


def ask(items: pd.DataFrame, cards: pd.DataFrame) -> Questions:
    """The questions that the items make; an item with two right streams is one question."""
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
    """Score of a card: that of its best passage, of shape (questions, cards); ``-inf`` without one."""
    found = np.full((len(scores), cards), -np.inf)
    for passage, card in enumerate(card_of):
        np.maximum(found[:, card], scores[:, passage], out=found[:, card])
    return found


def right_stream(
    scores: NDArray[np.float64], questions: Questions, streams: list[dict[str, list[str]]]
) -> NDArray[np.float64]:
    """How far the first card that knows the city names the right bin, of shape (questions,).

    Parameters
    ----------
    scores : ndarray of shape (questions, cards)
    streams : list of dict
        For each card and city the streams that it names.

    Returns
    -------
    ndarray
        1 if the card names one stream and it is right, 1/n if one of the n it names is, 0 if none is
        or no card was found.
    """
    found = np.zeros(len(scores))
    for question, (city, right) in enumerate(
        zip(questions.table["city"], questions.table["streams"], strict=True)
    ):
        row = np.where([city in named for named in streams], scores[question], -np.inf)
        if len(row) and np.isfinite(row.max()):
            named = streams[int(row.argmax())][city]
            found[question] = len(right.intersection(named)) / len(named)
    return found


def card_streams(cards: pd.DataFrame) -> list[dict[str, list[str]]]:
    """For each card and city the streams that its facts name."""
    found = []
    for named in cards["streams"]:
        by_city: dict[str, list[str]] = {}
        for text in named:
            city, _, stream = text.partition(": ")
            by_city.setdefault(city, []).append(stream)
        found.append(by_city)
    return found


def commonest_stream(questions: Questions, learnt_from: Questions) -> NDArray[np.float64]:
    """1 where the city's commonest stream in `learnt_from` is right: what is reached without reading."""
    rows = learnt_from.table.explode("streams")
    common = rows.groupby("city")["streams"].agg(lambda streams: streams.value_counts().index[0])
    return np.array(
        [
            float(common.get(city) in right)
            for city, right in zip(questions.table["city"], questions.table["streams"], strict=True)
        ]
    )
