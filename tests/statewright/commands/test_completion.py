"""The completion script, as bash uses it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from statewright.arguments.parser import build_parser
from statewright.cli import main

DVC_YAML = """
vars: [a.yaml]
stages:
  # a comment
  songs-clean:
    matrix: {part: [a, b]}
    cmd: x
    outs:
      - clean-${item.part}.csv
  songs-fit:
    cmd: "y: z"
metrics:
  - score.json
"""
DVC_LOCK = """schema: '2.0'
stages:
  songs-clean@a:
    cmd: x
    outs:
    - path: clean-a.csv
  songs-clean@b:
    cmd: x
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "script"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as stream:
        patch.setattr("sys.stdout", stream)
        with pytest.raises(SystemExit) as end:
            main(["completion", "bash"])
    assert end.value.code == 0
    return path


def completed(script: Path, folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    lines = (
        f'source "{script}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_statewright "$1" "${@: -1}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = [bash, "--norc", "-c", lines, "bash", "statewright", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_and_values_are_completed(script: Path, tmp_path: Path) -> None:
    commands = completed(script, tmp_path, "")
    assert {"run", "plan", "history", "show", "diff", "graph", "completion"} <= set(commands)
    assert completed(script, tmp_path, "his") == ["history"]
    assert set(completed(script, tmp_path, "graph", "--")) >= {"--svg", "--mermaid", "--html", "--output"}
    assert completed(script, tmp_path, "completion", "") == ["bash", "zsh", "fish"]
    assert completed(script, tmp_path, "show", "la") == ["last", "last~1"]


def test_stages_cells_and_pipelines_of_the_folder_are_completed(script: Path, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "dvc.lock").write_text(DVC_LOCK)
    assert completed(script, tmp_path, "run", "s") == [
        "songs",
        "songs-clean",
        "songs-clean@a",
        "songs-clean@b",
        "songs-fit",
    ]
    assert completed(script, tmp_path, "graph", "songs-clean@") == ["songs-clean@a", "songs-clean@b"]
    assert completed(script, tmp_path, "plan", "dvc.l") == ["dvc.lock"]


def make_store(root: Path, number: int) -> None:
    """Write a store of MLflow with `number` runs, as far as the ids need it."""
    (root / ".dvc").mkdir()
    store = root / ".statewright" / "mlflow"
    store.mkdir(parents=True)
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        columns = "run_uuid, experiment_id, name, status, start_time, end_time, lifecycle_stage"
        database.execute(f"CREATE TABLE runs ({columns})")
        database.execute("CREATE TABLE tags (key, value, run_uuid)")
        runs = [(f"{n:08x}", "1", f"lr {n}", "FINISHED", n, n, "active") for n in range(number)]
        database.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", runs)
        tags = [("statewright.kind", "transition", run[0]) for run in runs]
        database.executemany("INSERT INTO tags VALUES (?, ?, ?)", tags)
        database.commit()


def test_ids_of_runs_are_completed(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(tmp_path, 20)
    program = tmp_path / "bin" / "statewright"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m statewright "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert completed(script, tmp_path, "show", "0000001") == ["00000013", "00000012", "00000011", "00000010"]
    assert completed(script, tmp_path, "diff", "00000002") == ["00000002"]


def test_ids_are_read_without_mlflow_and_without_a_server(tmp_path: Path) -> None:
    make_store(tmp_path, 3)
    code = (
        "import sys; from statewright.record.transitions.lookup import local_runs; from pathlib import Path; "
        "print([run.id for run in local_runs(Path())], {'mlflow', 'dvc', 'prefect'} & set(sys.modules))"
    )
    for uri, ids in (("", ["00000002", "00000001", "00000000"]), ("http://127.0.0.1:9", [])):
        environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stdout == f"{ids} set()\n", done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_with_the_same_commands(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["completion", shell])
    text = capsys.readouterr().out
    assert "_statewright_stages" in text and "_statewright_runs" in text
    assert "statewright history --ids" in text
    help_text = build_parser().format_help()
    assert all(command in text and command in help_text for command in ("history", "show", "graph"))
