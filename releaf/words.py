"""Normal form of an item: spelling, singular, one name for synonyms.

A question and the names of a list pass through the same functions, so that "Yoghurt pots" and
"yogourt tubs" meet in one form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache

from releaf.vocabulary import words as word_list
from releaf.vocabulary.brands import BRANDS
from releaf.vocabulary.kinds import KINDS
from releaf.vocabulary.spellings import FILLERS, PLURALS, SPELLINGS
from releaf.vocabulary.synonyms import SYNONYMS

Words = tuple[str, ...]

_TOKENS = re.compile(r"[a-z0-9]+")
_GLASSES = frozenset({"reading", "prescription", "eye", "safety", "sun", "3d"})
_JOINED = {
    "sun glass": "sunglass", "make up": "makeup", "e cig": "electronic cigarette", "co 2": "co2",
    "x mas": "christmas", "wi fi": "wifi", "light bulb": "bulb", "lamp bulb": "bulb", "wash up": "washing up",
    "hair spray": "hairspray", "tin foil": "aluminum foil", "blu ray": "bluray", "tooth brush": "toothbrush",
    "tooth paste": "toothpaste", "eye glass": "eyeglass", "flash light": "flashlight", "ash tray": "ashtray",
    "take away": "take out", "takeaway": "take out", "takeout": "take out", "half full": "full",
    "hard cover": "hardcover", "paper back": "paperback", "nut butter": "peanut butter",
}  # fmt: skip
_WHOLE_ONLY = frozenset(
    word_list("""
    sheet cord board tee trainer runner range remote mobile ad cooker watch shades elastic
    drier dryer washer wipe foil rag lint gum hose blind pop stick banana grass cola plush teddy drug pill
    prescription vac razor phone desktop pc thinner copier oven aerosol lidar shaver coolant propane leftover
    fluorescent incandescent halogen alkaline led tissue charger toner copper mat twig cell acetone
    board buggy torch hob timber med meds menu marker trouser jumper grill lancet vape plank
    stocking tights quilt circular toothpaste headset sparkler tetrapak tetrapack
    """)
)
"""Synonyms of one word that stand for an item only where they are its whole name."""
_LONGEST = 5


@lru_cache(maxsize=65536)
def spell(text: str) -> Words:
    """Return the words of a text: lower case, one spelling, singular.

    >>> spell("Yoghurt Tubs"), spell("aluminium tyres"), spell("reading glasses")
    (('yogurt', 'tub'), ('aluminum', 'tire'), ('reading', 'eyeglass'))
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    folded = "".join(letter for letter in folded if not unicodedata.combining(letter))
    tokens = _TOKENS.findall(re.sub(r"['’`´]", "", folded.replace("&", " and ")))
    words: list[str] = []
    for token in tokens:
        if token == "glasses" and (not words or words[-1] in _GLASSES):
            words.append("eyeglass")
            continue
        word = SPELLINGS.get(token) or SPELLINGS.get(singular(token), singular(token))
        words.extend(word.split("-"))
    return _join(tuple(words))


