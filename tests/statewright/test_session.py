"""Runs wait for one another; what a plan got wrong is planned anew."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from toys import make_repository, verdicts

from statewright import session
from statewright.plan import RESTORE, SKIP, Decision, Plan
from statewright.state import StageState, State
from statewright.workflow import Output, Stage, Workflow


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    said = io.StringIO()
    entered = threading.Event()

    def second() -> None:
        with session.alone(tmp_path, Console(file=said, width=200)):
            entered.set()

    (tmp_path / ".statewright").mkdir()
    with FileLock(tmp_path / ".statewright" / "run.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
    assert entered.wait(10)
    thread.join()
    assert "another run is at work" in said.getvalue()


def test_a_skip_below_a_restore_that_did_not_come_true_is_planned_anew() -> None:
    first = Stage("first", ("make",), deps=("raw",), outs=(Output("mid"),))
    second = Stage("second", ("use",), deps=("mid",), outs=(Output("end"),))
    workflow = Workflow({"first": first, "second": second}, {"first": (), "second": ("first",)})

    def after(mid: str) -> State:
        def observed(stage: Stage, dep: str, was: str, now: str) -> StageState:
            outs = {out.path: "ok" for out in stage.outs}
            return StageState(True, stage.cmd, {dep: was}, {dep: now}, outs=outs)

        return State({"first": observed(first, "raw", "r", "r"), "second": observed(second, "mid", "m", mid)})

    plan = Plan({"first": Decision("first", RESTORE), "second": Decision("second", SKIP)})
    looked = session.Session(None, workflow, after("m"), plan)  # type: ignore[arg-type]
    assert session._left(looked, after("m")).work == ()
    assert session._left(looked, after("other")).work == ("second",)


def test_a_half_written_metric_does_not_hold_the_plan_up(tmp_path: Path) -> None:
    stages = "stages:\n  half:\n    cmd: make\n    metrics: [m.json]\n"
    root = make_repository(tmp_path / "repo", {"dvc.yaml": stages, "m.json": '{"rmse": '})
    assert verdicts(root) == {"half": "must"}
