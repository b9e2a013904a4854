"""One spelling of each item's name on display.

The lists write one item as "Aluminum Foil", "aluminum foil" and "Aluminum foil". All names with the same
folded form get one spelling: that of the commonest variant, in sentence case. Folded here is
`releaf.names.fold` without spaces, so that "sun glasses" and "sunglasses" are one item too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

from releaf.names import fold

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def proper_nouns(lower_case: Iterable[str]) -> frozenset[str]:
    """Return the words that lists in lower case write with a capital only.

    The words of a name that spells out an abbreviation ("Video Cassette Recorder", "VCR") do not count.

    >>> sorted(proper_nouns(["plastic bag", "Christmas tree", "Paper bag", "paper cup", "Tetra Pak"]))
    ['Christmas', 'Pak', 'Tetra']
    """
    names = [_WORD.findall(_plain(name)) for name in lower_case]
    words = {word for name in names for word in name}
    in_names = {
        word
        for name in names
        if "".join(word[0] for word in name if word != word.lower()) not in words or len(name) == 1
        for word in name
    }
    return frozenset(word for word in in_names if word != word.lower() and word.lower() not in words)


def sentence_case(name: str, proper: frozenset[str] = frozenset()) -> str:
    """Return a name with capitals at its start and in proper nouns only.

    Abbreviations ("TV") and trademarks ("iPhone") stay as they are.

    >>> sentence_case("Aluminum Foil"), sentence_case("TV antenna"), sentence_case("LED Light Bulbs")
    ('Aluminum foil', 'TV antenna', 'LED light bulbs')
    >>> sentence_case("Artificial Christmas Trees", frozenset({"Christmas"}))
    'Artificial Christmas trees'
    """

    def word(found: re.Match[str]) -> str:
        text = found[0]
        titled = all(part == part.capitalize() or part == part.lower() for part in text.split("-"))
        # A lone letter is a size of battery or a vitamin: it keeps its capital.
        return text if text in proper or not titled or len(text) == 1 else text.lower()

    plain = _WORD.sub(word, _plain(name))
    first = _WORD.search(plain)
    # A trademark such as "iPhone" keeps its small first letter.
    if first is None or first[0] != first[0].lower():
        return plain
    return plain[: first.start()] + plain[first.start()].upper() + plain[first.start() + 1 :]


def key(name: str) -> str:
    """Return what all variants of a name share.

    >>> key("Sun Glasses") == key("sunglasses") == "sunglass"
    True
    """
    return fold(name).replace(" ", "")


def spellings(names: Iterable[str], proper: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the spelling of each `key`.

    Among equally common variants, the first by code point wins.

    >>> spellings(["Aluminum Foil", "aluminum foil", "Glass Bottles", "glass bottle", "glass bottle"])
    {'aluminumfoil': 'Aluminum foil', 'glassbottle': 'Glass bottle'}
    """
    variants: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        variants[key(name)][sentence_case(name, proper)] += 1
    return {
        folded: min(counts, key=lambda text: (-counts[text], text)) for folded, counts in variants.items()
    }


def _plain(name: str) -> str:
    """Return a name with ASCII brackets, single spaces and a dash for two hyphens."""
    text = re.sub(r"\s*\(\s*", " (", unicodedata.normalize("NFKC", name)).replace("--", "–")
    return " ".join(text.split())
