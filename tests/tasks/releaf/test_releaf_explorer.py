"""Explorable figures: data, and what a browser shows after a click or a search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import chromium
from sklearn.metrics import confusion_matrix

from releaf.names import fold
from tasks.releaf.explorer import element
from tasks.releaf.explorer.data import Lists, answers_on_display, items_data, mistakes_data, read_lists
from tasks.releaf.explorer.script import SCRIPT, STYLE
from tasks.report.blocks import Figure, Opening, Picture
from tasks.report.page import report_page

EVIL = "<img src=x onerror=alert(1)>"
ITEMS = [
    ("Toronto", "glass bottle", "Blue Bin", "train"), ("Seattle", "Glass Bottle", "Recycle", "train"),
    ("Toronto", "crème cake", "Green Bin", "test"), ("Toronto", "batteries", "HHW", "test"),
    ("Toronto", "AA battery", "HHW", "train"), ("Toronto", "sun glasses", "Garbage", "train"),
    ("Toronto", EVIL, "Garbage", "test"), ("Seattle", "Batteries", "Hazard", "test"),
    ("Seattle", "Batteries", "Reuse", "test"), ("Seattle", "sunglasses", "Reuse", "train"),
]  # fmt: skip
NAMES = list(dict.fromkeys(name for _, name, _, _ in ITEMS))
ANSWERS = [
    ("Toronto", "crème cake", "Garbage", "Green Bin", 0.6, False, False, True),
    ("Toronto", "batteries", "HHW", "HHW", 0.9, True, True, True),
    ("Toronto", EVIL, "Green Bin", "Garbage", 0.4, False, False, False),
    ("Seattle", "Batteries", "Reuse", "Hazard, Reuse", 0.5, True, True, False),
]


@pytest.fixture(scope="module")
def lists() -> Lists:
    return read_lists(table())


def table() -> pd.DataFrame:
    return pd.DataFrame(ITEMS, columns=["city", "name", "stream", "split"])


@pytest.fixture(scope="module")
def tested(lists: Lists) -> pd.DataFrame:
    """Return the answers; the vector of "batteries" is near that of "AA battery"."""
    vectors = dict(zip(NAMES, np.eye(len(NAMES)), strict=True))
    vectors["batteries"] = vectors["AA battery"] * 0.9 + vectors["batteries"] * 0.1
    names = pd.DataFrame({"name": NAMES, "vector": [vectors[name] for name in NAMES]})
    columns = [
        "city",
        "name",
        "stream",
        "right_streams",
        "probability",
        "by_assistant",
        "by_cards",
        "by_list",
    ]
    answers = pd.DataFrame(ANSWERS, columns=columns).assign(cited=True, level="low")
    return answers_on_display(answers, table(), names, lists)


def test_each_name_has_its_bins_reason_and_most_similar_known_name(tested: pd.DataFrame):
    rows = tested.set_index(["city", "name"])
    battery = rows.loc["Toronto", "Batteries"]
    assert battery["nearest"] == "AA battery (Household Hazardous Waste)"
    assert battery["reason"].startswith("The cards alone and the model of the list alone both")
    cake = rows.loc["Toronto", "Crème cake"]
    assert (cake["true"], cake["given"], cake["right"]) == ("Green Bin", "Garbage", False)
    assert cake["reason"] == "The model of the list alone finds the right bin, the cards do not."
    # Of two right bins, the true one is that which was given.
    assert rows.loc["Seattle", "Batteries"]["true"] == "Reuse"


def test_the_table_of_mistakes_counts_as_a_reference_does(tested: pd.DataFrame):
    data = mistakes_data(tested)
    cities = [element._matrix(city, tested[tested["city"] == city], data) for city in ("Toronto", "Seattle")]
    for city in cities:
        rows = tested[tested["city"] == city["name"]]
        labels = data["bins"]
        expected = confusion_matrix(rows["true"], rows["given"], labels=labels)
        for row in city["rows"]:
            for cell in row["cells"]:
                assert cell["names"] == expected[labels.index(row["name"]), labels.index(cell["name"])]
    assert sum(cell["names"] for city in cities for row in city["rows"] for cell in row["cells"]) == len(
        tested
    )


def test_each_item_stands_once_with_the_bins_of_each_city(tested: pd.DataFrame, lists: Lists):
    data = items_data(lists, tested, {"sunglass": ["Check it"]})
    shown = {name: (cities, ideas) for name, cities, ideas in data["items"]}
    folded = [fold(name).replace(" ", "") for name in shown]
    assert len(folded) == len(set(folded)) == len({fold(name).replace(" ", "") for name in NAMES})
    bottle, _ = shown["Glass bottle"]
    places = [
        (data["cities"][city], [data["bins"][k] for k in bins], answer) for city, bins, answer, _ in bottle
    ]
    assert places == [("Seattle", ["Recycle"], -1), ("Toronto", ["Blue Bin"], -1)]
    batteries, _ = shown["Batteries"]
    assert [sorted(data["bins"][b] for b in bins) for _, bins, _, _ in batteries] == [
        ["Hazard", "Reuse"],
        ["Household Hazardous Waste"],
    ]
    assert [(data["bins"][answer], percent) for _, _, answer, percent in batteries] == [
        ("Reuse", 50),
        ("Household Hazardous Waste", 90),
    ]
    assert [ideas for name, (_, ideas) in shown.items() if "un" in name] == [["Check it"]]


@pytest.fixture(scope="module")
def page(tested: pd.DataFrame, lists: Lists, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = mistakes_data(tested)
    pictures = (
        element.bars(tested, data, STYLE),
        element.mistakes(tested, data),
        element.search(items_data(lists, tested, {"sunglass": ["Check it"]}), ["Batteries"]),
    )
    first, second, third = (
        Figure((Picture(picture),), "A caption.", title="A title") for picture in pictures
    )
    html = report_page(Opening("T", ("a", "b", "c"), (first, second, third)), (), "Foot.", SCRIPT)
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    """A phone that shows the page; no script of it may fail."""
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("dialog", lambda dialog: errors.append(dialog.message) or dialog.dismiss())
    tab.goto(page.as_uri())
    yield tab
    assert errors == []
    tab.close()


@pytest.mark.slow
def test_a_click_on_a_cell_lists_its_names(opened: Any):
    # A mistake is shown from the start.
    assert opened.locator("#mistakes .list li").count() == 1
    opened.get_by_role("button", name="1 of Garbage given Green Bin").click()
    assert opened.locator("#mistakes .list h3").inner_text() == (
        "Toronto: 1 name that belongs in “Garbage”, but got “Green Bin”"
    )
    text = opened.locator("#mistakes .list li").inner_text()
    assert "<Img src=x onerror" in text and "Neither the cards alone" in text and "40 %" in text
    opened.get_by_role("button", name="Seattle").click()
    assert opened.locator("#mistakes table:visible").count() == 1
    assert "Seattle: 1 name" in opened.locator("#mistakes .list h3").inner_text()


@pytest.mark.slow
def test_a_click_on_a_bin_lists_all_its_mistakes(opened: Any):
    opened.locator("#bins a", has_text="Green Bin").click()
    assert opened.locator("#mistakes .list b").all_inner_texts() == ["Crème cake"]
    opened.locator("#bins a", has_text="Household").click()
    assert opened.locator("#mistakes .list b").all_inner_texts() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("CREME", ["Crème cake"]),
        ("battery", ["Batteries", "AA battery"]),
        ("bottles of glass", []),
        ("bottle glas", ["Glass bottle"]),
        ("sun glasses", ["Sun glasses"]),
        ("sunglass", ["Sun glasses"]),
        ("zzz", []),
    ],
)
def test_the_search_folds_case_accents_plurals_and_spaces(opened: Any, text: str, names: list[str]):
    opened.get_by_role("searchbox").fill(text)
    assert [name.removesuffix("s") for name in opened.locator("#find li b").all_inner_texts()] == [
        name.removesuffix("s") for name in names
    ]
    assert bool(names) == ("No list has" not in opened.locator("#find [role=status]").inner_text())


@pytest.mark.slow
def test_a_found_item_shows_bins_test_and_ideas_and_nothing_is_clipped(opened: Any):
    opened.get_by_role("searchbox").fill("batteries")
    text = opened.locator("#find li").first.inner_text()
    assert "Hazard or Reuse" in text and "In the test, without the list: Reuse (50 %), right" in text
    opened.get_by_role("searchbox").fill("sunglasses")
    assert "Idea for reuse: Check it" in opened.locator("#find li").inner_text()
    assert opened.evaluate("document.documentElement.scrollWidth") == 390


def luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_in_the_table_have_contrast(browser: Any, page: Path, scheme: Any):
    """Blend the colour of a cell with that below it, as a browser does."""
    tab = browser.new_page(color_scheme=scheme)
    tab.goto(page.as_uri())
    cells = tab.evaluate("""() => [...document.querySelectorAll(".matrix button")].map((cell) =>
      [getComputedStyle(cell).backgroundColor, getComputedStyle(cell.parentElement).backgroundColor,
       getComputedStyle(cell).color])""")
    tab.close()
    assert len(cells) == 4
    for mixed, under, ink in cells:
        red, green, blue, alpha = map(float, re.findall(r"[\d.]+", mixed.removeprefix("color(srgb ")))
        below, above = ([int(c) / 255 for c in re.findall(r"\d+", text)] for text in (under, ink))
        shown = [alpha * c + (1 - alpha) * b for c, b in zip((red, green, blue), below, strict=True)]
        low, high = sorted((luminance(shown), luminance(above)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (mixed, under, ink)
