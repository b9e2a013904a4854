"""Families of item names, unified spellings of streams, and the split of a name."""

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
"""By city: stream names that are unified with another stream of the city.

They are other spellings, or have one item only.
"""

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
    """Return the folded name without brackets, which near-equal names share.

    >>> family("Kitty litter (non-organic)") == family("kitty litter (organic)")
    True
    """
    # NFKD first, because brackets may be full-width characters.
    return fold(_BRACKETS.sub(" ", unicodedata.normalize("NFKD", name)).strip() or name)


def united(city: str, stream: str) -> str:
    """Return the unified spelling of a stream, with ASCII brackets.

    >>> united("Nagai", "Recyclable（cans）")
    'Recyclable (empty cans)'
    """
    plain = re.sub(r"\s*\(", " (", unicodedata.normalize("NFKC", stream)).strip()
    return SPELLINGS.get(city, {}).get(plain, plain)


def kind_of(stream: str) -> str:
    """Return the class of a stream that all cities share; 'other' if unknown."""
    if stream in KINDS:
        return KINDS[stream]
    return "recycling" if stream.startswith("Recyclable") else "other"


def split_of(name: str, dev_share: float, test_share: float, salt: str) -> str:
    """Return the split of a family of names.

    The split depends on the hash of the name only, so it does not change with other names.

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
