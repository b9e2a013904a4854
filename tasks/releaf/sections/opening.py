"""First screens of the page: three sentences, accuracy by bin, mistakes, search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from releaf.spelling import key
from releaf.suggestions import suggestions
from tasks.releaf.catalogue.names import kind_of
from tasks.releaf.contracts.report import GraphResults, ItemResults
from tasks.releaf.evaluate import EvaluateOutputs
from tasks.releaf.explorer import element
from tasks.releaf.explorer.data import Lists, answers_on_display, items_data, mistakes_data, read_lists
from tasks.releaf.explorer.script import STYLE
from tasks.releaf.streams import StreamScore
from tasks.report.blocks import Figure, Opening, Picture, count, joined, share

TITLE = "Which bin? How often the waste assistant is right, and where it fails"
FEWEST = 10
"""Test names that a bin must have to be named as the weakest."""
EXAMPLES = ("batteries", "pizza box", "diaper", "milk carton", "light bulb", "paint", "mattress")
"""Names to try in the search; the first is shown when the page opens."""


@dataclass(frozen=True)
class Explored:
    """The tested names and all items, as the figures show them."""

    tested: pd.DataFrame
    lists: Lists
    ideas: dict[str, list[str]]


def explored(items: ItemResults, answered: EvaluateOutputs, graph: GraphResults) -> Explored:
    """Return the tested names, all items, and the ideas fit for display."""
    lists = read_lists(items.items)
    names = dict(zip(graph.node_scores["node"], graph.node_scores["name"], strict=True))
    ideas: dict[str, list[str]] = {}
    for row in suggestions(graph.recommendations, names).itertuples():
        of_item = ideas.setdefault(key(row.name), [])
        if row.target_name not in of_item:
            of_item.append(row.target_name)
    return Explored(answers_on_display(answered.answers, items.items, items.names, lists), lists, ideas)


def opening(explored: Explored, answered: EvaluateOutputs, score: StreamScore) -> Opening:
    """Return the title, three sentences and three figures.

    Parameters
    ----------
    score : StreamScore
        Scores on the test names, of which the share of the commonest bin is a baseline.
    """
    tested = explored.tested
    mistakes = mistakes_data(tested)
    return Opening(
        TITLE,
        (_purpose(tested), _result(answered, score), _failures(answered.answers, tested)),
        (
            Figure(
                (Picture(element.bars(tested, mistakes, STYLE)),),
                "Share of held-out names whose bin is right, by city and by the bin on the list; the bar is "
                f"the 95% interval. A diamond marks less than {share(element.WEAK)}. Choose a bin to see "
                "its mistakes.",
                title="How often is it right?",
            ),
            Figure(
                (Picture(element.mistakes(tested, mistakes)),),
                f"The {count(len(tested))} held-out names by the bin on the city's list and the bin that the "
                "assistant gives. Blue cells are right. Choose a cell to see its names, with the reason.",
                title="Where does it fail?",
            ),
            Figure(
                (Picture(_search(explored)),),
                "All items of the cities' lists with their bins, in one spelling for each name. For a "
                "held-out name, the search also shows what the assistant answered without the list.",
                title="Which bin takes your item?",
            ),
        ),
    )


def _purpose(tested: pd.DataFrame) -> str:
    return (
        "Type the name of an item or take a photo, and the waste assistant tells you which bin takes it in "
        f"{joined(sorted(set(tested['city'])))}."
    )


def _result(answered: EvaluateOutputs, score: StreamScore) -> str:
    names = answered.evaluate.names
    return (
        f"It looks up what is on a city's list; for names that it has never seen, {share(names.right)} of "
        f"its bins are right ({count(round(names.right * names.questions))} of {count(names.questions)}; "
        f"always guessing the commonest bin: {share(score.commonest_stream)})."
    )


def _failures(answers: pd.DataFrame, tested: pd.DataFrame) -> str:
    scores = [found for found in element.bin_scores(tested) if found.names >= FEWEST]
    weakest = sorted(scores, key=lambda found: (found.share, found.city, found.bin))[:2]
    text = joined(
        f"“{found.bin}” in {found.city} ({found.right} of {found.names} right)" for found in weakest
    )
    dangerous, missed = _hazards(answers)
    sentence = (
        f"It is weakest on the bins {text}" if weakest else "No bin has enough names to be called the weakest"
    )
    if not dangerous:
        return f"{sentence}."
    return f"{sentence}, and {missed} of {dangerous} hazardous items got a bin for other waste."


def _hazards(answers: pd.DataFrame) -> tuple[int, int]:
    """Return the numbers of hazardous names, and of those given another bin."""
    hazardous = answers["right_streams"].map(
        lambda streams: all(kind_of(stream) == "hazardous" for stream in streams.split(", "))
    )
    missed = answers.loc[hazardous, "stream"].map(kind_of) != "hazardous"
    return int(hazardous.sum()), int(missed.sum())


def _search(explored: Explored) -> str:
    data: dict[str, Any] = items_data(explored.lists, explored.tested, explored.ideas)
    spelling = explored.lists.spelling
    return element.search(data, [spelling[key(name)] for name in EXAMPLES if key(name) in spelling])
