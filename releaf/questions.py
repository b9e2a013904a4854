"""Items of a question: "batteries and a pizza box" asks for two."""

from __future__ import annotations

import re
from collections.abc import Callable

from releaf.names import asked_for
from releaf.vocabulary.spellings import FILLERS
from releaf.words import PHRASES_WITH_AND, spell

_AND = "\0"
MOST_ITEMS = 8
"""Largest number of items of one question that are answered."""
_SEPARATORS = re.compile(
    r"\s*(?:[,;+\n]|\s&\s|\s/\s|\b(?:and also|as well as|along with|together with|and|plus|or)\b)\s*",
    re.IGNORECASE,
)
_AFTERTHOUGHT = re.compile(
    r"^(?:still|never|isn['’]t|aren['’]t|wasn['’]t|un\w+e[dn]|non|minus|missing|except|intact|rinsed|washed|mostly|partly|partially|half|nearly|almost|already|not|no|but|without|is|are|was|it|"
    r"which|what|where|how|can|do|does|should|please|thanks?|help|with|for|from|in|on|old|new|used|unused|"
    r"broken|empty|full|dirty|clean|cracked|damaged|dead|dried|expired|slightly|very|some|left ?over|"
    r"smashed|shattered|rusty|worn|torn)\b",
    re.IGNORECASE,
)

_DENIAL = re.compile(r"^(?:without|minus|missing|lacking|except|not|no|isn['’]t|aren['’]t)\b", re.IGNORECASE)
_JOINED = re.compile(
    "|".join(
        r"\b" + r"s?\s*(?:&|\band\b)\s*".join(re.escape(" ".join(part)) for part in parts) + r"s?\b"
        for parts in PHRASES_WITH_AND
    ),
    re.IGNORECASE,
)
"""Names with "and" that are one name: "Head & Shoulders"."""
_OWN = re.compile(r"(?:its|their)\s+(?=\S)", re.IGNORECASE)


def items_of(question: str, is_listed: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the items that a question is about, in order, at least one.

    Parameters
    ----------
    question : str
    is_listed : callable
        Whether a text is the name of one item; such a text is not divided ("pots and pans").
    """
    text = asked_for(question)
    if is_listed(text):
        return (text,)
    parts: list[str] = []
    whole = _JOINED.sub(lambda found: re.sub(r"\s*(?:&|\band\b)\s*", _AND, found[0]), text)
    for part in (part.replace(_AND, " and ") for part in _SEPARATORS.split(whole)):
        if not spell(part):
            continue
        if parts and _describes(part, is_listed):
            parts[-1] += f" {part}"  # "fireworks, never lit" is one item
        else:
            parts.append(_with_owner(parts[-1], part, is_listed) if parts else asked_for(part))
    items = _with_heads(parts, is_listed)
    return tuple(dict.fromkeys(items))[:MOST_ITEMS] or (text,)


def _describes(part: str, is_listed: Callable[[str], bool]) -> bool:
    """Return whether a part describes the item before it, as "missing its lid"."""
    if _DENIAL.match(part) or all(word in FILLERS for word in spell(part)):
        return True
    if not _AFTERTHOUGHT.match(part):
        return False
    return not is_listed(part) and not is_listed(" ".join(part.split()[1:]))


def _with_owner(before: str, part: str, is_listed: Callable[[str], bool]) -> str:
    """Return the item that belongs to the one before it, as in "a CD and its case"."""
    own = _OWN.match(part)
    if own is None:
        return asked_for(part)
    owned = f"{before.split()[-1]} {part[own.end() :]}"
    return owned if is_listed(owned) else part[own.end() :]


def _with_heads(parts: list[str], is_listed: Callable[[str], bool]) -> list[str]:
    """Give the parts the head noun of the last: "milk and juice cartons"."""
    if len(parts) < 2 or len(parts[-1].split()) < 2:
        return parts
    head = parts[-1].split()[-1]
    return [
        f"{part} {head}"
        if len(part.split()) == 1 and not is_listed(part) and is_listed(f"{part} {head}")
        else part
        for part in parts[:-1]
    ] + parts[-1:]
