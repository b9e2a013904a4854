"""Say an answer in sentences; keep a generated text only if it agrees."""

from __future__ import annotations

from collections.abc import Iterable

from releaf.answers import Answer
from releaf.grounding import named_bins
from releaf.names import fold

MOST_NAMES = 3
"""Largest number of names of the list in a sentence."""


def say(answer: Answer) -> str:
    """Return the answer in sentences: the bin, the reason and the caution.

    A bin is named only if the answer is sure of it.
    """
    text = " ".join(_say_bin(part) if part.sure else _say_doubt(part) for part in answer.parts or (answer,))
    return f"{text} {answer.caution}" if answer.caution else text


def _say_bin(answer: Answer) -> str:
    item = answer.item[:1].upper() + answer.item[1:]
    names = answer.because[:MOST_NAMES]
    entries = " and ".join(f"“{name}” under {streams}" for name, streams in names)
    if answer.listed and len(answer.shares) == 1:
        same = fold(answer.listed) == fold(answer.item)
        return f"{'' if same else f'{item}: '}{answer.city} lists {answer.listed} under {answer.stream}."
    if answer.listed:
        bins = " or ".join(answer.shares)
        return f"{item}: {bins}. The list of {answer.city} has {entries}; choose the one that fits."
    if entries:
        return f"{item}: {answer.stream}. {answer.city} does not list this name, but it lists {entries}."
    share = round(100 * answer.probability)
    return f"{item}: {answer.stream} ({share} %). It is not on the list; similar items go there."


def _say_doubt(answer: Answer) -> str:
    return (
        f"Not sure where {answer.item} goes in {answer.city}: the list does not have it under this name. "
        "Describe it more exactly, with its material and whether it is empty, or ask your city."
    )


def agrees(text: str, answer: Answer, bins: Iterable[str]) -> bool:
    """Return whether a text names the bin of an answer and no other.

    The answer must be sure and about one item.

    Parameters
    ----------
    text : str
    answer : Answer
    bins : iterable of str
        All bins of the city.
    """
    named = named_bins(text, list(bins))
    return answer.sure and not answer.parts and named == (answer.stream,)


def written(text: str | None, answer: Answer, bins: Iterable[str]) -> tuple[str, bool]:
    """Return the text to show, and whether it is the generated one.

    The generated text is kept if it `agrees`; the caution of the answer follows it.
    """
    if text is None or not agrees(text, answer, bins):
        return say(answer), False
    return (f"{text} {answer.caution}" if answer.caution else text), True
