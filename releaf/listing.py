"""Arrange the names of a city's list, so that they are found in any form.

A row such as "Milk and Juice Cartons" stands for several names. Each is brought to normal form
(`releaf.words`), with its head noun last and without what it denies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from releaf.negation import Statement, read_statement
from releaf.vocabulary import words as word_list
from releaf.vocabulary.spellings import NAME_FILLERS
from releaf.words import LEXICON, Words, rename, singular, spell, without_fillers

Key = TypeVar("Key")

_BRACKETS = re.compile(r"[(（]([^)）]*)[)）]?")
_SEPARATORS = re.compile(r"\s*(?:,|/|;|\band\b|&|--)\s*", re.IGNORECASE)
_PREPOSITIONS = ("with", "of", "for", "from", "made", "in", "containing")
MATERIALS = frozenset(
    word_list(
        "plastic paper cardboard metal aluminum steel glass wood ceramic clay styrofoam foam rubber wax "
        "waxed compostable biodegradable concrete nylon bamboo"
    )
)
"""Materials: an item of one of them is not a name without it."""
_EXAMPLES = re.compile(r"\betc\b|\bincluding\b|\be\.g\.|\bsuch as\b")


@dataclass(frozen=True)
class ListIndex:
    """A list, arranged for `find`.

    Attributes
    ----------
    letters : dict of str to tuple of int
        Places of the names by the letters of their words, without spaces.
    names : dict of frozenset of str to tuple of int
        Places by the renamed words.
    plain : dict of frozenset of str to tuple of int
        Places by the renamed words without fillers.
    by_head : dict of str to list of (frozenset of str, int)
        Renamed words and place of the names, by head noun.
    statements : tuple of Statement
        What each name says and denies.
    lexicon : frozenset of str
        Known words.
    bins : tuple of tuple of str
        Streams of each name.
    """

    letters: dict[str, tuple[int, ...]]
    names: dict[frozenset[str], tuple[int, ...]]
    plain: dict[frozenset[str], tuple[int, ...]]
    by_head: dict[str, list[tuple[frozenset[str], int]]]
    statements: tuple[Statement, ...]
    lexicon: frozenset[str]
    bins: tuple[tuple[str, ...], ...]


def build_index(names: Sequence[str], bins: Sequence[tuple[str, ...]]) -> ListIndex:
    """Arrange the names of a list for `find`."""
    letters: dict[str, tuple[int, ...]] = {}
    by_name: dict[frozenset[str], tuple[int, ...]] = {}
    plain: dict[frozenset[str], tuple[int, ...]] = {}
    by_head: dict[str, list[tuple[frozenset[str], int]]] = {}
    lexicon = set(LEXICON)
    for place, name in enumerate(names):
        for text in other_names(name):
            words = spell(text)
            if not words:
                continue
            lexicon.update(words)
            _add(letters, "".join(words), place)
            renamed = rename(reorder(read_statement(words).words))
            _add(by_name, frozenset(renamed), place)
            bare = without_fillers(renamed, NAME_FILLERS)
            _add(plain, frozenset(bare), place)
            by_head.setdefault(bare[-1], []).append((frozenset(bare), place))
    return ListIndex(
        letters,
        by_name,
        plain,
        by_head,
        tuple(read_statement(spell(name)) for name in names),
        frozenset(lexicon),
        tuple(bins),
    )


def _add(table: dict[Key, tuple[int, ...]], key: Key, place: int) -> None:
    if place not in table.get(key, ()):
        table[key] = (*table.get(key, ()), place)


def other_names(name: str) -> list[str]:
    """Return the names that a row of a list stands for.

    >>> other_names("Milk and Juice Cartons")
    ['Milk and Juice Cartons', 'Juice Cartons', 'Milk Cartons']
    >>> other_names("Glass Bottles and Jars")
    ['Glass Bottles and Jars', 'Glass Bottles', 'Jars', 'Glass Jars']
    """
    base = _BRACKETS.sub(" ", name)
    names = [name, base] if base != name else [name]
    for inside in _BRACKETS.findall(name):
        if _EXAMPLES.search(inside):
            names += re.split(r"[,;]| - ", _EXAMPLES.sub("", inside))
    parts = [part for part in _SEPARATORS.split(base.strip()) if part and part != "etc."]
    if len(parts) > 1:
        names += _share_words(parts)
        if "--" in base and len(parts) == 2:
            names.append(f"{parts[1]} {parts[0]}")
    return names


def _share_words(parts: list[str]) -> list[str]:
    first, last = parts[0].split(), parts[-1].split()
    names = []
    for number, part in enumerate(parts):
        words = part.split()
        adjective = singular(words[-1].casefold()) == words[-1].casefold()
        if number < len(parts) - 1 and adjective and len(last) > 1:
            continue  # "Milk" in "Milk and Juice Cartons" is no item of the row
        names.append(part)
    if len(last) > 1:
        heads = last[1:]
        names += [
            " ".join([*part.split(), *heads])
            for part in parts[:-1]
            if singular(part.split()[-1].casefold()) == part.split()[-1].casefold()
        ]
        if len(first) == 1 and len(last) == 2 and first[0].casefold() != singular(first[0].casefold()):
            names.append(f"{first[0]} {last[1]}")
    if len(first) > 1:
        names += [f"{' '.join(first[:-1])} {part}" for part in parts[1:] if len(part.split()) == 1]
    return names


def reorder(words: Words) -> Words:
    """Return the words with the head noun last: "jar of jam" becomes "jam jar".

    >>> reorder(("thermometer", "with", "mercury")), reorder(("bag", "made", "of", "paper"))
    (('mercury', 'thermometer'), ('paper', 'bag'))
    """
    for at, word in enumerate(words):
        if at and word in _PREPOSITIONS:
            after = tuple(other for other in words[at:] if other not in (*_PREPOSITIONS, "out", "a", "the"))
            if word == "with":  # "an envelope with a plastic window" is no plastic envelope
                after = tuple(other for other in after if other not in MATERIALS)
            return (*reorder(after), *words[:at]) if after else words[:at]
    return words
