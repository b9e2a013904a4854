"""Find an item on a city's list: by spelling, synonym, brand, head noun, or kind.

A question and each name of the list are brought to one form (`releaf.words`). The steps go from strict to
loose, and the first one that finds a name decides:

1. the same letters, whatever the spaces, hyphens and plurals ("bubblewrap");
2. the same words after synonyms and brands are replaced, in any order ("bottle of Evian");
3. the same words without those that describe a state or a size ("an old tyre");
4. a name whose words all occur in the question and end with its head noun ("green wine bottle");
5. a kind of items that the list has, where it lacks the item ("toaster": small appliances);
6. a name that has all words of the question and its head noun, if most such names have one bin;
7. the kind of the last words ("office laptop computer").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from releaf.vocabulary import words as word_list
from releaf.vocabulary.spellings import FILLERS, NAME_FILLERS
from releaf.words import (
    KIND_TABLES,
    LEXICON,
    Words,
    products,
    rename,
    repair,
    singular,
    spell,
    without_fillers,
)

Key = TypeVar("Key")
Step = Literal["spelling", "name", "filler", "part", "kind", "head", "broader"]

STRICT = ("spelling", "name", "filler")
"""Steps that find the item itself under another form of its name."""
_BRACKETS = re.compile(r"[(（]([^)）]*)[)）]?")
_SEPARATORS = re.compile(r"\s*(?:,|/|;|\band\b|&|--)\s*", re.IGNORECASE)
_PREPOSITIONS = ("with", "of", "for", "from", "made", "in", "containing")
_STATES = {
    "empty": "empty clean cleaned rinsed emptied finished washed",
    "full": "full partially partly half leftover remaining unfinished nearly mostly",
    "grease": "grease soiled dirty oily",
    "broken": "broken cracked smashed shattered chipped",
    "artificial": "artificial fake plastic",
    "real": "real natural live organic",
    "unused": "unused new unlit never live unopened",
    "used": "used burnt spent lit",
    "small": "small little tiny mini",
    "large": "large big huge giant",
    "cold": "cold",
    "paper": "paper cardboard",
    "styrofoam": "styrofoam foam polystyrene",
}
_STATE_OF = {word: state for state, words in _STATES.items() for word in words.split()}
_DIVERSE = frozenset(
    word_list(
        "bag bar battery board bottle box bulb can cap case cleaner club container cover cream cup drum foam "
        "foil glass iron jar lid mat net nut oil package pad paint paper part peanut plant pump ring salt "
        "sheet stick tank tray tub tube wrap wrapper"
    )
)
"""Head nouns whose items go to different bins, so that the noun alone decides nothing."""
_MATERIALS = frozenset(
    word_list(
        "plastic paper cardboard metal aluminum steel glass wood ceramic clay styrofoam foam rubber wax "
        "waxed compostable biodegradable concrete nylon bamboo"
    )
)
"""Materials: an item of one of them is not a name without it."""
LEAST_AGREED = 0.8
"""Share of the names with more words than the question that must have one bin."""
_EXAMPLES = re.compile(r"\betc\b|\bincluding\b|\be\.g\.|\bsuch as\b")


@dataclass(frozen=True)
class Match:
    """Names of a list that a question means, and the step that found them."""

    places: tuple[int, ...]
    step: Step


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
    states : tuple of frozenset of str
        The conditions that each name states.
    lexicon : frozenset of str
        Known words.
    bins : tuple of tuple of str
        Streams of each name.
    """

    letters: dict[str, tuple[int, ...]]
    names: dict[frozenset[str], tuple[int, ...]]
    plain: dict[frozenset[str], tuple[int, ...]]
    by_head: dict[str, list[tuple[frozenset[str], int]]]
    states: tuple[frozenset[str], ...]
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
            renamed = rename(reorder(words))
            _add(by_name, frozenset(renamed), place)
            bare = without_fillers(renamed, NAME_FILLERS)
            _add(plain, frozenset(bare), place)
            by_head.setdefault(bare[-1], []).append((frozenset(bare), place))
    return ListIndex(
        letters,
        by_name,
        plain,
        by_head,
        tuple(_states(spell(name)) for name in names),
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
        if at and word in ("without", "no"):
            return words[:at]
        if at and word in _PREPOSITIONS:
            after = tuple(other for other in words[at:] if other not in (*_PREPOSITIONS, "out", "a", "the"))
            if word == "with":  # "an envelope with a plastic window" is no plastic envelope
                after = tuple(other for other in after if other not in _MATERIALS)
            return (*reorder(after), *words[:at]) if after else words[:at]
    return words


def _states(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_STATE_OF[word] for word in words if word in _STATE_OF)


def phrases(index: ListIndex, text: str) -> list[Words]:
    """Return the forms of an item in which it is looked up, the closest first."""
    spelled = spell(text)
    forms: list[Words] = []
    for words in (spelled, repair(spelled, index.lexicon)):
        ordered = reorder(words)
        forms += [words, rename(words), ordered, rename(ordered)]
        for branded in (ordered, without_fillers(ordered)):
            forms += [form for product in products(branded) for form in (product, rename(product))]
        for fillers in (NAME_FILLERS, FILLERS):
            bare = without_fillers(ordered, fillers)
            forms += [bare, rename(bare)]
    return [form for form in dict.fromkeys(forms) if form]


def find(
    index: ListIndex, text: str, *, skip: Callable[[int], bool] | None = None, strict: bool = False
) -> Match | None:
    """Return the names of a list that a text means, or None.

    Parameters
    ----------
    index : ListIndex
    text : str
        Name of an item.
    skip : callable, optional
        Places to leave out, for an evaluation on the list's own names.
    strict : bool
        Whether to take the first three steps only.
    """
    spelled = spell(text)
    states = _states(spelled)

    def choose(places: Iterable[int]) -> tuple[int, ...]:
        kept = [place for place in places if skip is None or not skip(place)]
        fits = {place: len(states & index.states[place]) for place in kept}
        most = max(fits.values(), default=0)
        return tuple(place for place in kept if fits[place] == most)

    forms = phrases(index, text)
    steps: list[tuple[Step, Callable[[Words], Iterable[int]]]] = [
        ("spelling", lambda form: index.letters.get("".join(form), ())),
        ("name", lambda form: index.names.get(frozenset(rename(form)), ())),
        ("filler", lambda form: index.plain.get(frozenset(without_fillers(rename(form), NAME_FILLERS)), ())),
    ]
    if not strict:
        steps += [
            ("part", lambda form: _part(index, form, skip)),
            ("kind", lambda form: _kind(index, form, whole=True)),
            ("broader", lambda form: _broader(index, form, skip)),
            ("head", lambda form: _kind(index, form, whole=False)),
        ]
    for step, places_of in steps:
        for form in forms:
            if places := choose(places_of(form)):
                return Match(places, step)
    return None


def _part(index: ListIndex, form: Words, skip: Callable[[int], bool] | None) -> Iterator[int]:
    """Yield the names with the most words, all of which the form has."""
    bare = without_fillers(rename(form))
    materials = _MATERIALS & set(bare)
    named = [
        (len(words), place)
        for words, place in index.by_head.get(bare[-1], ())
        if materials <= words <= set(bare) and not words <= _DIVERSE and not (skip and skip(place))
    ]
    most = max((size for size, _ in named), default=0)
    yield from dict.fromkeys(place for size, place in named if size == most)


def _kind(index: ListIndex, form: Words, *, whole: bool) -> tuple[int, ...]:
    """Return the places of the closest kind of the form, or of its last words."""
    bare = without_fillers(rename(form))
    for at in range(1) if whole else range(1, len(bare)):
        member = bare[at:]
        if at and len(member) == 1 and member[0] in _DIVERSE:
            continue
        for names, members in KIND_TABLES:
            if member in members or rename(member) in members:
                for name in names:
                    for table, key in (
                        (index.names, frozenset(rename(name))),
                        (index.plain, frozenset(without_fillers(rename(name), NAME_FILLERS))),
                    ):
                        if places := table.get(key):
                            return places
    return ()


def _broader(index: ListIndex, form: Words, skip: Callable[[int], bool] | None) -> tuple[int, ...]:
    """Return the names with all words of the form and its head, if most agree."""
    bare = without_fillers(rename(form))
    places = tuple(
        dict.fromkeys(
            place
            for words, place in index.by_head.get(bare[-1], ())
            if words >= set(bare) and not (skip and skip(place))
        )
    )
    bins = Counter(stream for place in places for stream in index.bins[place])
    return places if bins and bins.most_common(1)[0][1] >= LEAST_AGREED * len(places) else ()
