"""The table of a plan and the progress of a run."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from statewright.planning.plan import Decision, Plan
from statewright.planning.reasons import Reason
from statewright.scheduling.prediction import schedule_plan
from statewright.terminal.display import clock, live_board, new_board, print_plan, span, summary
from statewright.workflow import Stage, Workflow

PLAN = Plan(
    {
        "one": Decision("one", "must", (Reason("param", "train.lr", 0.1, [0.2]),), (2.0, 70.0)),
        "two": Decision("two", "may", (Reason("upstream", "one"),)),
        "three": Decision("three", "restore", (Reason("output", "x", None, "missing"),), (1.0, 1.0)),
        "four": Decision("four", "skip"),
    }
)


def make_console(**more: Any) -> Console:
    return Console(file=io.StringIO(), width=200, **more)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_plan_is_shown_with_verdicts_durations_and_reasons() -> None:
    console = make_console()
    print_plan(PLAN, console)
    lines = text(console).splitlines()
    assert lines[1].split() == ["one", "must", "2.0", "s", "to", "1:10", "train.lr", "0.1", "->", "[0.2]"]
    assert lines[2].split() == ["two", "may", "after", "one"]
    assert lines[3].split() == ["three", "restore", "1.0", "s", "output", "x", "is", "missing"]
    assert lines[-1] == (
        "1 must, 1 may, 1 restore, 1 skip; commands take 2.0 s to 1:10 in total, 1 stage without a prediction"
    )


def test_a_prediction_of_the_total_is_printed_below_the_plan() -> None:
    stages = {name: Stage(name, (name,)) for name in PLAN.decisions}
    workflow = Workflow(stages, {"one": (), "two": ("one",), "three": (), "four": ()})
    prediction = schedule_plan(workflow, PLAN, {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0})
    console = make_console()
    print_plan(PLAN, console, prediction, 2)
    # two has no past run: its assumed duration is that of one, the only stage with a prediction
    assert text(console).splitlines()[-1] == "predicted 2.0 s to 1:46 on 2 cores; critical path: one > two"


@pytest.mark.parametrize("restored", [False, True])
def test_without_past_runs_no_prediction_is_printed(restored: bool) -> None:
    decisions = {"two": PLAN.decisions["two"]}
    if restored:
        decisions["three"] = Decision("three", "restore", (Reason("output", "x", None, "missing"),))
    plan = Plan(decisions)
    workflow = Workflow({name: Stage(name, (name,)) for name in decisions}, dict.fromkeys(decisions, ()))
    prediction = schedule_plan(workflow, plan, {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0})
    console = make_console()
    print_plan(plan, console, prediction, 2)
    assert text(console).splitlines()[-1] == ("1 may, 1 restore" if restored else "1 may")


def test_square_brackets_are_part_of_a_name() -> None:
    """Print a stage of `foreach: ["[red]"]`."""
    plan = Plan({"each@[red]": Decision("each@[red]", "must", (Reason("new", "each@[red]"),))})
    console = make_console()
    print_plan(plan, console)
    console.print(new_board(plan, console).table())
    assert text(console).count("each@[red] ") == 3


def test_the_summary_of_a_plan_without_work() -> None:
    assert summary(Plan({"four": Decision("four", "skip")})) == "1 skip"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (65.0, "1:05"), (3600.0, "60:00")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_range_of_equal_durations_is_one_duration() -> None:
    assert (span((1.0, 1.0)), span((1.0, 2.0)), span(None)) == ("1.0 s", "1.0 s to 2.0 s", "")


def test_without_a_terminal_each_change_is_a_line() -> None:
    console = make_console()
    board = new_board(PLAN, console)
    with live_board(board):
        board.update("one", "running", note="")
        board.update("one", note="epoch 1")
        board.update("one", "ran")
        board.update("three", "failed", note="[no such song]")
    lines = text(console).splitlines()
    assert lines[0] == "one: running"
    assert lines[1].startswith("one: ran in 0.")
    assert lines[2] == "three: failed: [no such song]"
    assert len(lines) == 3


def test_on_a_terminal_there_is_a_table_of_the_stages_with_work() -> None:
    console = make_console(force_terminal=True)
    board = new_board(PLAN, console)
    with live_board(board):
        board.update("one", "running", note="[red]epoch 1")
        console.print(board.table())
    shown = text(console)
    assert "one" in shown and "running" in shown and "[red]epoch 1" in shown and "2.0 s to 1:10" in shown
    assert "two" in shown and "waiting" in shown
    assert "four" not in shown
