"""Fold the names of items, unite the spellings of streams, and draw the split from a name."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from releaf.names import fold

_BRACKETS = re.compile(r"\([^)]*\)?|\[[^]]*\]?")

SPELLINGS = {
    "Toronto": {"Christmas Tree": "Yard Waste"},
    "Nagai": {
        "Recyclable (Wastepaper)": "Recyclable (used paper)",
        "Recyclable (cans)": "Recyclable (empty cans)",
        "Recyclable (glass bottles)": "Recyclable (empty glass bottles)",
        "Recyclable (open glass bottles)": "Recyclable (empty glass bottles)",
    },
}
"""Streams of a city that are others of its streams by another name, or of one item only."""

KINDS = {
    "Blue Bin": "recycling",
    "Recycle": "recycling",
    "Green Bin": "organics",
    "Compost": "organics",
    "Yard Waste": "organics",
    "Recyclable (raw waste)": "organics",
    "Garbage": "rubbish",
    "Trash": "rubbish",
    "Burnable": "rubbish",
    "Non-burnable": "rubbish",
    "HHW": "hazardous",
    "Hazard": "hazardous",
    "Hazardous": "hazardous",
    "Electronic Waste": "electronics",
    "Small appliances": "electronics",
    "Oversize": "bulky",
    "Oversized": "bulky",
    "Metal Items": "bulky",
    "Depot": "drop-off",
    "Reuse": "reuse",
    "Complicated": "special",
    "Not Accepted": "special",
    "Not collectable": "special",
}
"""The class of a stream that all cities share."""


def family(name: str) -> str:
    """What near-equal names share: the folded name without what stands in brackets.

    >>> family("Kitty litter (non-organic)") == family("kitty litter (organic)")
    True
    """
    # NFKD first: the brackets may be full-width ones.
    return fold(_BRACKETS.sub(" ", unicodedata.normalize("NFKD", name)).strip() or name)


def united(city: str, stream: str) -> str:
    """The stream in the one spelling that stands for it, full-width brackets made plain.

    >>> united("Nagai", "Recyclable（cans）")
    'Recyclable (empty cans)'
    """
    plain = re.sub(r"\s*\(", " (", unicodedata.normalize("NFKC", stream)).strip()
    return SPELLINGS.get(city, {}).get(plain, plain)


def kind_of(stream: str) -> str:
    """The class that all cities share; 'other' for a stream that is not known."""
    if stream in KINDS:
        return KINDS[stream]
    return "recycling" if stream.startswith("Recyclable") else "other"


def split_of(name: str, dev_share: float, test_share: float, salt: str) -> str:
    """The split of a family of names, from its hash alone: it stays when other names come or go.

    Parameters
    ----------
    name : str
        See `family`.
    dev_share, test_share : float
        In (0, 1), together below 1.
    salt : str
        Another salt draws another split.

    Returns
    -------
    {'train', 'dev', 'test'}
    """
    number = int.from_bytes(hashlib.sha256(f"{salt}|{name}".encode()).digest()[:8]) / 2**64
    if number < test_share:
        return "test"
    return "dev" if number < test_share + dev_share else "train"
