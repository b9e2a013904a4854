"""The commands that list, show and apply missing declarations."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from local_runs import files_of, reproduce, run_local
from toys import commit, dvc_status, make_repository, statewright

from statewright.reads.store import load_reads
from statewright.request import EVERYTHING

FILES = {
    "dvc.yaml": """
        # The pipeline.
        stages:
          clean: {cmd: cp raw.csv clean.csv, deps: [raw.csv], outs: [clean.csv]}
          transform:
            cmd: cat clean.csv lib.txt > table.csv
            deps:
            - raw.csv  # declared
            outs:
            - table.csv
        """,
    "sub/dvc.yaml": "stages: {up: {cmd: 'cat ../table.csv > up.csv', deps: [own.txt], outs: [up.csv]}}\n",
    "sub/own.txt": "own\n",
    "raw.csv": "1\n",
    "lib.txt": "lib\n",
}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("reads") / "toy", FILES)
    commit(root)
    assert not run_local(root, "auto", EVERYTHING).errors
    return root


def test_undeclared_reads_are_listed_patched_and_declared(observed: Path) -> None:
    listed = statewright(observed, "check", "--reads")
    patch = statewright(observed, "check", "--fix")

    assert listed.returncode == patch.returncode == 1
    assert listed.stdout.splitlines() == [
        "transform reads clean.csv, made by clean, without declaring it: add it to deps",
        "sub/dvc.yaml:up reads table.csv, made by transform, without declaring it: add it to deps",
        "transform reads lib.txt, which is not among its deps: a change there re-runs nothing",
        "3 of 3 stages observed, 3 undeclared reads",
    ]
    assert "+    - clean.csv\n+    - lib.txt\n" in patch.stdout
    assert "deps: [own.txt, ../table.csv]" in patch.stdout
    subprocess.run(["git", "apply", "--check"], cwd=observed, input=patch.stdout, text=True, check=True)
    before = (observed / "dvc.yaml").read_text()

    written = statewright(observed, "check", "--fix", "--write")

    assert written.returncode == 0, written.stderr
    assert (observed / "dvc.yaml").read_text() == before.replace(
        "# declared\n", "# declared\n    - clean.csv\n    - lib.txt\n"
    )
    assert not run_local(observed, 4, EVERYTHING).errors
    assert statewright(observed, "check", "--reads").returncode == 0
    assert dvc_status(observed) == {}
    kept = files_of(observed)
    assert reproduce(observed, "--all-pipelines") == 0
    assert files_of(observed) == kept


def test_nothing_observed_is_said(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "toy", FILES)

    listed = statewright(root, "check", "--reads")

    assert listed.returncode == 0
    assert "0 of 3 stages observed, 0 undeclared reads" in listed.stdout
    assert "a stage is observed when it runs alone" in listed.stdout
    assert statewright(root, "check", "--write").returncode == 2


def test_the_engine_its_recorder_and_git_are_no_readers(tmp_path: Path) -> None:
    stages = "stages:\n"
    for n, seconds in enumerate((1.2, 0.2, 0.2, 0.2)):
        command = f"sleep {seconds}; echo {{}} > m{n}.json; echo x > f{n}.svg"
        outs = f"outs: [f{n}.svg], metrics: [m{n}.json: {{cache: false}}]"
        stages += f"  s{n}: {{cmd: '{command}', {outs}}}\n"
    sources = {f"src/{n}.py": f"{n}\n" for n in range(20)}
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages, **sources})
    commit(root)
    for name, text in sources.items():
        (root / name).write_text("x" * len(text))  # git reads a file of the same size to compare it

    slow_git = tmp_path / "bin" / "git"
    slow_git.parent.mkdir()
    slow_git.write_text(
        f'#!/bin/sh\ncase "$*" in *status*) sleep 0.7;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    slow_git.chmod(0o755)

    path = f"{slow_git.parent}{os.pathsep}{os.environ['PATH']}"
    assert statewright(root, "run", environment={"PATH": path}).returncode == 0

    reads = load_reads(root)
    assert {address: reads.ever(address) for address in reads.stages} == {f"s{n}": set() for n in range(4)}
