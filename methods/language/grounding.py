"""Does what a model wrote rest on the passages that it cites?

A sentence holds if it names bins and every one of them is a bin of the city in the facts of a cited
passage, without a word of denial; or if it stands in a cited passage, whose bins of other cities it may
name too. A sentence that names another bin spoils the whole text; others that do not hold are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from methods.language.prompt import Passage

_CITATION = re.compile(r"\s*\[(\d+)\]")
_BETWEEN = re.compile(r"(?:(?<=[.!?])|(?<=[.!?] \[\d\]))\s+(?!\[\d)")
_DENIAL = re.compile(r"\b(not|never|no|cannot|nor|neither|without|except|instead)\b|n't", re.IGNORECASE)


@dataclass(frozen=True)
class Grounded:
    """What of a text holds.

    Attributes
    ----------
    text : str
        The sentences that hold; empty if none does or one names another bin.
    cited : tuple of int
        Numbers of passages given that the text cites, in its order.
    """

    text: str
    cited: tuple[int, ...]


def citations(text: str, passages: int) -> tuple[int, ...]:
    """The numbers 1 to `passages` that a text cites as ``[n]``, each once, in its order."""
    found = (int(number) for number in _CITATION.findall(text))
    return tuple(dict.fromkeys(number for number in found if 1 <= number <= passages))


def sentences(text: str) -> list[str]:
    """Split after a full stop, question or exclamation mark, with a citation that follows it."""
    return [part for part in _BETWEEN.split(text.strip()) if part]


def named_bins(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Which of the `known` bins a text names, longer names first: ``Garbage Bin`` is not also ``Garbage``."""
    found = []
    for name in sorted(set(known), key=lambda one: (-len(one), one)):
        pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        if pattern.search(text):
            found.append(name)
            text = pattern.sub(" ", text)
    return tuple(found)


def ground(text: str, city: str, passages: Sequence[Passage]) -> Grounded:
    """Keep the sentences of `text` that hold.

    Parameters
    ----------
    text : str
        As the model wrote it; a last sentence without an end was cut off and is left out.
    city : str
    passages : sequence of Passage
        As they were numbered in the prompt, from 1.
    """
    cited = citations(text, len(passages))
    known = _known(passages)
    sources = [passages[number - 1] for number in cited]
    allowed = {name for source in sources for name in source.bins(city)}
    of_facts = {stream.split(": ", 1)[1] for source in sources for stream in source.streams}
    quoted = [_plain(source.text) for source in sources]
    kept = []
    for sentence in sentences(text):
        plain = _plain(sentence)
        quotes = bool(plain) and any(plain in source for source in quoted)
        named = set(named_bins(_CITATION.sub("", sentence), known))
        if named - (of_facts if quotes else allowed):
            return Grounded("", cited)
        if quotes or (named and _ended(sentence) and not _DENIAL.search(sentence)):
            kept.append(sentence)
    text = " ".join(kept)
    if text and set(citations(text, len(passages))) < set(cited):
        return ground(text, city, passages)  # what was left out can bear out nothing
    return Grounded(text, cited)


def extract(city: str, passages: Sequence[Passage], number: int) -> str:
    """The sentence of a passage that says most about the city: it names it, or one of its bins, or is first.

    A sentence that names a bin which the facts behind the passage do not is passed over.

    Parameters
    ----------
    city : str
    passages : sequence of Passage
        All that were given, for the bins that can be named.
    number : int
        Of the passage, from 1.
    """
    passage = passages[number - 1]
    facts = {stream.split(": ", 1)[1] for stream in passage.streams}
    body = sentences(passage.text)[1:]  # the first one is the title
    held = [one for one in body if set(named_bins(one, _known(passages))) <= facts]
    names_city = [sentence for sentence in held if city.lower() in sentence.lower()]
    names_bin = [sentence for sentence in held if named_bins(sentence, passage.bins(city))]
    return [*names_city, *names_bin, *held, f"{passage.title}."][0]


def _known(passages: Sequence[Passage]) -> list[str]:
    return [stream.split(": ", 1)[1] for passage in passages for stream in passage.streams]


def _plain(text: str) -> str:
    """Words alone, between blanks, so that only whole words are found in each other; empty without any."""
    words = re.findall(r"\w+", _CITATION.sub("", text).lower())
    return f" {' '.join(words)} " if words else ""


def _ended(sentence: str) -> bool:
    return sentence.rstrip().endswith((".", "!", "?", "]"))
