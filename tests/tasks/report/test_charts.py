"""Charts: data arrive unchanged, colours have contrast, a browser draws."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import chromium
from hypothesis import given
from hypothesis import strategies as st
from test_page import colours, contrast

from tasks.report.blocks import Figure, Opening, Picture, Section
from tasks.report.charts import SCRIPT, STYLE, Chart, columns, json_text, with_charts
from tasks.report.page import report_page
from tasks.report.style import STYLE as PAGE_STYLE

EVIL = "</script><script>alert(1)</script><!--"


class Scripts(HTMLParser):
    """The text of the scripts of a page by type, and its elements by identifier."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.kind: str | None = None
        self.labels: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag == "script":
            self.kind = fields.get("type") or "javascript"
            self.texts.append((self.kind, ""))
        if fields.get("class") == "chart":
            self.labels.append(str(fields["aria-label"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self.kind = None

    def handle_data(self, data: str) -> None:
        if self.kind is not None:
            self.texts[-1] = (self.kind, self.texts[-1][1] + data)


def chart(key: str, name: str = "a") -> Chart:
    spec = {
        "data": {"name": "points"},
        "mark": {"type": "line", "point": True, "tooltip": True},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "color": {"field": "name"},
        },
    }
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, np.nan, 2.12345], "name": name})
    return Chart(key, spec, f"Rises to 2.1 for {name}.", {"points": columns(table)})


def report(*charts: Chart) -> str:
    figures = tuple(Figure((one.picture(),), "A caption.") for one in charts)
    opening = Opening("Title", ("One.", "Two.", "Three."), figures)
    return report_page(opening, (), "Foot.")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_any_data_come_back_from_the_page(value: Any) -> None:
    html = f'<script type="application/json">{json_text([value, EVIL])}</script>'
    ((_, text),) = Scripts(html).texts
    assert json.loads(text) == [value, EVIL]


def test_a_chart_holds_its_specification_data_and_words() -> None:
    scripts = Scripts(chart("one", EVIL).html())
    ((kind, text),) = scripts.texts
    spec = json.loads(text)
    assert kind == "application/json" and scripts.labels == [f"Rises to 2.1 for {EVIL}."]
    assert spec["datasets"]["points"] == {"x": [1, 2, 3], "y": [1, None, 2.123], "name": [EVIL] * 3}
    assert spec["width"] == "container" and spec["description"] == scripts.labels[0]


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Chart("one", {"height": float("nan")}, "Nothing.").html()


def test_the_library_is_embedded_once_and_only_where_needed() -> None:
    two = Scripts(report(chart("one"), chart("two")))
    assert sum("vegaEmbed" in text for kind, text in two.texts if kind == "javascript") == 2, "with its user"
    none = Scripts(report())
    assert [kind for kind, _ in none.texts] == ["javascript"] and "vegaEmbed" not in none.texts[0][1]
    with pytest.raises(ValueError, match="no </head>"):
        with_charts(chart("one").html())


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_marks_and_text_over_a_ramp_have_contrast(mode: str) -> None:
    light, _, dark = PAGE_STYLE.partition("prefers-color-scheme: dark")
    variables = colours(light) if mode == "light" else colours(light) | colours(dark)
    marks = re.findall(r"--chart-\d: var\(--(\w+)\)", STYLE)
    assert len(marks) == 6
    for mark in marks:
        assert contrast(variables[mark], variables["paper"]) >= 3, (mode, mark)  # WCAG 2.2, 1.4.11
    ramps = json.loads(re.search(r"const ramp = (\[.*\]);", SCRIPT).group(1))  # type: ignore[union-attr]
    for end in ramps[mode == "dark"]:
        assert contrast(variables["ink"], end.strip("#")) >= 4.5, (mode, end)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1200, "dark")])
def test_a_browser_draws_a_chart_when_it_can_be_seen(tmp_path: Path, width: int, scheme: Any) -> None:
    shown, folded = (Figure((one.picture(),), "A caption.") for one in (chart("one", EVIL), chart("two")))
    plain = Figure((Picture("<svg></svg>"),), "A caption.")
    opening = Opening("Title", ("One.", "Two.", "Three."), (shown, plain, plain))
    html = report_page(opening, (Section("more", "More", (folded,)),), "Foot.")
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    faults: list[str] = []
    requested: list[str] = []
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.on("console", lambda message: faults.append(message.text))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("request", lambda request: requested.append(request.url))
        tab.goto(path.as_uri())
        tab.locator("#chart-one.drawn svg").wait_for()
        assert tab.locator("#chart-two svg").count() == 0
        tab.locator("#more summary").click()
        tab.locator("#chart-two.drawn svg").wait_for()
        assert tab.locator("#chart-one svg").bounding_box()["width"] > 0.8 * min(width, 900)  # type: ignore[index]
        assert tab.locator("#chart-one").get_by_text(EVIL).count() >= 1, "text, not an element"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        colour = "rgb(93, 184, 240)" if scheme == "dark" else "rgb(0, 114, 178)"
        stroke = "getComputedStyle(document.querySelector('#chart-two .mark-line path')).stroke"
        assert tab.evaluate(stroke) == colour
        tab.evaluate("reportCharts.set('two', {points: [{x: 1, y: 1, name: 'only'}]}, 'One point.')")
        tab.locator("#chart-two").get_by_text("only", exact=True).first.wait_for()
        assert tab.locator("#chart-two").get_attribute("aria-label") == "One point."
    assert faults == [] and requested == [path.as_uri()]
