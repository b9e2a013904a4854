"""Read what a text denies, as in "a jar without its lid" and "not empty".

The denied words are no words of the item. They exclude the names of a list that state them, and they name
the opposite condition: what is not empty is full.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from releaf.vocabulary import words as word_list
from releaf.words import Words

_WITHOUT = frozenset({"without", "minus", "lacking", "missing", "sans", "except", "excluding"})
_NOT = frozenset(word_list("not never non isnt arent wasnt werent hasnt havent cannot"))
_HAS_NOT = frozenset({"doesnt", "dont", "didnt"})
_SKIPPED = frozenset(
    word_list(
        "a an the its his her their my our any been be being yet fully completely entirely totally quite "
        "really ever have has had got of it them this"
    )
)
_BOUNDARIES = frozenset(word_list("with but in on at from which that and which from to into"))
_STATES = {
    "empty": "empty clean cleaned rinsed emptied finished washed",
    "full": "full partially partly half leftover remaining unfinished nearly mostly unopened sealed",
    "grease": "grease soiled dirty oily",
    "broken": "broken cracked smashed shattered chipped",
    "artificial": "artificial fake plastic",
    "real": "real natural live organic",
    "unused": "unused new unlit live",
    "used": "used burnt spent lit opened",
    "small": "small little tiny mini",
    "large": "large big huge giant",
    "cold": "cold",
    "paper": "paper cardboard",
    "styrofoam": "styrofoam foam polystyrene",
}
_STATE_OF = {word: state for state, words in _STATES.items() for word in words.split()}
_OPPOSITES = {"empty": "full", "full": "empty", "used": "unused", "unused": "used"}


@dataclass(frozen=True)
class Statement:
    """A text about an item, divided into what it says and what it denies.

    Attributes
    ----------
    words : tuple of str
        The words that are not denied, in order.
    denied : frozenset of str
    states : frozenset of str
        Conditions of the item, such as "empty".
    """

    words: Words
    denied: frozenset[str]
    states: frozenset[str]

    def excludes(self, other: Statement) -> bool:
        """Return whether the two texts cannot be about the same item.

        One denies a word of the other, or they state opposite conditions.
        """
        if self.denied & set(other.words) or other.denied & set(self.words):
            return True
        pairs = ((self.states, other.states), (other.states, self.states))
        return any(
            _OPPOSITES.get(state) in against and state not in against
            for states, against in pairs
            for state in states
        )

    def agreement(self, other: Statement) -> int:
        """Return the number of conditions and denials that the two texts share."""
        return len(self.states & other.states) + len(self.denied & other.denied)


def read_statement(words: Words) -> Statement:
    """Divide the words of a text, in normal form.

    >>> read_statement(("jar", "without", "its", "lid")).words
    ('jar',)
    >>> sorted(read_statement(("can", "that", "isnt", "empty")).states)
    ['full']
    """
    said: list[str] = []
    denied: set[str] = set()
    at = 0
    while at < len(words):
        word, after = words[at], words[at + 1 : at + 2]
        if at and (
            word in _WITHOUT or word in _HAS_NOT or word == "no" or (word == "with" and "no" in after)
        ):
            at += 1
            while at < len(words) and (words[at] not in _BOUNDARIES or words[at - 1] in ("with", "that")):
                denied.add(words[at])
                at += 1
        elif word in _NOT and after:
            at += 1
            while at + 1 < len(words) and words[at] in _SKIPPED:
                at += 1
            denied.add(words[at])
            at += 1
        else:
            said.append(word)
            at += 1
    while len(said) > 1 and said[-1] in _BOUNDARIES:
        said.pop()
    return _statement(tuple(said) or words, denied - _SKIPPED - {"no"})


def _statement(said: Words, denied: Iterable[str]) -> Statement:
    denied = set(denied)
    states = {_STATE_OF[word] for word in said if word in _STATE_OF}
    opposites = {_OPPOSITES.get(_STATE_OF.get(word, "")) for word in denied} - {None}
    if denied & set(said):  # "a paint tin without any paint left"
        opposites.add("empty")
    denied |= {word[2:] for word in said if word.startswith("un") and word.endswith("ed") and len(word) > 6}
    return Statement(said, frozenset(denied - set(said)), frozenset(states | {str(one) for one in opposites}))
