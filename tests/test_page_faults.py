"""The check of pages finds each fault of a bad page, and none on a good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium, outside, page_faults

pytestmark = pytest.mark.slow

PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<body><h1>Page</h1>{body}</body></html>"""
GOOD = """<svg id="good" aria-label="bar" viewBox="0 0 300 200" width="300" height="200">
<rect x="10" y="10" width="200" height="50" fill="#0072b2"/>
<text x="20" y="40" fill="white" font-size="14">white on the bar</text></svg>
<p style="color: #767676">contrast 4.54</p>"""
BAD = """
<p id="pale" style="color: #777">contrast 4.48</p>
<details><div id="wide" style="width: 2000px; height: 5px"></div></details>
<div id="box" style="overflow-x: auto; width: 100px"><div style="width: 400px">x</div></div>
<img id="nameless" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" width="50" height="50">
<svg id="empty" aria-label="empty" viewBox="0 0 300 200" width="300" height="200">
<g id="axis_1"><path d="M0 0L300 0" stroke="black"/></g>
<text x="10" y="100" font-size="4">tiny</text><text x="10" y="50" font-size="14">first</text>
<text x="12" y="52" font-size="14">second</text><text x="280" y="150" font-size="14">outside</text></svg>
<svg id="bar" aria-label="bar" viewBox="0 0 300 200" width="300" height="200">
<rect x="10" y="10" width="200" height="50" fill="#0072b2"/>
<text x="20" y="90" fill="white">beside</text></svg>
<svg id="covered" aria-label="covered" viewBox="0 0 300 200" width="300" height="200">
<rect x="10" y="10" width="100" height="50" fill="red"/>
<rect class="background" width="300" height="200" fill="white"/></svg>
<script>console.error("broken"); fetch("https://example.org/x").catch(() => {}); missing();</script>"""
FOUND = (
    "the page scrolls sideways: 2008 of",
    "too wide: #wide",
    'contrast 4.48: #pale "contrast 4.48"',
    "no text alternative: #nameless",
    "empty plot: #empty",
    "text of 4.0 px",
    'labels overlap: text. in #empty ["first","second"]',
    "text outside of its drawing",
    'contrast 1.00: text. in #bar "beside"',
    "no pixel of a mark: covered",
    "console: broken",
    "script error: missing is not defined",
    "request of https://example.org/x",
)


def test_every_fault_of_a_page_is_found_and_a_good_page_has_none(tmp_path: Path) -> None:
    for name, body in (("good", GOOD), ("bad", BAD)):
        (tmp_path / f"{name}.html").write_text(PAGE.format(body=body), encoding="utf-8")
    with chromium() as browser:
        assert page_faults(browser, (tmp_path / "good.html").as_uri()) == []
        faults = page_faults(browser, (tmp_path / "bad.html").as_uri())
    for words in FOUND:
        for view in ("1200 px, light: ", "390 px, dark: "):
            assert any(fault.startswith(f"{view}{words}") for fault in faults), (view, words, faults)
    assert any("clipped at 100 of 400 px: #box" in fault for fault in faults)


def test_a_request_to_another_server_or_file_is_outside() -> None:
    assert outside("https://example.org/x", "file:///a.html")
    assert outside("file:///b.js", "file:///a.html")
    assert not outside("data:,", "file:///a.html")
    assert not outside("http://127.0.0.1:1/x.js", "http://127.0.0.1:1/page")
    assert outside("http://127.0.0.1:2/x.js", "http://127.0.0.1:1/page")
