"""Check whether a text is supported by the passages that it cites.

A sentence is supported in two cases. Either it names bins without a negation, and every bin is a bin of the
city in the facts of a cited passage. Or it is a quotation of a cited passage; then it may also name the bins
of other cities in the facts of cited passages. A sentence that names any other bin invalidates the whole
text. Other sentences without support are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from releaf.prompt import Passage

_CITATION = re.compile(r"\s*\[(\d+)\]")
_SENTENCE_BREAK = re.compile(r"(?:(?<=[.!?])|(?<=[.!?] \[\d\]))\s+(?!\[\d)")
_NEGATION = re.compile(r"\b(not|never|no|cannot|nor|neither|without|except|instead)\b|n't", re.IGNORECASE)


@dataclass(frozen=True)
class GroundingResult:
    """The supported part of a text.

    Attributes
    ----------
    text : str
        The supported sentences. It is empty if none is supported or one names another bin.
    cited : tuple of int
        Numbers of the passages that the text cites, in the order of the text.
    """

    text: str
    cited: tuple[int, ...]


def citations(text: str, passages: int) -> tuple[int, ...]:
    """Return the numbers that a text cites as ``[n]``, each once, in order.

    Numbers that are not in 1 to `passages` are ignored.
    """
    numbers = (int(number) for number in _CITATION.findall(text))
    return tuple(dict.fromkeys(number for number in numbers if 1 <= number <= passages))


def sentences(text: str) -> list[str]:
    """Split a text into sentences, each with the citations that follow it."""
    return [part for part in _SENTENCE_BREAK.split(text.strip()) if part]


def named_bins(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the `known` bins that a text names.

    Longer names are matched first, so that ``Garbage Bin`` does not count as ``Garbage`` too.
    """
    # An accent may be part of its letter or a character of its own; composed, both are one letter.
    names, text = [], unicodedata.normalize("NFC", text)
    for name in sorted(set(known), key=lambda bin_name: (-len(bin_name), bin_name)):
        pattern = re.compile(rf"(?<!\w){re.escape(unicodedata.normalize('NFC', name))}(?!\w)", re.IGNORECASE)
        if pattern.search(text):
            names.append(name)
            text = pattern.sub(" ", text)
    return tuple(names)


def ground(text: str, city: str, passages: Sequence[Passage]) -> GroundingResult:
    """Return the sentences of `text` that the cited passages support.

    Parameters
    ----------
    text : str
        Text of the model. A last sentence without an end was truncated, and is left out.
    city : str
    passages : sequence of Passage
        Passages in the order of their numbers in the prompt, from 1.
    """
    cited = citations(text, len(passages))
    known = _all_bins(passages)
    sources = [passages[number - 1] for number in cited]
    allowed = {name for source in sources for name in source.bins(city)}
    fact_bins = {stream.split(": ", 1)[1] for source in sources for stream in source.streams}
    quoted = [_plain(source.text) for source in sources]
    supported = []
    for sentence in sentences(text):
        plain = _plain(sentence)
        quotes = bool(plain) and any(plain in source for source in quoted)
        named = set(named_bins(_CITATION.sub("", sentence), known))
        if named - (fact_bins if quotes else allowed):
            return GroundingResult("", cited)
        if quotes or (named and _ended(sentence) and not _NEGATION.search(sentence)):
            supported.append(sentence)
    text = " ".join(supported)
    if text and set(citations(text, len(passages))) < set(cited):
        return ground(text, city, passages)  # sentences left out cannot support others
    return GroundingResult(text, cited)


def extract(city: str, passages: Sequence[Passage], number: int) -> str:
    """Return the sentence of a passage that is most specific to the city.

    It is the first one that names the city, else the first that names a bin of the city, else the first. A
    sentence that names a bin which is not in the facts of the passage is skipped.

    Parameters
    ----------
    city : str
    passages : sequence of Passage
        All passages of the prompt, whose bins a sentence can name.
    number : int
        Number of the passage, from 1.
    """
    passage = passages[number - 1]
    facts = {stream.split(": ", 1)[1] for stream in passage.streams}
    body = sentences(passage.text)[1:]  # the first one is the title
    known = _all_bins(passages)
    consistent = [sentence for sentence in body if set(named_bins(sentence, known)) <= facts]
    names_city = [sentence for sentence in consistent if city.lower() in sentence.lower()]
    names_bin = [sentence for sentence in consistent if named_bins(sentence, passage.bins(city))]
    return [*names_city, *names_bin, *consistent, f"{passage.title}."][0]


def _all_bins(passages: Sequence[Passage]) -> list[str]:
    return [stream.split(": ", 1)[1] for passage in passages for stream in passage.streams]


def _plain(text: str) -> str:
    """Return the words between spaces, so that only whole words match; empty if none."""
    composed = unicodedata.normalize("NFC", text)
    words = re.findall(r"\w+", _CITATION.sub("", composed).lower())
    return f" {' '.join(words)} " if words else ""


def _ended(sentence: str) -> bool:
    return sentence.rstrip().endswith((".", "!", "?", "]"))
