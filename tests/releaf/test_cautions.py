"""Warnings where an ordinary bin may be wrong."""

from __future__ import annotations

import pytest

from releaf.cautions import caution
from releaf.knowledge import Card

NEEDLES = Card("needles", "Needles", {}, {"Toronto": ("HHW",), "Seattle": ("Hazard", "Trash")})


@pytest.mark.parametrize(
    ("city", "shares", "nearest", "warning"),
    [
        ("Toronto", {"Garbage": 0.88, "HHW": 0.12}, None, "hazardous (HHW: 12 %)"),
        ("Toronto", {"Garbage": 0.95, "HHW": 0.05}, NEEDLES, None),
        ("Toronto", {"HHW": 0.6, "Garbage": 0.4}, NEEDLES, None),
        ("Nagai", {"Burnable": 1.0}, NEEDLES, "“Needles”, is hazardous in Seattle and Toronto"),
        ("Nagai", {"Burnable": 1.0}, Card("jar", "Jars", {}, {"Toronto": ("Blue Bin",)}), None),
        ("Elsewhere", {"Bin": 1.0}, NEEDLES, "hazardous in Seattle and Toronto"),
        ("Elsewhere", {"Bin": 1.0}, None, None),
    ],
)
def test_an_ordinary_bin_that_may_be_wrong_gets_a_warning(
    city: str, shares: dict[str, float], nearest: Card | None, warning: str | None
) -> None:
    text = caution(city, shares, nearest)
    assert text is None if warning is None else text is not None and warning in text
