"""When two names are the same name, and what a question asks about."""

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
        rf"{_WORDS_BEFORE}(?:i|we|you|to) {_VERB} (?P<thing>.+?)",
        r"(?:where|(?:in(?:to)? )?(?:which|what) bin) (?:do|does|can|should|must|will) (?P<thing>.+?)"
        r" (?:go|belong)(?: in(?:to)?)?",
        r"(?:i|we)(?: have|['’]ve)(?: got)? (?P<thing>.+?)",
        r"(?:which|what) bin (?:is |are )?for (?P<thing>.+?)",
        r"(?:is|are) (?P<thing>.+?) (?:recyclable|compostable|garbage|trash|hazardous|recycling|compost)",
    )
)
_DETERMINERS = re.compile(
    r"(?:(?:a|an|the|my|our|your|some|this|these|those) )+(?:old )?(?=\S)", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W_]+")


def asked_for(question: str) -> str:
    """The thing that a question asks about, without the words of asking; else the question as it is.

    >>> asked_for("Where do I throw my old TV?"), asked_for("Is a milk carton recyclable?")
    ('TV', 'milk carton')
    >>> asked_for("can opener"), asked_for("how are you")
    ('can opener', 'how are you')
    """
    text = " ".join(question.split())
    for frame in _ASKED:
        if found := frame.fullmatch(text):
            text = found["thing"]
            break
    return _DETERMINERS.sub("", text, count=1) if _DETERMINERS.match(text) else text


def fold(name: str) -> str:
    """Fold a name so that its spellings agree: case, accents, signs and a plural do not count.

    Words in brackets stay: an empty can and a full one are two things.

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
