"""What a person sees of a plan and of a run."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from statewright.plan import Decision, Plan
from statewright.planning.reasons import Reason
from statewright.scheduling.prediction import schedule_plan
from statewright.terminal.display import clock, new_board, print_plan, showing, span, summary
from statewright.workflow import Stage, Workflow

PLAN = Plan(
    {
        "one": Decision("one", "must", (Reason("param", "train.lr", 0.1, [0.2]),), (2.0, 70.0)),
        "two": Decision("two", "may", (Reason("upstream", "one"),)),
        "three": Decision("three", "restore", (Reason("output", "x", None, "missing"),), (1.0, 1.0)),
        "four": Decision("four", "skip"),
    }
)


def console(**more: Any) -> Console:
    return Console(file=io.StringIO(), width=200, **more)


def text(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def test_the_plan_is_shown_with_verdicts_durations_and_reasons() -> None:
    where = console()
    print_plan(PLAN, where)
    lines = text(where).splitlines()
    assert lines[1].split() == ["one", "must", "2.0", "s", "..", "1:10", "train.lr", "0.1", "->", "[0.2]"]
    assert lines[2].split() == ["two", "may", "after", "one"]
    assert lines[3].split() == ["three", "restore", "1.0", "s", "output", "x", "is", "missing"]
    assert lines[-1] == "1 must, 1 may, 1 restore, 1 skip; work of 2.0 s .. 1:10, 1 of unknown length"


def test_below_the_plan_stands_what_it_comes_to() -> None:
    stages = {name: Stage(name, (name,)) for name in PLAN.decisions}
    workflow = Workflow(stages, {"one": (), "two": ("one",), "three": (), "four": ()})
    prediction = schedule_plan(workflow, PLAN, {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0})
    where = console()
    print_plan(PLAN, where, prediction, 2)
    # two has no history: it is taken to last as long as one, the only stage that has, is expected to
    assert text(where).splitlines()[-1] == "takes 2.0 s .. 1:46 on 2 cores; critical path: one > two"
    unknown = Plan({"two": PLAN.decisions["two"]})
    print_plan(unknown, where, schedule_plan(workflow, unknown, {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0}), 2)
    assert text(where).splitlines()[-1] == "1 may"


def test_square_brackets_are_part_of_a_name() -> None:
    """`foreach: ["[red]"]` makes such a stage."""
    plan = Plan({"each@[red]": Decision("each@[red]", "must", (Reason("new", "each@[red]"),))})
    where = console()
    print_plan(plan, where)
    where.print(new_board(plan, where).table())
    assert text(where).count("each@[red] ") == 3


def test_a_plan_with_nothing_to_do_says_so() -> None:
    assert summary(Plan({"four": Decision("four", "skip")})) == "1 skip"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (65.0, "1:05"), (3600.0, "60:00")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_duration_that_is_one_is_shown_once() -> None:
    assert (span((1.0, 1.0)), span((1.0, 2.0)), span(None)) == ("1.0 s", "1.0 s .. 2.0 s", "")


def test_without_a_terminal_each_change_is_a_line() -> None:
    where = console()
    board = new_board(PLAN, where)
    with showing(board):
        board.update("one", "running", note="")
        board.update("one", note="epoch 1")
        board.update("one", "ran")
        board.update("three", "failed", note="[no such song]")
    lines = text(where).splitlines()
    assert lines[0] == "one: running"
    assert lines[1].startswith("one: ran in 0.")
    assert lines[2] == "three: failed: [no such song]"
    assert len(lines) == 3


def test_on_a_terminal_there_is_a_table_of_all_work() -> None:
    where = console(force_terminal=True)
    board = new_board(PLAN, where)
    with showing(board):
        board.update("one", "running", note="[red]epoch 1")
        where.print(board.table())
    shown = text(where)
    assert "one" in shown and "running" in shown and "[red]epoch 1" in shown and "2.0 s .. 1:10" in shown
    assert "two" in shown and "waiting" in shown
    assert "four" not in shown
