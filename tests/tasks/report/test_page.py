"""The style of every report: contrast in light and dark mode."""

from __future__ import annotations

import re

import pytest

from tasks.report.style import STYLE


def colours(block: str) -> dict[str, str]:
    """Return the variables of a rule with their colours as six digits."""
    found = dict(re.findall(r"--(\w+): #([0-9a-f]{3,6})", block))
    return {
        name: value if len(value) == 6 else "".join(2 * c for c in value) for name, value in found.items()
    }


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours by WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_of_black_and_white_is_21() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.01)  # the example of WCAG


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_has_the_contrast_of_level_aa(mode: str) -> None:
    light, _, dark = STYLE.partition("prefers-color-scheme: dark")
    variables = colours(light) if mode == "light" else colours(light) | colours(dark)
    for text in ("ink", "soft", "link"):
        for ground in ("paper", "tint", "best"):
            assert contrast(variables[text], variables[ground]) >= 4.5, (mode, text, ground)
