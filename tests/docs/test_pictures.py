"""Pictures of the documentation are small and used, and current."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
SESSION = ROOT / "docs" / "pictures" / "session.svg"
EMBEDDED = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    """The script that records the session."""
    spec = importlib.util.spec_from_file_location("record_session", ROOT / ".ci" / "record_session.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_pictures_are_small_and_each_is_embedded_with_a_text() -> None:
    sizes = {picture.name: picture.stat().st_size for picture in PICTURES}
    assert len(sizes) > 5
    assert max(sizes.values()) < 300_000, sizes
    assert sum(sizes.values()) < 2_000_000, sizes
    assert sizes["session.svg"] < 200_000
    embedded = {}
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for text, path in EMBEDDED.findall(page.read_text(encoding="utf-8")):
            embedded[(page.parent / path).resolve()] = text
    assert set(PICTURES) <= set(embedded)
    assert all(len(text) > 10 for text in embedded.values())


def test_the_session_shows_the_commands_of_the_readme(recorder: ModuleType) -> None:
    page = SESSION.read_text(encoding="utf-8")
    commands = recorder.readme_commands()
    assert len(commands) >= 3
    last = re.search(r"<desc[^>]*>(.*?)</desc>", page, re.DOTALL)
    assert last
    assert [line[2:] for line in last[1].splitlines() if line.startswith("$ s")] == commands
    assert "<script" not in page and "prefers-reduced-motion" in page and "prefers-color-scheme" in page
    assert max(map(float, re.findall(r"animation-delay:([\d.]+)s", page))) < 60


def test_a_line_is_shown_until_it_changes(recorder: ModuleType) -> None:
    events = [(0.0, "$ "), (1.0, "a"), (2.0, "b\r\n"), (3.0, "\x1b[32mran\x1b[0m x"), (4.0, "\r\x1b[K")]
    shown = recorder.lines(events)
    text = {(line.row, "".join(run.text for run in line.runs), line.start, line.end) for line in shown}
    assert text == {(0, "$", 0.0, 1.0), (0, "$ a", 1.0, 2.0), (0, "$ ab", 2.0, None), (1, "ran x", 3.0, 4.0)}
    (green,) = (line.runs[0] for line in shown if line.row == 1)
    assert (green.text, green.style) == ("ran", "green")
