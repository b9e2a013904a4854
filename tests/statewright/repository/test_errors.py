"""Commands that YAML does not read as text: one clear error."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from local_runs import files_of, reproduce, run_local
from toys import make_repository, plan_of, statewright

from statewright.repository.declaration import open_repository
from statewright.repository.errors import unusable_command

STAGES = """
stages:
  before: {cmd: echo 1 > before.txt, outs: [before.txt]}
  bad:
    cmd:
      - echo ok
      - %s
    outs: [bad.txt]
  needs: {cmd: cp bad.txt needs.txt, deps: [bad.txt], outs: [needs.txt]}
  other: {cmd: cp before.txt other.txt, deps: [before.txt], outs: [other.txt]}
"""
ITEMS = ["echo a: b", "curl -H 'a': it's", "5", "true", "null", "[a, b]", "2024-01-01"]


@pytest.mark.parametrize("item", ITEMS)
def test_the_error_names_the_line_and_its_advice_is_read_as_text(tmp_path: Path, item: str) -> None:
    root = make_repository(tmp_path / "toy", {"dvc.yaml": STAGES % item})
    stage = open_repository(root).stages["bad"]

    problem = unusable_command(stage)

    assert problem is not None
    line = (root / "dvc.yaml").read_text().splitlines().index(f"      - {item}") + 1
    assert f"item 2 of cmd cannot be run (dvc.yaml, line {line})" in problem
    assert isinstance(yaml.safe_load(problem.rpartition("such as - ")[2]), str)
    assert unusable_command(open_repository(root).stages["before"]) is None


def test_the_line_is_that_of_the_template(tmp_path: Path) -> None:
    command = "[1, 2]\n    do:\n      cmd:\n        - echo ${item}\n        - echo a: b\n"
    root = make_repository(tmp_path / "toy", {"dvc.yaml": f"stages:\n  all:\n    foreach: {command}"})
    assert "(dvc.yaml, line 7)" in str(unusable_command(open_repository(root).stages["all@2"]))


def test_the_stage_fails_and_the_others_run_as_dvc_keeps_going(tmp_path: Path) -> None:
    ours = make_repository(tmp_path / "ours", {"dvc.yaml": STAGES % "echo a: b"})
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs, symlinks=True)

    assert {d.verdict for d in plan_of(ours).decisions.values()} <= {"must", "may"}
    result = run_local(ours, 1)
    assert reproduce(theirs, "-k") != 0

    kept, expected = files_of(ours), files_of(theirs)
    kept.pop(".gitignore"), expected.pop(".gitignore", None)  # DVC removes the entries after a failure
    assert kept == expected
    assert result.outcomes == {"before": "ran", "bad": "failed", "needs": "blocked", "other": "ran"}
    assert "item 2 of cmd cannot be run (dvc.yaml, line 6)" in result.errors["bad"]


def test_plan_and_check_say_it_before_the_run(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "toy", {"dvc.yaml": STAGES % "curl -H 'Authorization: Bearer hunter2hunter2'"}
    )
    planned, checked = statewright(root, "plan"), statewright(root, "check")
    assert "stage 'bad' will fail: item 2 of cmd" in planned.stderr
    assert planned.returncode == 0
    assert "bad: item 2 of cmd" in checked.stdout
    assert "1 fault" in checked.stdout
    assert checked.returncode == 1
    assert "hunter2" not in planned.stderr + checked.stdout
