"""The page of a graph in a browser: search, zoom, causes, keyboard and phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_graphs import HOSTILE, chain
from test_drawings import WORKFLOW

from statewright.graph.page import write_page

pytestmark = pytest.mark.end_to_end
CHROMIUM = Path("/usr/bin/chromium")
IN_VIEW = """(element, area) => { const a = element.getBoundingClientRect(), b = area.getBoundingClientRect();
  return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom }"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    own = str(CHROMIUM) if CHROMIUM.is_file() else None
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=own, args=["--no-sandbox"])


@pytest.fixture(params=[1200, 390])
def page(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open the page from the disk, without a network."""
    file = tmp_path / "graph.html"
    file.write_text(write_page(chain(), WORKFLOW, "a title"), encoding="utf-8")
    context = browser.new_context(viewport={"width": request.param, "height": 800}, offline=True)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(file.as_uri())
    if folder := os.environ.get("SCREENSHOTS"):
        opened.screenshot(path=f"{folder}/graph-{request.param}.png")
    yield opened
    assert problems == []
    context.close()


def in_view(page: Any, name: str) -> bool:
    node = page.locator(".node", has=page.locator(f".name:text-is('{name}')"))
    return bool(node.evaluate(IN_VIEW, page.locator("#graph").element_handle()))


def test_a_click_shows_the_chain_of_causes(page: Any) -> None:
    page.locator("#fit").click()
    page.locator(".node", has=page.locator(".name:text-is('s3')")).click()
    text = page.locator("#panel").inner_text()
    assert text.index("s3") < text.index("after s2") < text.index("after s1") < text.index("lr 1 -> 2")
    assert page.locator(".node.cause .name").all_text_contents() == ["s1", "s2", "s3"]
    page.locator("#panel button.link", has_text="s1").first.click()
    assert page.locator("#panel h2").first.inner_text() == "s1"
    page.keyboard.press("Escape")
    assert page.locator(".node.cause").count() == 0


def test_a_search_shows_what_it_finds(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("OUT4.csv")
    assert page.locator(".node.hit .name").all_text_contents() == ["s4"]
    page.keyboard.press("Enter")
    assert in_view(page, "s4")
    assert page.locator("#panel h2").first.inner_text() == "s4"
    page.locator("#search").fill("nothing like this")
    assert page.locator("#hits").inner_text() == "none found"


def test_the_keyboard_reaches_every_stage_and_the_zoom(page: Any) -> None:
    page.locator("#fit").focus()
    names = []
    for _ in range(page.locator(".node").count()):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.querySelector('.name').textContent"))
        assert page.evaluate(f"({IN_VIEW})(document.activeElement.querySelector('.band'), document.body)")
    assert names == list(chain().nodes)
    page.keyboard.press("Enter")
    assert page.locator(".node.chosen").count() == 1
    before = page.locator("#view").get_attribute("transform")
    page.keyboard.press("+")
    assert page.locator("#view").get_attribute("transform") != before


def test_the_wheel_zooms_around_the_pointer_and_a_drag_moves(page: Any) -> None:
    page.locator("#fit").click()
    box = page.locator("#graph").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    under = "([x, y]) => { const m = document.getElementById('view').getScreenCTM().inverse();"
    under += " const p = new DOMPoint(x, y).matrixTransform(m); return [p.x, p.y] }"
    before = page.evaluate(under, [x, y])
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    page.wait_for_function("!document.getElementById('view').getAttribute('transform').includes('scale(1)')")
    assert page.evaluate(under, [x, y]) == pytest.approx(before, abs=0.5)
    page.mouse.down()
    page.mouse.move(x + 50, y + 20, steps=4)
    page.mouse.up()
    assert page.evaluate(under, [x + 50, y + 20]) == pytest.approx(before, abs=0.5)
    assert page.locator(".node.chosen").count() == 0


def test_nothing_is_clipped_and_the_text_of_a_box_is_inside(page: Any) -> None:
    outside = """() => [...document.querySelectorAll('.node')].filter((node) => {
        const box = node.querySelector('.box').getBBox();
        return [...node.querySelectorAll('text')].some((text) => {
            const at = text.getBBox();
            return at.x + at.width > box.width;
        }) }).map((node) => node.textContent)"""
    assert page.evaluate(outside) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.title() == "a title"
    page.locator("#fit").click()
    assert all(in_view(page, f"s{k}") for k in range(6))


def test_a_cell_of_a_matrix_is_chosen_in_two_steps(page: Any) -> None:
    page.locator("#fit").click()
    page.locator(".node", has=page.locator(".name:text-is('grid')")).click()
    assert "3 cells of a matrix" in page.locator("#panel").inner_text()
    page.locator("#panel button.link", has_text="grid@0").click()
    assert "failed last time, predicted 3-5 s" in page.locator("#panel").inner_text()
    page.locator("#search").fill("hacked")
    page.keyboard.press("Enter")
    assert page.locator("#panel h2").first.inner_text() == HOSTILE
