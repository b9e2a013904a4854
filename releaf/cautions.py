"""When to warn: a hazardous thing in an ordinary bin costs more than a harmless one asked about."""

from __future__ import annotations

from collections.abc import Mapping

from releaf.knowledge import Card

HAZARDOUS = {"Toronto": "HHW", "Seattle": "Hazard", "Nagai": "Hazardous"}
"""The stream of each city that takes what is hazardous."""
LEAST = 0.1
"""Share of that stream from which on it is spoken of, though another is likelier."""


def caution(city: str, shares: Mapping[str, float], nearest: Card | None) -> str | None:
    """A sentence of warning, if the bin named is not the hazardous one but might have to be.

    Parameters
    ----------
    city : str
    shares : mapping of str to float
        Of the streams, the bin first.
    nearest : Card or None
        The card found first, where the search is sure of it: if it knows nothing of this city, what it
        says of others is all there is.
    """
    own = HAZARDOUS.get(city)
    if own is not None and next(iter(shares)) == own:
        return None
    if own is not None and shares.get(own, 0.0) >= LEAST:
        share = round(100 * shares[own])
        return f"It may be hazardous ({own}: {share} %). Ask your city before you put it into another bin."
    if nearest is None or city in nearest.streams:
        return None
    where = sorted(there for there, named in nearest.streams.items() if HAZARDOUS.get(there) in named)
    if not where:
        return None
    return (
        f"No card says where it goes in {city}. The nearest, “{nearest.title}”, is hazardous in "
        f"{' and '.join(where)}: ask your city before you throw it away."
    )
