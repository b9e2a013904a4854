"""The page of every report: contrast, folded parts, drawings for both modes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tasks.report.blocks import Cell, Commands, Figure, Opening, Picture, Prose, Section, grid
from tasks.report.drawing import BLUE, INK, svg
from tasks.report.page import report_page
from tasks.report.style import STYLE
from tests.browser import chromium, page_faults


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


@pytest.fixture(scope="module")
def html() -> str:
    """A page with two sections, a wide figure, and a table of five columns."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.barh(["a name that is longer than a phone is wide", "b"], [1, 2], color=BLUE)
        axes.set(xlabel="a label that is longer than a phone is wide, and so takes two lines")

    picture = Picture(svg("bars", (8.0, 2.0), "bars of 1 and 2", draw))
    again = Picture(svg("again", (8.0, 2.0), "bars of 1 and 2, again", draw))
    rows = [
        ["first", "1,234", "a sentence of several words", Cell("0.9", best=True), "−1.2 (−3.4 to 5.6)"]
    ] * 3
    columns = ("name", "rows", "what it is", "score", "difference to the baseline")
    sections = (
        Section(
            "first", "First", (Prose("Some words."), grid("A table.", columns, rows, text=(2,))), "A hint."
        ),
        Section("second", "Second", (Figure((again,), "Again."), Commands(("x" * 150,)))),
    )
    small = [Picture(svg(f"tile-{k}", (4.2, 2.0), "a tile", draw)) for k in range(3)]
    opening = Opening(
        "A title",
        ("One sentence.", "Another sentence.", "A third sentence."),
        (
            Figure((picture,), "Bars.", title="Bars"),
            Figure((small[0], small[1]), "Tiles."),
            Figure((small[2],), "One."),
        ),
    )
    return report_page(opening, sections, "The end.")


@pytest.mark.slow
def test_a_browser_shows_the_page_without_faults_and_opens_its_parts(html: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    with chromium() as browser:
        assert page_faults(browser, path.as_uri()) == []
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto(path.as_uri())
        folded = page.locator("details:not([open])")
        assert folded.count() == 2
        assert page.locator("#second pre").is_hidden()
        assert page.locator(".on-phone").first.is_visible() and page.locator(".on-wide").first.is_hidden()
        page.goto(f"{path.as_uri()}#second")  # a link of the contents
        page.locator("#second pre").wait_for()
        assert folded.count() == 1
        page.get_by_role("button", name="Open all").click()
        assert folded.count() == 0
        page.get_by_role("button", name="Close all").click()
        assert folded.count() == 2
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert folded.count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert folded.count() == 2
        page.set_viewport_size({"width": 1200, "height": 800})
        page.get_by_role("navigation").get_by_role("link", name="First").click()
        page.locator("#first table").wait_for()
        assert page.locator(".on-phone").first.is_hidden() and page.locator(".on-wide").first.is_visible()


@pytest.mark.parametrize(
    ("colour", "card"), [(INK, False), ("white", False), ("black", False), ("#123456", True)]
)
def test_a_drawing_follows_the_mode_unless_it_has_colours_of_its_own(colour: str, card: bool) -> None:
    drawing = svg("line", (4.0, 2.0), "a line", lambda figure: figure.subplots().plot([0, 1], color=colour))
    assert ('class="card"' in drawing) == card
    assert INK not in drawing and "var(--ink)" in drawing
