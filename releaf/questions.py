"""Items of a question: "batteries and a pizza box" asks for two."""

from __future__ import annotations

import re
from collections.abc import Callable

from releaf.names import asked_for
from releaf.words import spell

MOST_ITEMS = 8
"""Largest number of items of one question that are answered."""
_SEPARATORS = re.compile(
    r"\s*(?:[,;+\n]|\s&\s|\s/\s|\b(?:and also|as well as|along with|together with|and|plus|or)\b)\s*",
    re.IGNORECASE,
)
_AFTERTHOUGHT = re.compile(
    r"^(?:still|never|mostly|partly|partially|half|nearly|almost|already|not|no|but|without|is|are|was|it|"
    r"which|what|where|how|can|do|does|should|please|thanks?|help|with|for|from|in|on|old|new|used|unused|"
    r"broken|empty|full|dirty|clean|cracked|damaged|dead|dried|expired|slightly|very|some|left ?over|"
    r"smashed|shattered|rusty|worn|torn)\b",
    re.IGNORECASE,
)


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
    for part in _SEPARATORS.split(text):
        if not spell(part):
            continue
        if parts and _AFTERTHOUGHT.match(part) and not _names_an_item(part, is_listed):
            parts[-1] += f" {part}"  # "fireworks, never lit" is one item
        else:
            parts.append(asked_for(part))
    items = _with_heads(parts, is_listed)
    return tuple(dict.fromkeys(items))[:MOST_ITEMS] or (text,)


def _names_an_item(part: str, is_listed: Callable[[str], bool]) -> bool:
    return is_listed(part) or is_listed(" ".join(part.split()[1:]))


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
