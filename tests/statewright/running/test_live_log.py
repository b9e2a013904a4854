"""Output of stages for Prefect: what is passed on, and what is counted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from statewright.running import live_log
from statewright.running.live_log import BURST, LAST_LINES, LINES_PER_S, LiveLog


class Sink:
    """Lines that were passed on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.now = 100.0
        patch.setattr(time, "monotonic", lambda: self.now)
        self.live = LiveLog(self.send)

    def send(self, address: str, lines: Sequence[str], failed: bool) -> None:
        assert address == "fit"
        (self.errors if failed else self.lines).extend(lines)


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Sink:
    return Sink(monkeypatch)


def test_lines_come_at_once_and_empty_ones_do_not(sink: Sink) -> None:
    sink.live.output("fit", ["one", "  ", ""])
    sink.live.output("fit", ["two"])
    assert sink.lines == ["one", "two"]


def test_a_flood_is_passed_on_at_a_bounded_rate_and_counted(sink: Sink, tmp_path: Path) -> None:
    sink.live.output("fit", [str(number) for number in range(BURST + 7)])
    assert sink.lines == [str(number) for number in range(BURST)]
    sink.now += 1.5 / LINES_PER_S
    sink.live.output("fit", ["a", "b", "c"])
    assert sink.lines[BURST:] == ["[statewright: 7 lines left out here]", "a"]
    sink.live.end("fit", tmp_path / "log", failed=False)
    assert sink.lines[-1] == f"[statewright: 2 lines left out here]; all are in {tmp_path}/log"


def test_each_attempt_has_an_allowance_of_its_own(sink: Sink, tmp_path: Path) -> None:
    for _ in range(2):
        sink.live.output("fit", ["x"] * BURST)
        sink.live.end("fit", tmp_path / "log", failed=False)
    assert sink.lines == ["x"] * 2 * BURST


def test_a_failure_repeats_the_last_lines_as_one_error(sink: Sink, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"line {number}\n\n" for number in range(50)))
    sink.live.end("fit", tmp_path / "log", failed=True)
    (message,) = sink.errors
    assert message.splitlines()[1:] == [f"line {number}" for number in range(50 - LAST_LINES, 50)]


def test_a_failure_without_output_has_no_last_lines(sink: Sink, tmp_path: Path) -> None:
    sink.live.end("fit", tmp_path / "absent", failed=True)
    assert sink.errors == [] and live_log.last_lines(tmp_path / "absent") == []
