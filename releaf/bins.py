"""Bins of a material in each city, as a fixed table without learned parts.

A photograph of `TrashNet` shows a material only. For each city and material, the table holds one
clean, empty item of that material from the city's own list, and the stream that the list gives to
it. Soiled, broken or mixed items may belong in another stream; only the list of items says so.
"""

from __future__ import annotations

from collections.abc import Mapping

BINS: dict[str, dict[str, tuple[str, str]]] = {
    "Toronto": {
        "cardboard": ("cardboard boxes", "Blue Bin"),
        "glass": ("glass bottles", "Blue Bin"),
        "metal": ("soda cans", "Blue Bin"),
        "paper": ("newspapers", "Blue Bin"),
        "plastic": ("plastic bottles", "Blue Bin"),
        "trash": ("candy wrapper", "Garbage"),
    },
    "Seattle": {
        "cardboard": ("Cardboard Boxes", "Recycle"),
        "glass": ("Glass Bottles and Jars", "Recycle"),
        "metal": ("Steel and Tin Cans", "Recycle"),
        "paper": ("Newspapers", "Recycle"),
        "plastic": ("Plastic Bottles", "Recycle"),
        "trash": ("Chip Bags", "Trash"),
    },
    "Nagai": {
        "cardboard": ("Cardboard", "Recyclable (used paper)"),
        "glass": ("Glass bottle (empty)", "Recyclable (empty glass bottles)"),
        "metal": ("Can (empty)", "Recyclable (empty cans)"),
        "paper": ("Newspaper", "Recyclable (used paper)"),
        "plastic": ("Food tray", "Recyclable (plastic)"),
        "trash": ("Plastic wrap", "Burnable"),
    },
}
"""By city and material: an example item of the city's list, and its stream as `Items` spells it."""


def bin_of(city: str, material: str) -> str:
    """Return the stream that takes `material` in `city`.

    Raises
    ------
    KeyError
        If the city or the material is not in `BINS`.
    """
    return BINS[city][material][1]


def material_shares(city: str, materials: Mapping[str, float]) -> dict[str, float]:
    """Return the probability of each stream for a photograph, largest first.

    The probability of a stream is ``sum of P(m) over the materials m that the stream takes``.
    """
    shares: dict[str, float] = {}
    for material, probability in materials.items():
        stream = bin_of(city, material)
        shares[stream] = shares.get(stream, 0.0) + probability
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
