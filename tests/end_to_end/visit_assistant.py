"""A visit to the waste assistant in a browser of the size of a phone."""

from __future__ import annotations

import base64
import io
import json
import os
import re
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

PHONE = {"width": 390, "height": 844}
READY_S = 180
TAP = 44
"""Minimum size of a touch target, in pixels (WCAG 2.5.5)."""
WRITTEN_MS = 90_000
"""Time limit for the first sentence, which loads the language model."""
STOP_S = 30
"""Seconds in which the service must end after SIGTERM."""


@contextmanager
def service(checkout: Path, environment: dict[str, str], python: Path) -> Iterator[str]:
    """Start a service with the champion of a checkout and yield its address.

    After SIGTERM the service must end without SIGKILL.
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
        # The server finishes its requests, and then the signal ends the process.
        assert process.wait(STOP_S) in (0, -signal.SIGTERM), log.read_text(errors="replace")
        assert '"event": "stopped"' in log.read_text(errors="replace")
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def load_photograph() -> bytes:
    """Return a photograph of a bottle from TrashNet, or else a grey image."""
    import pandas as pd
    from PIL import Image

    shared = Path(os.environ.get("STATEWRIGHT_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    table = shared / "data/waste/trashnet_192x144.parquet"
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


def visit(browser: Any, address: str, photograph: Path, thumbs: Path, screenshots: Path) -> None:
    """Ask with words and a photograph, read the reasons, rate answers, cause errors."""
    page = browser.new_page(viewport=PHONE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#city option", state="attached")
    fits(page, screenshots / "assistant_start.png")

    page.click("#ask")
    assert "Type what it is" in page.inner_text("#problem")

    page.fill("#question", "broken wine glass")
    page.click("#ask")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.inner_text("#bin") == "Garbage"
    assert "The list of Toronto has it" in page.inner_text("#sure")
    assert "drinking-glass#where" in page.inner_text("#reasons")
    page.click('[data-thumb="-1"]')
    page.get_by_text("Thank you.").wait_for()
    page.click('[data-thumb="1"]')
    page.wait_for_selector('[data-thumb="1"][aria-pressed="true"]')
    assert page.get_attribute('[data-thumb="-1"]', "aria-pressed") == "false"
    page.click("#write")
    page.wait_for_selector("#write:not([disabled])", timeout=WRITTEN_MS)
    written = page.inner_text("#written")
    assert re.search(r"\[1\]\n\[1\] Drinking glasses", written), written
    fits(page, screenshots / "assistant_words.png")

    page.fill("#question", "unicorn horn polish")
    page.click("#ask")
    page.locator("#asked", has_text="unicorn").wait_for()
    page.click('[data-thumb="-1"]')
    page.get_by_text("Thank you.").wait_for()

    page.fill("#question", "Where do I throw a CFL bulb?")
    page.click("#ask")
    page.locator("#asked", has_text="CFL").wait_for()
    assert "may be hazardous (HHW" in page.inner_text("#caution")
    fits(page, screenshots / "assistant_caution.png")

    page.fill("#question", "bouteille en verre")
    page.click("#ask")
    page.locator("#asked", has_text="bouteille").wait_for()
    assert "Not sure: nothing that is known here is much like it" in page.inner_text("#sure")

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
    assert page.inner_text("#bin") in {"Recycle", "Trash"}
    assert "The photograph looks like" in page.inner_text("#reasons")
    assert page.locator("#sentence").is_hidden() and page.locator("#caution").is_hidden()
    fits(page, screenshots / "assistant_photograph.png")
    assert not errors, errors

    page.set_input_files(
        "#picture", {"name": "note.png", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    page.click("#ask")
    page.wait_for_selector("#problem:not([hidden])")
    assert "not a picture" in page.inner_text("#problem")
    page.close()
    with sqlite3.connect(thumbs) as database:
        ratings = dict(database.execute("SELECT question, thumb FROM thumbs WHERE thumb != 0").fetchall())
    assert ratings == {"broken wine glass": 1, "unicorn horn polish": -1}


def fits(page: Any, screenshot: Path) -> None:
    """Check that the page is not too wide and that touch targets are large enough."""
    page.screenshot(path=str(screenshot), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.evaluate(
        """(least) => [...document.querySelectorAll("button, select, #question, #drop, summary")]
            .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
            .filter(([, box]) => box.width && Math.min(box.width, box.height) < least)
            .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)""",
        TAP,
    )
    assert not small, small


def drop(page: Any, photograph: Path, *, beside: bool = False) -> None:
    """Drop a file on its field, or beside it, as from a folder."""
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
