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

What a text denies ("without its lid", "not empty") excludes the names that state it, see `releaf.negation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from releaf.listing import MATERIALS, ListIndex, reorder
from releaf.negation import read_statement
from releaf.vocabulary import words as word_list
from releaf.vocabulary.spellings import FILLERS, NAME_FILLERS
from releaf.words import KIND_TABLES, Words, products, rename, repair, spell, without_fillers

Step = Literal["spelling", "name", "filler", "part", "kind", "head", "broader"]

STRICT = ("spelling", "name", "filler")
"""Steps that find the item itself under another form of its name."""
_DIVERSE = frozenset(
    word_list(
        "bag bar battery board bottle box bulb can cap case cleaner club container cover cream cup drum foam "
        "foil glass iron jar lid mat net nut oil package pad paint paper part peanut plant pump ring salt "
        "sheet stick tank tray tub tube wrap wrapper"
    )
)
"""Head nouns whose items go to different bins, so that the noun alone decides nothing."""
_VESSELS = frozenset(
    word_list(
        "bag bottle box bucket can canister carton case container cup cylinder drum jar jug packet pail pot "
        "pouch sachet sack tank tin tub tube"
    )
)
"""Containers; where one is not empty, its content decides."""
_SAME_HEADS = tuple(
    frozenset(heads.split())
    for heads in ("tin can", "pot tub", "cylinder tank", "clipping cutting trimming pruning")
)
"""Head nouns that mean the same, in British and American English."""
_GASES = frozenset(
    word_list("oxygen helium propane butane acetylene nitrogen argon hydrogen co2 lpg gas scuba")
)
"""Words before which a bottle is a tank."""
_FOOD_PARTS = frozenset(
    word_list("peel peeling skin end top core stalk stem rind shell pip stone scrap trimming crust head tail")
)
"""Parts of food, which go where the food goes."""
_FOOD = next(members for names, members in KIND_TABLES if ("food", "scrap") in names)
LEAST_AGREED = 0.8
"""Share of the names with more words than the question that must have one bin."""


@dataclass(frozen=True)
class Match:
    """Names of a list that a question means, and the step that found them."""

    places: tuple[int, ...]
    step: Step


def phrases(index: ListIndex, said: Words) -> list[Words]:
    """Return the forms of an item in which it is looked up, the closest first.

    Parameters
    ----------
    index : ListIndex
    said : tuple of str
        The words in normal form, without those that the text denies.
    """
    forms: list[Words] = []
    for words in (said, repair(said, index.lexicon)):
        ordered = reorder(words)
        # The last word is the head noun of `ordered` only, but a synonym may have a preposition.
        renamed = rename(words)
        forms += [*([renamed] if renamed != words else []), ordered, rename(ordered)]
        for branded in (ordered, without_fillers(ordered)):
            forms += [form for product in products(branded) for form in (product, rename(product))]
        for fillers in (NAME_FILLERS, FILLERS):
            # A synonym may hold a filler: "greasy kitchen paper" is a paper towel, not paper.
            whole = without_fillers(rename(ordered), fillers)
            forms += [whole, rename(whole)]
            if rename(ordered) == ordered:
                continue
            bare = rename(without_fillers(ordered, fillers))
            forms += [bare] if len(bare) >= len(whole) else []
    forms += [other for form in forms if form for other in _in_other_words(form)]
    return [form for form in dict.fromkeys(forms) if form]


def _in_other_words(form: Words) -> Iterator[Words]:
    """Yield the form with another word for its head noun."""
    *first, last = form
    if first:
        for heads in _SAME_HEADS:
            for head in sorted(heads - {last}) if last in heads else ():
                yield rename((*first, head))
        if last == "bottle" and _GASES & set(first):
            yield rename((*first, "tank"))


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
    asked = read_statement(spelled)

    def choose(places: Iterable[int]) -> tuple[int, ...]:
        stated = {place: index.statements[place] for place in places if skip is None or not skip(place)}
        fits = {p: asked.agreement(other) for p, other in stated.items() if not asked.excludes(other)}
        most = max(fits.values(), default=0)
        return tuple(place for place, fit in fits.items() if fit == most)

    if places := choose(index.letters.get("".join(spelled), ())):
        return Match(places, "spelling")
    forms = phrases(index, asked.words)
    loose = forms
    if forms and "full" in asked.states and "empty" not in asked.states and (said := _content(asked.words)):
        loose = phrases(index, said)
        forms += loose
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
        if asked.denied & MATERIALS and step not in STRICT:
            return None  # "a bottle, not plastic": the looser relations do not know materials
        for form in forms if step in STRICT else loose:
            if places := choose(places_of(form)):
                return Match(places, step)
    return None


def _content(said: Words) -> Words:
    """Return the content of a full container: "paint can, not empty" is about paint."""
    bare = without_fillers(rename(reorder(said)))
    if bare[-1] not in _VESSELS:
        return ()
    return tuple(word for word in bare[:-1] if word not in MATERIALS)


def _part(index: ListIndex, form: Words, skip: Callable[[int], bool] | None) -> Iterator[int]:
    """Yield the names with the most words, all of which the form has."""
    bare = without_fillers(rename(form))
    materials = MATERIALS & set(bare)
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
        eaten = _is_food(member)
        for names, members in KIND_TABLES:
            if member in members or rename(member) in members or (eaten and members is _FOOD):
                for name in names:
                    for table, key in (
                        (index.names, frozenset(rename(name))),
                        (index.plain, frozenset(without_fillers(rename(name), NAME_FILLERS))),
                    ):
                        if places := table.get(key):
                            return places
    return ()


def _is_food(words: Words) -> bool:
    """Return whether words name food: "tuna sandwich", "courgette ends"."""
    left = words[:-1] if len(words) > 1 and words[-1] in _FOOD_PARTS else words
    return (left in _FOOD) or (len(left) > 1 and all((word,) in _FOOD for word in left))


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
