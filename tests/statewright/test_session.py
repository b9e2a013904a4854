"""Concurrent runs wait; a wrong plan is corrected."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from toys import make_repository, verdicts

from statewright import session
from statewright.planning.plan import RESTORE, SKIP, Decision, Plan
from statewright.state import StageState, State
from statewright.workflow import Output, Stage, Workflow


def test_a_second_run_waits_and_prints_why(tmp_path: Path) -> None:
    output = io.StringIO()
    entered = threading.Event()

    def second() -> None:
        with session.exclusive_run(tmp_path, Console(file=output, width=200)):
            entered.set()

    (tmp_path / ".statewright").mkdir()
    with FileLock(tmp_path / ".statewright" / "run.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.5)
    assert entered.wait(10)
    thread.join()
    assert "another run is running in this repository; waiting" in output.getvalue()


def test_a_skipped_stage_after_a_failed_restore_is_planned_again() -> None:
    first = Stage("first", ("make",), deps=("raw",), outs=(Output("mid"),))
    second = Stage("second", ("use",), deps=("mid",), outs=(Output("end"),))
    workflow = Workflow({"first": first, "second": second}, {"first": (), "second": ("first",)})

    def after(mid: str) -> State:
        def observed(stage: Stage, dep: str, was: str, now: str) -> StageState:
            outs = {out.path: "ok" for out in stage.outs}
            return StageState(True, stage.cmd, {dep: was}, {dep: now}, outs=outs)

        return State({"first": observed(first, "raw", "r", "r"), "second": observed(second, "mid", "m", mid)})

    plan = Plan({"first": Decision("first", RESTORE), "second": Decision("second", SKIP)})
    opened = session.Session(None, workflow, after("m"), plan)  # type: ignore[arg-type]
    assert session.new_work(opened, after("m")).work == ()
    assert session.new_work(opened, after("other")).work == ("second",)


def test_a_half_written_metric_does_not_block_the_plan(tmp_path: Path) -> None:
    stages = "stages:\n  half:\n    cmd: make\n    metrics: [m.json]\n"
    root = make_repository(tmp_path / "repo", {"dvc.yaml": stages, "m.json": '{"rmse": '})
    assert verdicts(root) == {"half": "must"}