def singular(word: str) -> str:
    """Return the singular of an English noun.

    >>> singular("batteries"), singular("knives"), singular("boxes"), singular("glass")
    ('battery', 'knife', 'box', 'glass')
    """
    if word in PLURALS:
        return PLURALS[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _join(words: Words) -> Words:
    joined: list[str] = []
    at = 0
    while at < len(words):
        pair = " ".join(words[at : at + 2])
        if pair in _JOINED:
            joined += _JOINED[pair].split()
            at += 2
        else:
            joined += _JOINED.get(words[at], words[at]).split()
            at += 1
    return tuple(joined)


def _spelled(table: Mapping[Words, Words]) -> dict[Words, Words]:
    return {spell(" ".join(phrase)): spell(" ".join(name)) for phrase, name in table.items()}


_SYNONYMS, _BRANDS = _spelled(SYNONYMS), _spelled(BRANDS)
_RENAMED = {name: name for name in _SYNONYMS.values()} | _SYNONYMS
PHRASES_WITH_AND = tuple(
    (phrase[: phrase.index("and")], phrase[phrase.index("and") + 1 :])
    for phrase in (*_BRANDS, *_SYNONYMS)
    if "and" in phrase
)
"""The words before and after "and" of each brand and synonym that has one."""
KIND_TABLES = tuple(
    (
        tuple(spell(" ".join(name)) for name in names),
        frozenset(spell(" ".join(member)) for member in (*names, *members)),
    )
    for names, members in KINDS
)
"""Names and items of each kind, in normal form."""
LEXICON = frozenset(
    word
    for phrases in (_RENAMED, _SYNONYMS.values(), _BRANDS, _BRANDS.values())
    for phrase in phrases
    for word in phrase
) | frozenset(word for names, members in KIND_TABLES for phrase in (*names, *members) for word in phrase)
"""Words of the vocabulary."""


def repair(words: Words, lexicon: frozenset[str]) -> Words:
    """Return the words with unknown ones split in two known ones, or corrected.

    A word of at least five letters is corrected if exactly one known word of at least five letters is a
    single insertion, deletion, change or exchange of neighbours away.
    """
    return tuple(part for word in words for part in _repair_word(word, lexicon))


@lru_cache(maxsize=4096)
def _repair_word(word: str, lexicon: frozenset[str]) -> Words:
    if word in lexicon or word in FILLERS or len(word) < 5 or word.isdigit():
        return (word,)
    for at in range(len(word) - 3, 2, -1):
        first, last = singular(word[:at]), word[at:]
        # A split such as "new paper" says less than the correction "newspaper".
        if first in lexicon and last in lexicon and not {first, last} & FILLERS:
            return (first, last)
    near = {
        spell(other) for other in _edits(word) if len(other) >= 5 and (other in lexicon or other in SPELLINGS)
    }
    return near.pop() if len(near) == 1 else (word,)


def _edits(word: str) -> set[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    edits = {head + tail[1:] for head, tail in cuts if tail}
    edits |= {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    edits |= {head + letter + tail for head, tail in cuts for letter in letters}
    edits |= {head + letter + tail[1:] for head, tail in cuts if tail for letter in letters}
    return edits - {word}


def rename(words: Words) -> Words:
    """Return the words with each name replaced by the one that stands for it.

    >>> rename(("dirty", "nappy")), rename(("cling", "film"))
    (('dirty', 'diaper'), ('plastic', 'wrap'))
    """
    renamed: list[str] = []
    at = 0
    while at < len(words):
        for size in range(min(_LONGEST, len(words) - at), 0, -1):
            phrase = words[at : at + size]
            alone = size == len(words)
            if phrase in _RENAMED and (size > 1 or alone or phrase[0] not in _WHOLE_ONLY):
                renamed += _RENAMED[phrase]
                at += size
                break
        else:
            renamed.append(words[at])
            at += 1
    return tuple(renamed)


def without_fillers(words: Words, fillers: frozenset[str] = FILLERS) -> Words:
    """Return the words that say what an item is; all of them if there are none."""
    return tuple(word for word in words if word not in fillers) or words


def products(words: Words) -> Iterator[Words]:
    """Yield the words with a brand replaced by its product, then without the brand."""
    for size in range(min(3, len(words)), 0, -1):
        for at in range(len(words) - size + 1):
            brand = words[at : at + size]
            if brand not in _BRANDS:
                continue
            before, after, product = words[:at], words[at + size :], _BRANDS[brand]
            others = before + after
            if product:
                yield _once((*before, *product, *after))
                if others and product[-1] != others[-1]:
                    yield _once((*before, product[0], *after))
            elif others:
                yield others
            return


def _once(words: Words) -> Words:
    return tuple(dict.fromkeys(words))
