"""Names of items: fold spellings, and find the item of a question."""

from __future__ import annotations

import re
import unicodedata

_VERB = (
    r"(?:throw(?: (?:away|out))?|put(?: out)?|dispose of|discard|get rid of|recycle|compost|"
    r"toss(?: out)?|take|bring|do (?:with|about)|bin|chuck(?: (?:away|out))?|ditch|dump|drop(?: off)?|"
    r"sort|handle|donate|trash|flush)"
)
_WORDS_BEFORE = (
    r"(?:(?:where|how|when|what|which|in|bin|do|does|can|could|should|shall|must|may|am|are|is|i|we|you|one|it|"
    r"people|someone|allowed|supposed|best|way|the|a|right|correct|proper|properly|safely|safe|ok|okay|fine|"
    r"possible|legal|want|wants|need|needs|have|would|like|trying|going|know|tell|me|hi|hello|hey|please) )*"
)
_INTO = (
    r"(?: (?:away|out))?(?: (?:in|into|to|with) (?:the|my|a|our|which|what)? ?"
    r"(?:\w+ )?(?:bins?|carts?|trash|garbage|recycling|compost|rubbish|waste))?"
)
_PLACE = (
    r"(?: (?:safely|properly|correctly|responsibly|legally|now|today|anymore))?"
    r"(?:,? (?:in|at|here in) (?:the city|the city of toronto|toronto|seattle|nagai|here))?"
)
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|dear|excuse me|good (?:day|morning|evening))\b[ ,!.]+)+", re.IGNORECASE
)
_ASKED = tuple(
    re.compile(rf"(?:please )?{frame}{_INTO}{_PLACE}[\s?.!]*", re.IGNORECASE)
    for frame in (
        rf"{_WORDS_BEFORE}(?:i|we|you|one|people|to) {_VERB} (?P<item>.+?)",
        r"(?:where|(?:in(?:to)? )?(?:which|what) (?:bin|cart|container|stream)) "
        r"(?:do|does|can|should|must|will|would) (?P<item>.+?) (?:go|belong)(?: in(?:to)?)?",
        r"(?:do|does|can|should|will) (?P<item>.+?) (?:go|belong) (?:in|into|to|with)(?: the)? .+?",
        r"(?:i|we)(?: have|['’]ve)(?: got)? (?P<item>.+?)",
        r"(?:which|what) bin (?:is |are )?(?:for|takes) (?P<item>.+?)",
        r"(?:bin|disposal|disposing|recycling|getting rid|throwing (?:away|out)|where|what|how) "
        r"(?:of|for|about) "
        r"(?P<item>.+?)",
        r"(?:there (?:is|are)|there's|got|found) (?P<item>(?:an?|some|my|the|old) .+?)",
        r"(?:is|are) (?P<item>.+?) (?:recyclable|compostable|garbage|trash|hazardous|recycling|compost|"
        r"recycled|dangerous|rubbish|accepted|ok(?:ay)? (?:for|in) .+?)",
        r"(?P<item>.+?)[ ,;:.!?–-]+(?:so |and |but )?(?:(?:in )?(?:which|what) "
        r"(?:bin|cart|container|stream)\b.*|"
        r"(?:where|how|what) (?:do|does|should|shall|can|to|would|will|goes?|is)\b.*|goes where|"
        r"(?:is|are) (?:it|they|this|that|these) .+|recyclable|recycling\?|disposal|please|thanks?|"
        r"thank you)",
    )
)
_DETERMINERS = re.compile(
    r"(?:(?:a|an|the|my|our|your|some|this|these|those) )+(?:old )?(?=\S)", re.IGNORECASE
)
_WORDS = re.compile(r"[^\W_]+")


MOST_FRAMES = 3
"""Largest number of nested frames of a question: "hi, I have a jar, which bin?"."""


def asked_for(question: str) -> str:
    """Return the item that a question is about, or else the question itself.

    >>> asked_for("Where do I throw my old TV?"), asked_for("Is a milk carton recyclable?")
    ('TV', 'milk carton')
    >>> asked_for("can opener"), asked_for("how are you")
    ('can opener', 'how are you')
    """
    text = " ".join(question.split())
    text = _GREETING.sub("", text, count=1) if _GREETING.match(text) else text
    for _ in range(MOST_FRAMES):
        match = next((match for frame in _ASKED if (match := frame.fullmatch(text))), None)
        if match is None:
            break
        text = match["item"]
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
