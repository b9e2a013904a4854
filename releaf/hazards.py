"""Recognise hazardous items by their words, whether a list has them or not.

A hazard is a word or phrase of `releaf.vocabulary.hazards` in any spelling, a part of a compound word
("autobattery"), a synonym ("nail varnish"), or the product of a brand ("Duracell"). It does not count if the
words deny it ("battery-free"), if it is part of a harmless phrase ("gas bill"), or if the item is only its
packaging or picture ("light bulb box").
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from releaf.vocabulary.hazards import (
    ADVICE,
    HARMLESS,
    HARMLESS_HEADS,
    HAZARDS,
    INSIDE,
    NEGATIONS,
    PICTURES,
    SAFE_WORDS,
    STEMS,
)
from releaf.words import LEXICON, Words, products, rename, repair, spell

_HAZARDS = {spell(" ".join(phrase)): hazard for phrase, hazard in HAZARDS.items()}
_HARMLESS = frozenset(spell(" ".join(phrase)) for phrase in HARMLESS)
_KNOWN = LEXICON | {word for phrase in (*_HAZARDS, *_HARMLESS) for word in phrase}
_OF = frozenset({"of", "with", "containing", "full", "for", "from", "in"})
_OWN = frozenset({"a", "an", "any", "the", "its", "their"})
_LONGEST = 5


@lru_cache(maxsize=16384)
def hazard_of(text: str) -> str | None:
    """Return the hazard that a text names, a key of `ADVICE`, or None.

    >>> hazard_of("lithium-ion powerbank"), hazard_of("battery-free toy"), hazard_of("e-bike batteries")
    ('battery', None, 'battery')
    >>> hazard_of("gas bill"), hazard_of("light bulb box"), hazard_of("box of light bulbs")
    (None, None, 'bulb')
    """
    spelled = spell(text)
    kept = _without_harmless(spelled)
    if not kept or _only_names_it(kept):
        return None
    forms = [kept, repair(kept, _KNOWN)]
    forms += [rename(form) for form in tuple(forms)]
    forms += [rename(product) for product in products(kept)]
    for form in dict.fromkeys(forms):
        if hazard := _first(_without_harmless(form)):
            return hazard
    return next((hazard for word in kept if (hazard := _by_stem(word))), None)


def advice_on(hazard: str) -> str:
    """Return one sentence of advice on a hazard."""
    advice = ADVICE[hazard]
    return f"{advice[0].upper()}{advice[1:]}."


def _without_harmless(words: Words) -> Words:
    kept: list[str] = []
    at = 0
    while at < len(words):
        sizes = range(min(_LONGEST, len(words) - at), 1, -1)
        if size := next((size for size in sizes if words[at : at + size] in _HARMLESS), 0):
            at += size
        elif (at + 1 < len(words) and words[at + 1] == "free") or (
            words[at] in NEGATIONS and at + 1 < len(words) and (words[at + 1],) in _HAZARDS
        ):
            at += 2
        elif (
            words[at : at + 1] == ("without",)
            and words[at + 2 : at + 3]
            and (words[at + 1] in _OWN and (words[at + 2],) in _HAZARDS)
        ):
            at += 3  # "a torch without its batteries"
        elif (words[at],) in _HARMLESS:
            at += 1
        else:
            kept.append(words[at])
            at += 1
    return tuple(kept)


def _only_names_it(words: Words) -> bool:
    """Return whether the item is paper or decoration without the hazard inside."""
    if any(word in PICTURES and after in ("of", "about", "for") for word, after in pairwise(words)):
        return True
    inside = any(word in _OF or word in INSIDE for word in words)
    return words[-1] in HARMLESS_HEADS and not inside


def _first(words: Words) -> str | None:
    for size in range(min(_LONGEST, len(words)), 0, -1):
        for at in range(len(words) - size + 1):
            if hazard := _HAZARDS.get(words[at : at + size]):
                return hazard
    return None


def _by_stem(word: str) -> str | None:
    if word in SAFE_WORDS:
        return None
    return next((hazard for stem, hazard in STEMS.items() if stem in word), None)
