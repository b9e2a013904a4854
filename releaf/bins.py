"""Bins of a material in each city, as a fixed table without learned parts.

A photograph of `TrashNet` shows a material only. For each city and material, the table holds one
clean, empty item of that material from the city's own list, and the stream that the list gives to
it. Soiled, broken or mixed items may belong in another stream, which only the list of items records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class ExampleItem(NamedTuple):
    """An item of a city's list that represents a material, and its stream."""

    item: str
    stream: str


BINS: dict[str, dict[str, ExampleItem]] = {
    "Toronto": {
        "cardboard": ExampleItem("cardboard boxes", "Blue Bin"),
        "glass": ExampleItem("glass bottles", "Blue Bin"),
        "metal": ExampleItem("soda cans", "Blue Bin"),
        "paper": ExampleItem("newspapers", "Blue Bin"),
        "plastic": ExampleItem("plastic bottles", "Blue Bin"),
        "trash": ExampleItem("candy wrapper", "Garbage"),
    },
    "Seattle": {
        "cardboard": ExampleItem("Cardboard Boxes", "Recycle"),
        "glass": ExampleItem("Glass Bottles and Jars", "Recycle"),
        "metal": ExampleItem("Steel and Tin Cans", "Recycle"),
        "paper": ExampleItem("Newspapers", "Recycle"),
        "plastic": ExampleItem("Plastic Bottles", "Recycle"),
        "trash": ExampleItem("Chip Bags", "Trash"),
    },
    "Nagai": {
        "cardboard": ExampleItem("Cardboard", "Recyclable (used paper)"),
        "glass": ExampleItem("Glass bottle (empty)", "Recyclable (empty glass bottles)"),
        "metal": ExampleItem("Can (empty)", "Recyclable (empty cans)"),
        "paper": ExampleItem("Newspaper", "Recyclable (used paper)"),
        "plastic": ExampleItem("Food tray", "Recyclable (plastic)"),
        "trash": ExampleItem("Plastic wrap", "Burnable"),
    },
}
"""By city and material: an example item, with its stream as `Items` spells it."""


FULL_NAMES = {
    "HHW": "Household Hazardous Waste",
    "Recyclable (PET bottles)": "Recyclable (bottles of PET plastic)",
}
"""Names on display of streams that the lists abbreviate."""
_EXPLAINED = re.compile(r"(hazardous waste) \(HHW\)", re.IGNORECASE)


def full_name(stream: str) -> str:
    """Return the name of a stream for people, without an unexplained abbreviation."""
    return FULL_NAMES.get(stream, stream)


def spell_out(text: str) -> str:
    """Return a text with the abbreviated streams in full.

    >>> spell_out("It may be hazardous (HHW: 12 %).")
    'It may be hazardous (Household Hazardous Waste: 12 %).'
    >>> spell_out("Toronto: household hazardous waste (HHW), never a bin")
    'Toronto: household hazardous waste, never a bin'
    """
    return re.sub(r"\bHHW\b", FULL_NAMES["HHW"], _EXPLAINED.sub(r"\1", text))


def bin_of(city: str, material: str) -> str:
    """Return the stream that takes `material` in `city`.

    Raises
    ------
    KeyError
        If the city or the material is not in `BINS`.
    """
    return BINS[city][material].stream


def material_shares(city: str, materials: Mapping[str, float]) -> dict[str, float]:
    """Return the probability of each stream for a photograph, largest first.

    The probability of a stream is ``sum of P(m) over the materials m that the stream takes``.
    """
    shares: dict[str, float] = {}
    for material, probability in materials.items():
        stream = bin_of(city, material)
        shares[stream] = shares.get(stream, 0.0) + probability
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
