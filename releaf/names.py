"""Names of items: fold spellings, and find the item of a question."""

from __future__ import annotations

import re
import unicodedata

_VERB = (
    r"(?:throw(?: (?:away|out))?|put|dispose of|discard|get rid of|recycle|compost|toss|take|bring|do with)"
)
_WORDS_BEFORE = (
    r"(?:(?:where|how|when|what|which|in|bin|do|can|could|should|must|may|am|are|i|we|you|allowed|best) )*"
)
_INTO = r"(?: (?:in|into|to|with) (?:the|my|a) (?:\w+ )?(?:bin|cart|trash|garbage|recycling|compost))?"
_ASKED = tuple(
    re.compile(rf"(?:please )?{frame}{_INTO}[\s?.!]*", re.IGNORECASE)
    for frame in (
        rf"{_WORDS_BEFORE}(?:i|we|you|to) {_VERB} (?P<item>.+?)",
        r"(?:where|(?:in(?:to)? )?(?:which|what) bin) (?:do|does|can|should|must|will) (?P<item>.+?)"
        r" (?:go|belong)(?: in(?:to)?)?",
        r"(?:i|we)(?: have|['’]ve)(?: got)? (?P<item>.+?)",
        r"(?:which|what) bin (?:is |are )?for (?P<item>.+?)",
        r"(?:is|are) (?P<item>.+?) (?:recyclable|compostable|garbage|trash|hazardous|recycling|compost)",
    )
)
_DETERMINERS = re.compile(
    r"(?:(?:a|an|the|my|our|your|some|this|these|those) )+(?:old )?(?=\S)", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W_]+")


def asked_for(question: str) -> str:
    """Return the item that a question is about, or else the question itself.

    >>> asked_for("Where do I throw my old TV?"), asked_for("Is a milk carton recyclable?")
    ('TV', 'milk carton')
    >>> asked_for("can opener"), asked_for("how are you")
    ('can opener', 'how are you')
    """
    text = " ".join(question.split())
    for frame in _ASKED:
        if match := frame.fullmatch(text):
            text = match["item"]
            break
    return _DETERMINERS.sub("", text, count=1) if _DETERMINERS.match(text) else text


def fold(name: str) -> str:
    """Return a name without case, accents, punctuation and English plural endings.

    Words in brackets stay: an empty can and a full can are two items.

    >>> fold("Glass Bottles"), fold("glass bottle"), fold("Aerosol cans (empty)"), fold("Batteries")
    ('glass bottle', 'glass bottle', 'aerosol can empty', 'battery')
    """
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    words = [_singular(word) for word in _WORDS.findall(text)]
    return " ".join(words) or name.strip().casefold()


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
