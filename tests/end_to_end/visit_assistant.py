"""A visit to the page of the waste assistant, with the screen of a phone."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from tests.external import external_path

PHONE = {"width": 390, "height": 844}
READY_S = 180
PHOTOGRAPHS = ("waste", "trashnet_192x144.parquet")
MIN_TARGET_PX = 44
"""Smallest size of a touch target (WCAG 2.5.5)."""
WRITE_TIMEOUT_MS = 90_000
"""The language model is loaded with the first request."""


@contextmanager
def service(checkout: Path, environment: dict[str, str], python: Path) -> Iterator[str]:
    """Serve the champion of a checkout, and check that SIGTERM stops the service.

    Yields
    ------
    str
        The address of the service.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = checkout.parent / "service.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(python), "-m", "service", "serve", "--port", str(port)],
            cwd=checkout,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_S
        while not _ready(address):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.5)
        yield address
        process.send_signal(signal.SIGTERM)
        # The server finishes the pending requests, then ends by the signal.
        assert process.wait(30) in (0, -signal.SIGTERM), log.read_text(errors="replace")
        assert '"event": "stopped"' in log.read_text(errors="replace")
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def a_photograph() -> bytes:
    """Return a photograph of TrashNet, or a grey picture without that data set."""
    import pandas as pd

    table = external_path(*PHOTOGRAPHS)
    if table.is_file():
        return bytes(pd.read_parquet(table).set_index("file").loc["glass1.jpg", "image"])
    stream = io.BytesIO()
    Image.new("RGB", (192, 144), "grey").save(stream, "JPEG")
    return stream.getvalue()


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=5) as response:
            return bool(json.load(response)["status"] == "ready")
    except (urllib.error.URLError, OSError):
        return False


def visit(browser: Any, address: str, photograph: Path, ratings: Path, screenshots: Path) -> None:
    """Ask with words and with a photograph, rate answers, and check the errors."""
    page = browser.new_page(viewport=PHONE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#city option", state="attached")
    check_layout(page, screenshots / "assistant_start.png")

    page.click("#ask")
    assert "Type the name of the item" in page.inner_text("#problem")

    page.fill("#question", "broken wine glass")
    page.click("#ask")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.inner_text("#bin") == "Garbage"
    assert "The list of Toronto contains it" in page.inner_text("#sure")
    assert "drinking-glass#where" in page.inner_text("#reasons")
    page.click('[data-rating="-1"]')
    page.get_by_text("Thank you.").wait_for()
    page.click('[data-rating="1"]')
    page.wait_for_selector('[data-rating="1"][aria-pressed="true"]')
    assert page.get_attribute('[data-rating="-1"]', "aria-pressed") == "false"
    page.click("#write")
    page.wait_for_selector("#write:not([disabled])", timeout=WRITE_TIMEOUT_MS)
    written = page.inner_text("#written")
    assert "Garbage" in written, written  # the bin of the answer, by the model or in words of ours
    check_layout(page, screenshots / "assistant_words.png")

    page.fill("#question", "unicorn horn polish")
    page.click("#ask")
    page.locator("#asked", has_text="unicorn").wait_for()
    page.click('[data-rating="-1"]')
    page.get_by_text("Thank you.").wait_for()

    page.fill("#question", "Where do I throw a CFL bulb?")
    page.click("#ask")
    page.locator("#asked", has_text="CFL").wait_for()
    assert "Lamps with mercury" in page.inner_text("#caution")
    check_layout(page, screenshots / "assistant_caution.png")

    page.fill("#question", "bouteille en verre")
    page.click("#ask")
    page.locator("#asked", has_text="bouteille").wait_for()
    assert page.inner_text("#bin") == "Not sure"
    assert "No known item is similar" in page.inner_text("#sure")
    check_layout(page, screenshots / "assistant_not_sure.png")

    page.fill("#question", "")
    drop(page, photograph, beside=True)
    page.wait_for_selector("#preview:not([hidden])")
    page.click("#clear")
    page.wait_for_selector("#preview", state="hidden")
    drop(page, photograph)
    page.wait_for_selector("#preview:not([hidden])")
    assert page.inner_text("#hint") == photograph.name
    page.select_option("#city", "Seattle")
    page.click("#ask")
    page.locator("#asked", has_text="Seattle").wait_for()
    if external_path(*PHOTOGRAPHS).is_file():
        assert page.inner_text("#bin") in {"Recycle", "Trash"}
        assert "The photo looks like" in page.inner_text("#reasons")
    else:
        assert page.inner_text("#bin") == "Not sure"  # a grey picture
    assert page.locator("#sentence").is_hidden() and page.locator("#caution").is_hidden()
    check_layout(page, screenshots / "assistant_photograph.png")
    black = io.BytesIO()
    Image.new("RGB", (640, 480)).save(black, "JPEG")
    page.set_input_files(
        "#picture", {"name": "black.jpg", "mimeType": "image/jpeg", "buffer": black.getvalue()}
    )
    page.click("#ask")
    page.locator("#sure", has_text="unlike the photos").wait_for()
    assert page.inner_text("#bin") == "Not sure"
    assert page.locator("#others").inner_text() == page.locator("#reasons").inner_text() == ""
    check_layout(page, screenshots / "assistant_unlike.png")

    for width in (390, 1200):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{address}/docs")
        assert page.get_by_role("heading", name="POST /v1/look").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.goto(address)
    page.wait_for_selector("#city option", state="attached")
    assert not errors, errors

    page.set_input_files(
        "#picture", {"name": "note.png", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    page.click("#ask")
    page.wait_for_selector("#problem:not([hidden])")
    assert "expected one of JPEG" in page.inner_text("#problem")
    page.close()
    with sqlite3.connect(ratings) as database:
        rows = database.execute("SELECT question, rating FROM ratings WHERE rating != 0").fetchall()
    assert dict(rows) == {"broken wine glass": 1, "unicorn horn polish": -1}


def check_layout(page: Any, screenshot: Path) -> None:
    """Check the width of the page and the size of its touch targets."""
    page.screenshot(path=str(screenshot), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.evaluate(
        """(minimum) => [...document.querySelectorAll("button, select, #question, #drop, summary")]
            .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
            .filter(([, box]) => box.width && Math.min(box.width, box.height) < minimum)
            .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)""",
        MIN_TARGET_PX,
    )
    assert not small, small


def drop(page: Any, photograph: Path, *, beside: bool = False) -> None:
    """Drop a file onto its field, or beside it."""
    content = base64.b64encode(photograph.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([content, name]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            return transfer;
        }""",
        [content, photograph.name],
    )
    target = "h1" if beside else "#drop"
    page.dispatch_event(target, "dragover", {"dataTransfer": transfer})
    assert "over" in (page.get_attribute("#drop", "class") or "")
    page.dispatch_event(target, "drop", {"dataTransfer": transfer})
    assert "over" not in (page.get_attribute("#drop", "class") or "")
