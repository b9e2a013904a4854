"""Warnings about hazardous items in ordinary bins.

A hazardous item in an ordinary bin costs more than a needless question to the city.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from releaf.hazards import advice_on
from releaf.knowledge import Card

HAZARDOUS = {"Toronto": "HHW", "Seattle": "Hazard", "Nagai": "Hazardous"}
"""The stream for hazardous waste in each city."""
LEAST = 0.1
"""Probability of the hazardous stream from which an answer warns, even if another stream is likelier."""


@dataclass(frozen=True)
class Evidence:
    """All that makes an item suspect.

    Attributes
    ----------
    hazard : str or None
        The hazard that its words name, see `releaf.hazards.hazard_of`.
    sure : bool
        Whether the bin is known.
    twins : tuple of str
        Names on the city's list of hazardous items that it may be.
    elsewhere : tuple of str
        Other cities whose list has it as hazardous.
    by_models : str or None
        The warning of `caution`.
    """

    hazard: str | None
    sure: bool
    twins: tuple[str, ...]
    elsewhere: tuple[str, ...]
    by_models: str | None


def warning(city: str, shares: Mapping[str, float], evidence: Evidence) -> str | None:
    """Return the warning of an answer, or None if nothing makes the item suspect.

    A hazard that the words name is always said, whatever the bin.
    """
    own, stream = HAZARDOUS.get(city), next(iter(shares))
    collected = f"{city} collects it as hazardous waste ({own})." if own else ""
    if evidence.hazard:
        if evidence.sure and stream == own:
            advice = collected
        elif evidence.sure:
            advice = f"{stream} is right only if it is exactly what the list of {city} means."
        else:
            advice = f"Ask {city} before you put it into any bin."
        return f"May be hazardous. {advice_on(evidence.hazard)} {advice}"
    if evidence.sure and stream == own:
        return f"Hazardous waste: {collected} Keep it apart from other waste."
    if evidence.twins:
        names = " and ".join(f"“{name}”" for name in evidence.twins[:2])
        return f"It may be hazardous: {city} lists {names} under {own}. Compare before you throw it away."
    if evidence.elsewhere:
        cities = " and ".join(evidence.elsewhere)
        return f"It may be hazardous, as in {cities}. Ask {city} before you throw it away."
    return evidence.by_models


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
