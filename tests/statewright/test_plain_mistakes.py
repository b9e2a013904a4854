"""Common mistakes end with one message that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from toys import make_repository, statewright, write

CONFLICT = "<<<<<<< HEAD\nlr: 1\n=======\nlr: 2\n>>>>>>> other\n"
STAGES = "stages:\n  a: {cmd: echo 1 > a.txt, params: [lr], outs: [a.txt]}\n"


@pytest.mark.parametrize("name", ["dvc.yaml", "params.yaml", "dvc.lock", "data.dvc", "sub/dvc.yaml"])
def test_conflict_markers_are_named_with_file_and_line(tmp_path: Path, name: str) -> None:
    root = make_repository(tmp_path / "toy", {"dvc.yaml": STAGES, "params.yaml": "lr: 1\n"})
    write(root, {name: f"# a comment\n{CONFLICT}"})
    done = statewright(root, "plan")
    assert done.returncode == 2
    assert f"{name}, line 2: conflict markers of a merge (<<<<<<<)" in done.stderr
    assert ("git checkout --ours" in done.stderr) == name.endswith(".lock")
    assert len(done.stderr.splitlines()) == 1


def test_conflict_markers_are_named_before_a_value_is_set(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "toy", {"dvc.yaml": STAGES, "params.yaml": CONFLICT})
    done = statewright(root, "plan", "--set", "lr=3")
    assert done.returncode == 2
    assert "params.yaml, line 1: conflict markers" in done.stderr


@pytest.mark.parametrize("arguments", [("graph",), ("graph", "--json"), ("plan",), ("plan", "--json", "-P")])
def test_a_closed_pipe_ends_quietly(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    stages = "".join(f"  s{i}: {{cmd: echo {'x' * 200}, outs: [o{i}]}}\n" for i in range(400))
    root = make_repository(tmp_path / "toy", {"dvc.yaml": f"stages:\n{stages}"})
    command = [sys.executable, "-m", "statewright", *arguments]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read()
        assert (process.wait(120), errors) == (141, b"")


@pytest.mark.parametrize(
    ("files", "arguments", "status", "message"),
    [
        ({}, ("plan",), 2, "no dvc.yaml and no stage; `dvc stage add` or `statewright init PIPELINE`"),
        ({}, ("run",), 2, "no dvc.yaml and no stage"),
        ({"dvc.yaml": ""}, ("plan",), 0, "no stage is declared; `dvc stage add`"),
        ({"dvc.yaml": "stages: {}\n"}, ("run",), 0, "no stage is declared; `dvc stage add`"),
        ({"dvc.yaml": "stages:\n"}, ("run",), 2, "expected a dictionary, in stages, line 1"),
        ({"sub/dvc.yaml": STAGES}, ("run",), 2, "--all-pipelines (-P) takes every stage"),
    ],
)
def test_a_repository_without_stages_says_what_to_do(
    tmp_path: Path, files: dict[str, str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = statewright(make_repository(tmp_path / "toy", files), *arguments)
    assert message in done.stdout + done.stderr
    assert done.returncode == status
