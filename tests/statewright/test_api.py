"""The public interface: its names, and that importing it changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from toys import make_repository

import statewright
from statewright.cli import main

NAMES = {
    *("plan", "run", "check", "trace", "workflow_graph", "optimize_workflow"),
    *("WorkflowGraph", "Constraints", "Schedule"),
    *("Request", "Plan", "Decision", "Workflow", "Stage", "Output", "WorkflowError"),
    *("Table", "Params", "Document", "Tensors", "Shapes", "Feedback", "Patch", "ContractError"),
    "__version__",
}


def test_these_names_and_no_others_are_public() -> None:
    assert set(statewright.__all__) == NAMES
    for name in NAMES:
        assert getattr(statewright, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = statewright.nonsense


def test_a_function_keeps_its_name_when_the_engine_is_loaded() -> None:
    import statewright.session

    assert statewright.session
    for name in ("plan", "run", "check", "trace", "workflow_graph", "optimize_workflow"):
        assert getattr(statewright, name).__module__ == "statewright.api"


def test_importing_changes_no_environment_variable_and_loads_nothing() -> None:
    program = (
        "import os, sys; before = dict(os.environ); import statewright;"
        "assert dict(os.environ) == before;"
        "print([name for name in ('dvc', 'prefect', 'mlflow', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plan_and_check_run_nothing(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path,
        {"dvc.yaml": "stages:\n  one: {cmd: echo 1 > one.txt, outs: [one.txt]}\n"},
    )
    assert statewright.plan(root).decisions["one"].verdict == "must"
    assert statewright.check(root) == []
    assert not (root / "one.txt").exists()
    with pytest.raises(statewright.WorkflowError):
        statewright.plan(root, ["absent"])


@pytest.mark.end_to_end
def test_a_repository_is_run_and_traced(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(
        tmp_path, {"dvc.yaml": "stages:\n  one: {cmd: echo 1 > one.txt, outs: [one.txt]}\n"}
    )
    assert statewright.run(root, workers=1) is True
    assert (root / "one.txt").read_text() == "1\n"
    assert statewright.plan(root).decisions["one"].verdict == "skip"
    assert "one" in str(statewright.trace("one.txt", root).as_dict())
    (root / "dvc.yaml").write_text("stages:\n  one: {cmd: exit 3, outs: [one.txt]}\n")
    assert statewright.run(root, workers=1) is False


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"statewright {statewright.__version__}\n"
