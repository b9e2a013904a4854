"""Test answers with reasons, and all items, as data of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from releaf.bins import full_name
from releaf.spelling import key, proper_nouns, spellings

LOWER_CASE_LIST = "Toronto"
"""City whose list is in lower case, so that its capitals are those of proper nouns and abbreviations."""

REASONS = {
    (True, True): "The cards alone and the model of the list alone both find the right bin.",
    (True, False): "The cards alone find the right bin, the model of the list does not.",
    (False, True): "The model of the list alone finds the right bin, the cards do not.",
    (False, False): "Neither the cards alone nor the model of the list alone finds the right bin.",
}
"""By whether the cards alone, and the model of the list alone, are right."""


@dataclass(frozen=True)
class Lists:
    """All items of the lists on display.

    Attributes
    ----------
    spelling : mapping of str to str
        Spelling of each key of a name; see `releaf.spelling`.
    items : DataFrame
        Columns ``name`` (on display), ``key``, ``city``, ``bin`` (on display) and ``split``.
    """

    spelling: Mapping[str, str]
    items: pd.DataFrame

    def shown(self, name: str) -> str:
        """Return the spelling of a name on a list."""
        return self.spelling[key(name)]


def read_lists(items: pd.DataFrame) -> Lists:
    """Return the items with one spelling for each name."""
    proper = proper_nouns(items.loc[items["city"] == LOWER_CASE_LIST, "name"])
    spelling = spellings(items["name"], proper)
    keys = items["name"].map(key)
    table = pd.DataFrame(
        {
            "name": keys.map(spelling),
            "key": keys,
            "city": items["city"],
            "bin": items["stream"].map(full_name),
            "split": items["split"],
        }
    )
    return Lists(spelling, table.reset_index(drop=True))


def answers_on_display(
    answers: pd.DataFrame, items: pd.DataFrame, names: pd.DataFrame, lists: Lists
) -> pd.DataFrame:
    """Return each test name with its bins and the reason of the answer.

    A name with several right bins has the predicted one as its true bin if that is right, else the first.
    ``nearest`` is the most similar name that the assistant knew in this city, with its bin.
    """
    right = answers["right_streams"].str.split(", ")
    true = [given if given in bins else bins[0] for given, bins in zip(answers["stream"], right, strict=True)]
    reasons = [
        REASONS[bool(cards), bool(listed)]
        for cards, listed in zip(answers["by_cards"], answers["by_list"], strict=True)
    ]
    table = pd.DataFrame(
        {
            "city": answers["city"],
            "name": answers["name"].map(lists.shown),
            "key": answers["name"].map(key),
            "true": [full_name(stream) for stream in true],
            "given": answers["stream"].map(full_name),
            "right": answers["by_assistant"],
            "probability": answers["probability"],
            "on_card": answers["cited"],
            "reason": reasons,
            "nearest": _nearest(answers, items, names, lists),
        }
    )
    order = ["city", "right", "probability", "name"]
    return table.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def _nearest(answers: pd.DataFrame, items: pd.DataFrame, names: pd.DataFrame, lists: Lists) -> list[str]:
    """Return the most similar training name, by the cosine of the vectors."""
    vector = dict(zip(names["name"], names["vector"], strict=True))
    found = pd.Series("", index=answers.index)
    for city, asked in answers.groupby("city"):
        known = items[(items["city"] == city) & (items["split"] == "train")]
        if known.empty:
            continue
        known_vectors, asked_vectors = (
            np.stack([vector[name] for name in table["name"]]).astype(float) for table in (known, asked)
        )
        best = known.iloc[(asked_vectors @ known_vectors.T).argmax(axis=1)]
        found[asked.index] = [
            f"{lists.shown(name)} ({full_name(stream)})"
            for name, stream in zip(best["name"], best["stream"], strict=True)
        ]
    return found.tolist()


def mistakes_data(tested: pd.DataFrame) -> dict[str, Any]:
    """Return the tested names as columns for the script of the page."""
    cities, bins, reasons = (sorted(set(values)) for values in (
        tested["city"], [*tested["true"], *tested["given"]], tested["reason"],
    ))  # fmt: skip
    return {
        "cities": cities,
        "bins": bins,
        "reasons": reasons,
        "name": tested["name"].tolist(),
        "city": [cities.index(city) for city in tested["city"]],
        "true": [bins.index(name) for name in tested["true"]],
        "given": [bins.index(name) for name in tested["given"]],
        "percent": [round(100 * value) for value in tested["probability"]],
        "card": tested["on_card"].astype(int).tolist(),
        "reason": [reasons.index(reason) for reason in tested["reason"]],
        "nearest": tested["nearest"].tolist(),
    }


def items_data(lists: Lists, tested: pd.DataFrame, ideas: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return all items with their bins by city, for the search of the page.

    An item is ``[name, [[city, [bin, ...], answer, percent], ...], [idea, ...]]``. Cities and bins are
    positions; `answer` is the bin that the assistant gave to the held-out name, or -1 if it was not tested.

    Parameters
    ----------
    ideas : mapping of str to sequence of str
        Suggestions by the key of a name.
    """
    items = lists.items
    cities, bins = sorted(set(items["city"])), sorted({*items["bin"], *tested["given"]})
    answers = {
        (row.city, row.key): (bins.index(row.given), round(100 * row.probability))
        for row in tested.itertuples()
    }
    entries: dict[str, list[Any]] = {}
    for (folded, city), rows in items.groupby(["key", "city"]):
        entry = entries.setdefault(folded, [lists.spelling[folded], [], list(ideas.get(folded, ()))])
        places = sorted({bins.index(name) for name in rows["bin"]})
        entry[1].append([cities.index(city), places, *answers.get((city, folded), (-1, 0))])
    return {
        "cities": cities,
        "bins": bins,
        "items": sorted(entries.values(), key=lambda entry: (entry[0].casefold(), entry[0])),
    }
