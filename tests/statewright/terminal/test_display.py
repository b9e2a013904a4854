"""Progress of a run: lines, a live table, the output of stages."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from statewright.planning.plan import Decision, Plan
from statewright.planning.reasons import Reason
from statewright.terminal.display import live_board, new_board
from statewright.terminal.words import about, clock, one_line, printable, shortened, span

PLAN = Plan(
    {
        "one": Decision("one", "must", (Reason("param", "train.lr", 0.1, [0.2]),), (2.0, 70.0)),
        "two": Decision("two", "may", (Reason("upstream", "one"),)),
        "three": Decision("three", "restore", (Reason("output", "x", None, "missing"),), (1.0, 1.0)),
        "four": Decision("four", "skip"),
    }
)


def make_console(**more: Any) -> Console:
    return Console(file=io.StringIO(), width=200, **{"markup": False, "emoji": False, **more})


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (65.0, "1:05"), (3600.0, "60:00")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_range_of_equal_durations_is_one_duration() -> None:
    assert (span((1.0, 1.0)), span((1.0, 2.0)), span(None)) == ("1.0 s", "1.0 s to 2.0 s", "")


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.1, 0.2, "< 1 s"),
        (1.2, 2.55, "1.2-2.5 s"),
        (4, 4.2, "4 s"),
        (20, 89, "20-89 s"),
        (20, 100, "0.3-1.7 min"),
        (1, 100, "< 1.7 min"),
        (340, 540, "6-9 min"),
        (5400, 9000, "1.5-2.5 h"),
        (100 * 3600, 200 * 3600, "4-8 days"),
    ],
)
def test_a_predicted_time_has_round_numbers(low: float, high: float, shown: str) -> None:
    assert about((low, high)) == shown


def test_control_characters_do_not_reach_the_terminal() -> None:
    title = "\x1b]0;title\x07a\x1b[31mred\x1b[0m \x00\x9b2J\x1b(Bb\x1bcc\u202e"
    assert printable(title) == "ared 2Jbc"
    assert printable("a\tb\nc \udcff") == "a\tb\nc \ufffd"
    assert one_line("a\nb\t c ") == "a b c"


def test_a_text_is_cut_to_columns_not_to_characters() -> None:
    assert shortened("日本語日本語", 7) == "日本語…"
    assert shortened("abc", 3) == "abc"


def test_without_a_terminal_states_and_output_are_lines() -> None:
    console = make_console()
    board = new_board(PLAN, console)
    with live_board(board):
        board.update("one", "running", note="")
        board.output("one", ["epoch 1", ":smile: [red]"], "epoch 2, 10%")
        board.update("one", "ran")
        board.update("three", "failed", note="[no such song]")
        board.update("two", "blocked", note="needs three")
    lines = text(console).splitlines()
    assert lines[:3] == ["one: running", "one | epoch 1", "one | :smile: [red]"]
    assert lines[3].startswith("one: ran in 0.")
    # The error of a failed stage is printed once, at the end of the run.
    assert lines[4:] == ["three: failed", "two: blocked: needs three"]


def test_a_quiet_run_prints_nothing() -> None:
    console = make_console(quiet=True)
    board = new_board(PLAN, console)
    with live_board(board):
        board.update("one", "running")
        board.output("one", ["epoch 1"])
        board.update("one", "ran")
    assert text(console) == ""


def test_a_reader_that_has_gone_does_not_fail_the_stage() -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    board = new_board(PLAN, Console(file=Closed(), width=200))
    board.update("one", "running")
    board.output("one", ["epoch 1"])
    assert board.rows["one"].state == "running"


def test_on_a_terminal_there_is_a_table_of_the_stages_with_work() -> None:
    console = make_console(force_terminal=True, height=50)
    board = new_board(PLAN, console)
    with live_board(board):
        board.update("one", "running", note="[red]epoch 1")
        console.print(board.table())
    shown = text(console)
    assert "one" in shown and "running" in shown and "[red]epoch 1" in shown and "2-70 s" in shown
    assert "two" in shown and "waiting" in shown
    assert "four" not in shown


def test_only_the_last_line_of_a_stage_is_in_the_table() -> None:
    console = make_console(force_terminal=True, height=50)
    board = new_board(PLAN, console)
    board.update("one", "running")
    board.output("one", ["epoch 1", "epoch 2", " "], "epoch 3 \x1b[31m10%")
    board.update("two", "running")
    board.output("two", ["read", ""])
    assert text(console) == ""
    console.print(board.table())
    assert "epoch 3 10%" in text(console) and "read" in text(console) and "epoch 2" not in text(console)


def test_a_verbose_run_prints_output_above_the_table() -> None:
    console = make_console(force_terminal=True, height=50)
    board = new_board(PLAN, console, verbose=True)
    board.update("one", "running")
    board.output("one", ["epoch [red]1", "epoch :smile:"])
    assert text(console).splitlines() == ["one | epoch [red]1", "one | epoch :smile:"]


def test_a_small_terminal_shows_the_running_stages_and_counts() -> None:
    plan = Plan({f"s{n}": Decision(f"s{n}", "must") for n in range(100)})
    console = make_console(force_terminal=True, height=10, color_system=None)
    board = new_board(plan, console)
    for number in range(60):
        board.update(f"s{number}", "ran")
    for number in (60, 99):
        board.update(f"s{number}", "running")
    console.print(board.table())
    lines = text(console).splitlines()
    assert len(lines) <= 10
    assert [line.split()[0] for line in lines if line.startswith("s") and "running" in line] == ["s60", "s99"]
    assert "60 of 100 stages ended, 2 running" in lines[-1]
    board.complete = True
    console.print(board.table())
    assert len(text(console).splitlines()) == len(lines) + 101


def test_forced_colours_do_not_draw_a_live_table_into_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CI systems often set FORCE_COLOR."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    board = new_board(PLAN)
    with live_board(board):
        board.update("one", "running")
        board.output("one", ["epoch 1"])
    assert capsys.readouterr().err.splitlines() == ["one: running", "one | epoch 1"]
