"""The environment of a stage: that of the caller and what DVC adds, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from toys import make_repository

from statewright.environment import is_recorded_by_engine
from statewright.running.launcher import open_launcher
from statewright.running.process import run_commands

HERE = Path(__file__).parents[2]

PROBE = """
umask
ulimit -n
pwd | sed 's|/[ds]$||; s|/[ds]/|/|'
echo "$0 $#"
command -v python; python
test -t 0 || test -t 1 || test -t 2 || echo no terminal
cat | wc -c
env | sed 's|/[ds]$||; s|/[ds]/|/|' | grep -v '^_=' | LC_ALL=C sort
"""

STAGES = {
    "dvc.yaml": """
        stages:
          first: {cmd: sh probe.sh > first.txt, deps: [probe.sh], outs: [first.txt]}
          below: {wdir: below, cmd: sh ../probe.sh > out.txt, deps: [../probe.sh], outs: [out.txt]}
          list: {cmd: [sh probe.sh > list.txt, env | wc -l >> list.txt], deps: [probe.sh], outs: [list.txt]}
        """,
    "probe.sh": PROBE,
    "below/.gitkeep": "",
}


def call(root: Path, environment: Mapping[str, str], *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=root,
        env={**environment, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=300,
        umask=0o027,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_stage_finds_the_same_environment_as_under_dvc_repro(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "d", STAGES)
    shutil.copytree(root, tmp_path / "s")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho my own python\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SHELL": "/bin/sh",
        "ODD NAME": "x",
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "MLFLOW_EXPERIMENT_NAME": "theirs",
    }
    call(tmp_path / "d", environment, "dvc", "repro")
    call(tmp_path / "s", environment, "statewright", "run", "--workers", "1")
    for name in ("first.txt", "below/out.txt", "list.txt"):
        text = (tmp_path / "s" / name).read_text()
        assert text == (tmp_path / "d" / name).read_text()
    assert "my own python" in text
    assert "no terminal" in text


@pytest.mark.parametrize(
    "variables", [{}, {"_RJEM_MALLOC_CONF": "narenas:2", "_MLFLOW_TELEMETRY_SESSION_ID": "own"}]
)
def test_importing_and_planning_change_no_variable(variables: dict[str, str]) -> None:
    script = (
        "import os; before = dict(os.environ)\n"
        "import statewright\n"
        "from statewright import plan, session, transition\n"
        "from statewright.environment import caller_environment, quiet\n"
        "assert dict(os.environ) == before\n"
        "quiet(); import prefect, mlflow\n"
        "assert caller_environment(os.environ) == before, set(os.environ) - set(before)\n"
    )
    # This process may have imported the libraries itself.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("_RJEM", "_MLFLOW"))
    }
    environment = {**inherited, **variables, "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


ASK = "from pathlib import Path; from statewright.environment import is_recorded_by_engine as f; "
ASK += "print(f(Path.cwd()))"


@pytest.mark.parametrize(
    ("lock", "answer"),
    [("here/.statewright/working.lock", True), ("elsewhere/.statewright/working.lock", False), ("", True)],
    ids=["a run here", "a run of another repository", "verify"],
)
def test_a_stage_knows_which_run_records_it(tmp_path: Path, lock: str, answer: bool) -> None:
    here = tmp_path / "here"
    for folder in (here, tmp_path / "elsewhere"):
        (folder / ".statewright").mkdir(parents=True)
    # In a shell and a new session: the supervisor need not be the parent.
    command = f"setsid --wait sh -c '{sys.executable} -c \"{ASK}\"; true'"
    with open_launcher(lock=tmp_path / lock if lock else None) as launcher:
        run_commands(
            "stage", [(command, {"shell": True, "cwd": str(here)})], tmp_path / "log", launcher=launcher
        )
    assert (tmp_path / "log").read_text() == f"{answer}\n"


def test_a_command_of_a_person_is_not_recorded_by_a_run(tmp_path: Path) -> None:
    with open_launcher(lock=tmp_path / ".statewright-lock"):
        assert not is_recorded_by_engine(tmp_path)


def test_a_function_stage_records_itself_unless_a_run_does(tmp_path: Path) -> None:
    files = {
        "tasks/__init__.py": "",
        "tasks/__main__.py": (HERE / "tasks" / "__main__.py").read_text(),
        "tasks/kernels.py": (HERE / "tasks" / "kernels.py").read_text(),
        "tasks/toy.py": """
            from statewright.contracts import Document

            class Answer(Document):
                value: int

            def answer() -> Answer:
                print("half way")
                return Answer(value=42)
            """,
        "dvc.yaml": "stages: {toy-answer: {cmd: python -m tasks toy-answer, outs: [answer.json]}}",
    }
    root = make_repository(tmp_path / "repo", files)
    store = tmp_path / "runs.db"
    command = [f"{sys.executable} -m tasks toy-answer"]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "MLFLOW_TRACKING_URI": f"sqlite:///{store}"}
    keywords = {"shell": True, "cwd": str(root), "env": environment}
    (root / ".statewright").mkdir()
    with open_launcher(lock=root / ".statewright" / "working.lock") as launcher:
        run_commands("toy-answer", [(command[0], keywords)], tmp_path / "log", launcher=launcher)
    assert (root / "answer.json").exists()
    assert "half way" in (tmp_path / "log").read_text()
    assert not store.exists()
    subprocess.run(command[0].split(), cwd=root, env=environment, check=True)  # as `dvc repro` does
    with sqlite3.connect(store) as connection:
        stages = connection.execute("SELECT value FROM tags WHERE key = 'statewright.stage'").fetchall()
    assert stages == [("toy-answer",)]


REFERENCES = {
    "tasks/__init__.py": "",
    "tasks/__main__.py": (HERE / "tasks" / "__main__.py").read_text(),
    "tasks/kernels.py": (HERE / "tasks" / "kernels.py").read_text(),
    "tasks/db.py": """
        from pydantic import Field
        from statewright.contracts import Document, Params

        class LoginParams(Params):
            user: str
            password: str = Field(min_length=8)
            ports: list[int]

        class Answer(Document):
            length: int
            port: int

        def login(*, params: LoginParams) -> Answer:
            print("connecting as", params.user, "with", params.password)
            return Answer(length=len(params.password), port=params.ports[0])
        """,
    "dvc.yaml": """
        stages:
          db-login: {cmd: python -m tasks db-login, params: [db.login], outs: [answer.json]}
        """,
    "params.yaml": "db: {login: {user: ada, password: 'env:OPENING', ports: ['env:DB_PORT', 2]}}",
}


@pytest.mark.slow
def test_a_params_value_from_the_environment_is_recorded_by_its_name(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", REFERENCES)
    store = tmp_path / "runs.db"
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "MLFLOW_TRACKING_URI": f"sqlite:///{store}",
        "OPENING": "VALUE_OF_OPENING",
    }

    def start(*command: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-P", "-m", *command]
        return subprocess.run(
            arguments, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    unset = start("statewright", "run")
    assert unset.returncode == 1
    assert "params.yaml: db.login takes DB_PORT from the environment, where it is not set" in unset.stderr
    environment["DB_PORT"] = "5432"
    done = start("statewright", "run")
    assert done.returncode == 0, done.stderr
    assert json.loads((root / "answer.json").read_text()) == {"length": 16, "port": 5432}
    assert "env:OPENING" in (root / "dvc.lock").read_text()
    kept = [path for path in [*root.rglob("*"), *tmp_path.glob("runs.db*")] if path.is_file()]
    assert [path for path in kept if b"VALUE_OF_OPENING" in path.read_bytes()] == []
    assert start("statewright", "plan", "--json").stdout.count('"skip"') == 1
    environment["OPENING"] = "another"  # DVC compares the name, so a new value runs nothing
    assert "Data and pipelines are up to date" in start("dvc", "status").stdout
    assert start("dvc", "repro", "--force").returncode == 255  # the function checks the value: 7 characters
    fault = start("statewright", "check").stdout
    assert "password: String should have at least 8 characters, found '***'" in fault
