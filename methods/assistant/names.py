"""When two names are the same name."""

from __future__ import annotations

import re
import unicodedata

_WORDS = re.compile(r"[^\W_]+")


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
