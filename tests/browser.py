"""A headless Chromium, and the check that every page of the project passes."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK = 390, 1200
"""Widths in pixels at which a page is checked."""
HEIGHT = 900
DRAWN_MS = 20_000
"""Time in which the interactive charts of a page must be drawn."""
LOOKED_AT = 6_000
"""Height in pixels of the part of a page whose pixels are looked at."""
FAULTS = (Path(__file__).parent / "page_faults.js").read_text(encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless Chromium, or skip the test where there is none."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium here: install it (Debian: apt-get install chromium) to run the browser tests"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def page_faults(browser: Any, address: str, screenshots: Path | None = None) -> list[str]:
    """Return what is wrong with a page, by width and colour scheme.

    A page is checked on a phone and on a desk, in light and in dark mode. It must not scroll sideways,
    clip, or leave a plot empty. Its text has the contrast of WCAG level AA (4.5), every picture has a
    text alternative, and it neither writes an error to the console nor requests anything but itself. All
    folded parts are opened.
    """
    found: list[str] = []
    for width in (DESK, PHONE):
        for scheme in ("light", "dark"):
            picture = screenshots / f"{width}-{scheme}.png" if screenshots else None
            found += [
                f"{width} px, {scheme}: {fault}"
                for fault in _faults(browser, address, (width, scheme), picture)
            ]
    return found


def _faults(browser: Any, address: str, view: tuple[int, str], picture: Path | None) -> list[str]:
    width, scheme = view
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None,
    )
    page.on(
        "request",
        lambda request: faults.append(f"request of {request.url}") if outside(request.url, address) else None,
    )
    page.goto(address)
    page.locator("h1").first.wait_for()
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append("the page scrolls sideways before anything is opened")
    if picture:
        page.screenshot(path=picture, full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    # Charts are drawn when they come near the window, or for print.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "[...document.querySelectorAll('.chart')].every((chart) => chart.classList.contains('drawn'))",
        timeout=DRAWN_MS,
    )
    result = page.evaluate(FAULTS, {"phone": width == PHONE})
    faults += result["faults"]
    high = min(page.evaluate("document.documentElement.scrollHeight"), LOOKED_AT)
    shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": high})
    faults += [f"no pixel of a mark: {name}" for name in unpainted(shot, result["plots"])]
    context.close()
    return faults


def outside(url: str, address: str) -> bool:
    """Return whether a request leaves the server, or the file, of the page."""
    if url.startswith(("data:", "blob:")):
        return False
    origin = "/".join(address.split("/")[:3])
    return url != address if address.startswith("file:") else not url.startswith(f"{origin}/")


def unpainted(screenshot: bytes, plots: list[dict[str, Any]]) -> list[str]:
    """Return the names of the plots in whose pixels no mark has its colour."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB")).astype(int)
    names = []
    for plot in plots:
        left, top = max(round(plot["x"]), 0), max(round(plot["y"]), 0)
        part = pixels[top : top + round(plot["height"]), left : left + round(plot["width"])]
        inks = [ink for ink in plot["inks"] if ink is not None]
        if not part.size or len(inks) < len(plot["inks"]) or not inks:
            continue  # below the part that is looked at, a picture of pixels, or already found empty
        if all(np.abs(part - ink).max(axis=2).min() > 24 for ink in np.array(inks)):
            names.append(plot["name"])
    return names
