"""Detect that other software made an output than the software that is here."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from toys import make_repository, statewright, write

from statewright import interpreter
from statewright.drift import MAX_VERSIONS, Environments, in_words
from statewright.interpreter import Interpreter, StageEnvironment, find_interpreter, read_environment
from statewright.running.recorder import wait_until_recorded

FILES = {
    "dvc.yaml": """
        stages:
          make:
            cmd: python -c "print(1)" > made.txt
            outs: [made.txt]
          copy:
            cmd: cp made.txt copied.txt
            deps: [made.txt]
            outs: [copied.txt]
        """,
}


def virtual_environment(folder: Path, **distributions: str) -> Path:
    """Create a virtual environment; return the folder of its distributions."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name, version in distributions.items():
        (packages / f"{name}-{version}.dist-info").mkdir()
    return packages


def first_on_path(folder: Path) -> str:
    """Return a PATH on which the programs of an environment come first."""
    return f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"


def test_finds_the_same_distributions_as_the_interpreter(tmp_path: Path) -> None:
    """Agree with importlib.metadata of the interpreter that is first on PATH."""
    found = read_environment(find_interpreter(tmp_path / "interpreter.json"))
    done = subprocess.run(
        [
            "python",
            "-c",
            "import json, re, sys; from importlib.metadata import distributions as all;"
            "print(json.dumps([sys.version.split()[0], {re.sub('[-_.]+', '-', d.name).lower(): d.version "
            "for d in all() if '\"editable\"' not in (d.read_text('direct_url.json') or '')}]))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    version, expected = json.loads(done.stdout)
    assert found.python.split()[1] == version
    assert found.distributions == expected


def test_another_interpreter_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the environment that is first on PATH, and ask it only once."""
    virtual_environment(tmp_path / "other", torch="2.12.0")
    monkeypatch.setenv("PATH", first_on_path(tmp_path / "other"))
    cache = tmp_path / "interpreter.json"
    found = find_interpreter(cache)
    assert read_environment(found).distributions == {"torch": "2.12.0"}
    monkeypatch.setattr(interpreter, "_ask", lambda program: pytest.fail("asked twice"))
    assert find_interpreter(cache) == found


def test_script_that_selects_an_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a script each time, because it may select another interpreter."""
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = find_interpreter(tmp_path / "interpreter.json")
    assert found is not None
    assert not found.stable
    assert not (tmp_path / "interpreter.json").exists()


def test_no_python_and_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Return an environment without distributions if there is no usable interpreter."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_interpreter(tmp_path / "interpreter.json") is None
    assert read_environment(None).distributions == {}
    (tmp_path / "python").write_text("#!/bin/sh\necho nonsense\n")
    (tmp_path / "python").chmod(0o755)
    assert find_interpreter(tmp_path / "interpreter.json") is None


def test_editable_distribution_is_left_out(tmp_path: Path) -> None:
    """Ignore the version of a distribution whose code is a folder of the user."""
    for name, origin in (("mine-1.0", '{"dir_info": {"editable": true}}'), ("theirs-2.0", "{}")):
        folder = tmp_path / "site-packages" / f"{name}.dist-info"
        folder.mkdir(parents=True)
        (folder / "direct_url.json").write_text(origin)
    (tmp_path / "site-packages" / "old_name-3.0-py3.11.egg-info").touch()
    folders = (str(tmp_path / "site-packages"),)
    assert read_environment(Interpreter("python", "cpython 3.11.0", folders)).distributions == {
        "theirs": "2.0",
        "old-name": "3.0",
    }


def test_words_are_bounded() -> None:
    """Name one difference as the issue does, and of many only the first."""
    assert in_words([("torch", "2.12.0", "2.13.0")]) == ("torch 2.12.0", "2.13.0")
    assert in_words([("torch", "2.12.0", "")]) == ("torch 2.12.0", "no torch")
    many = [(f"p{number}", "1", "2") for number in range(9)]
    assert in_words(many) == ("p0 1, p1 1 and 7 more", "p0 2, p1 2 and 7 more")


def test_versions_of_outputs_keep_their_environment(tmp_path: Path) -> None:
    """Return the environment of outputs that were restored, and forget the oldest."""
    environments = Environments(tmp_path)
    for number in range(MAX_VERSIONS + 1):
        environments._here = (None, StageEnvironment("", "linux", {"torch": str(number)}))
        environments.save("a/b:c", {"out": str(number)})
    assert environments.of("a/b:c", {"out": "0"}) is None
    restored = environments.of("a/b:c", {"out": "1"})
    assert restored is not None
    assert restored.distributions == {"torch": "1"}
    assert environments.drifted({"a/b:c": {"out": "1"}, "other": {}}) == {"a/b:c": ("torch 1", "20")}


@pytest.mark.slow
def test_plan_notes_drift_and_strict_runs(tmp_path: Path) -> None:
    """Note other versions beside a skip, also on the fast path; run if strict."""
    packages = virtual_environment(tmp_path / "venv", torch="2.12.0")
    settings = {"PATH": first_on_path(tmp_path / "venv")}
    root = make_repository(tmp_path / "toy", FILES)
    assert statewright(root, "run", environment=settings).returncode == 0

    def plan(*arguments: str) -> str:
        return statewright(root, "plan", *arguments, environment=settings).stdout

    for _ in range(2):  # the second answer comes from the fast path
        assert "made with" not in plan()
        assert "must" not in plan("--strict-environment")
    (packages / "torch-2.12.0.dist-info").rename(packages / "torch-2.13.0.dist-info")
    for _ in range(2):
        assert plan().count("made with torch 2.12.0, here is 2.13.0") == 2
        values = json.loads(plan("--strict-environment", "--json"))["stages"]
        assert {name: value["verdict"] for name, value in values.items()} == {"make": "must", "copy": "must"}
    assert "nothing to do" in statewright(root, "run", environment=settings).stderr
    done = statewright(root, "run", "--strict-environment", environment=settings)
    assert "2 ran" in done.stderr
    for _ in range(2):
        assert "made with" not in plan()
        assert "must" not in plan("--strict-environment")
    write(root, {"note.txt": "untracked\n"})
    assert (
        ".statewright"
        not in subprocess.run(
            ["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, check=True
        ).stdout
    )
    assert wait_until_recorded(root) is None
    (database,) = root.rglob("mlflow.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT value FROM tags WHERE key = 'statewright.environment'").fetchall()
    assert len(rows) == 4
    assert len(set(rows)) == 2
