"""Warnings about hazardous items in ordinary bins.

A hazardous item in an ordinary bin costs more than a needless question to the city.
"""

from __future__ import annotations

from collections.abc import Mapping

from releaf.knowledge import Card

HAZARDOUS = {"Toronto": "HHW", "Seattle": "Hazard", "Nagai": "Hazardous"}
"""The stream for hazardous waste in each city."""
LEAST = 0.1
"""Probability of the hazardous stream from which an answer warns, even if another stream is likelier."""


def caution(city: str, shares: Mapping[str, float], nearest: Card | None) -> str | None:
    """Return a warning if the bin is not the hazardous one but might have to be.

    Parameters
    ----------
    city : str
    shares : mapping of str to float
        Probability of each stream, the bin of the answer first.
    nearest : Card or None
        The best card of a confident search. If it has no fact about this city, its facts about
        other cities are the only evidence.
    """
    own = HAZARDOUS.get(city)
    if own is not None and next(iter(shares)) == own:
        return None
    if own is not None and shares.get(own, 0.0) >= LEAST:
        share = round(100 * shares[own])
        return f"It may be hazardous ({own}: {share} %). Ask your city before you put it into another bin."
    if nearest is None or city in nearest.streams:
        return None
    cities = sorted(other for other, streams in nearest.streams.items() if HAZARDOUS.get(other) in streams)
    if not cities:
        return None
    return (
        f"No card says where it goes in {city}. The nearest, “{nearest.title}”, is hazardous in "
        f"{' and '.join(cities)}: ask your city before you throw it away."
    )
