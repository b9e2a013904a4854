"""Which stream takes a piece of a material, city by city: a stated table, nothing that is learnt.

A photograph of `TrashNet` names a material only. For each city and material this names one item
of the city's own list that is of that material, clean and empty, and the stream that the list gives
it; what is soiled, broken or mixed may go elsewhere, and only the list of items knows that.
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
"""City, material: the item of the city's list that stands for it, and its stream as `Items` spells it."""


def bin_of(city: str, material: str) -> str:
    """The stream of `city` for a piece of `material`.

    Raises
    ------
    KeyError
        If the city or the material is not in `BINS`.
    """
    return BINS[city][material][1]


def material_shares(city: str, materials: Mapping[str, float]) -> dict[str, float]:
    """Share of each stream of a city for a photograph, ``sum of P(m) over the materials m that go there``."""
    shares: dict[str, float] = {}
    for material, probability in materials.items():
        stream = bin_of(city, material)
        shares[stream] = shares.get(stream, 0.0) + probability
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
