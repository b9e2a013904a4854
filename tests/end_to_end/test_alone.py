"""The wheel alone in a new environment, used in another repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
NOT_NEEDED = (
    *("torch", "pymc", "transformers", "sentence_transformers", "statsmodels", "causallearn", "numba"),
    *("numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "ortools", "flask"),
)
MOST_MB = 400
# DVC and Prefect alone bring 170.
MOST_PACKAGES = 190

pytestmark = [pytest.mark.end_to_end]

DECLARATION = """\
stages:
  letters: {cmd: (echo b; echo a) > letters.txt, outs: [letters.txt]}
  sorted: {cmd: sort letters.txt > sorted.txt, deps: [letters.txt], outs: [sorted.txt]}
  which: {cmd: python > which.txt, outs: [which.txt]}
"""

# The rules end at 8, the lower bound is 7: only the exact search decides.
UNDECIDED = """\
file with basedata            : none
************************************************************************
projects                      :  1
jobs (incl. supersource/sink ):  8
RESOURCES
  - renewable                 :  1   R
  - nonrenewable              :  0   N
  - doubly constrained        :  0   D
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          6           2   3   4   5   6   7
   2        1          1           8
   3        1          1           8
   4        1          1           8
   5        1          1           7
   6        1          1           8
   7        1          1           8
   8        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1
------------------------------------------------------------------------
  1      1     0       0
  2      1     2       1
  3      1     5       1
  4      1     1       3
  5      1     3       3
  6      1     1       1
  7      1     4       2
  8      1     0       0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1
    4
************************************************************************
"""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the scripts of an environment with the wheel and its dependencies."""
    environment = tmp_path_factory.mktemp("alone") / "venv"
    source = environment.parent / "source"  # a build leaves files in the source folder
    shutil.copytree(ROOT / "statewright", source / "statewright")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    uv = [sys.executable, "-m", "uv"]
    run([*uv, "build", "--quiet", "--wheel", "--out-dir", str(environment.parent), str(source)], ROOT)
    (wheel,) = environment.parent.glob("statewright-*.whl")
    run([*uv, "venv", "--quiet", "--python", sys.executable, str(environment)], ROOT)
    python = str(environment / "bin" / "python")
    run([*uv, "pip", "install", "--quiet", "--python", python, str(wheel)], ROOT)
    return environment / "bin"


def run(command: list[str], folder: Path, path: str | None = None) -> str:
    """Run a command without the variables of this environment and return its output."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment["PATH"] = path or environment["PATH"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_light(binaries: Path) -> None:
    packages = list(binaries.parent.glob("lib/python*/site-packages/*.dist-info"))
    size = sum(p.lstat().st_size for p in binaries.parent.rglob("*") if p.is_file() and not p.is_symlink())
    assert len(packages) <= MOST_PACKAGES
    assert size <= MOST_MB * 1e6


def test_it_prints_its_version_and_ships_types_and_templates(binaries: Path) -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run([str(binaries / "statewright"), "--version"], ROOT.parent) == f"statewright {declared}\n"
    (package,) = binaries.parent.glob("lib/python*/site-packages/statewright")
    assert (package / "py.typed").is_file()
    assert list((package / "functions" / "template").glob("*.txt"))


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_what_only_the_pipelines_need_is_not_installed(binaries: Path, module: str) -> None:
    program = f"import importlib.util as u; print(u.find_spec('{module}'))"
    assert run([str(binaries / "python"), "-c", program], ROOT.parent).strip() == "None"


def test_every_module_of_the_engine_can_be_imported(binaries: Path, tmp_path: Path) -> None:
    files = [path.relative_to(ROOT) for path in (ROOT / "statewright").rglob("[!_]*.py")]
    # The samplers need numpy, which the extra `tune` brings; a plug-in of Dask's workers needs Dask.
    files = [path for path in files if path.parent != Path("statewright/search")]
    files.remove(Path("statewright/remote/guard.py"))
    names = sorted(".".join(path.with_suffix("").parts) for path in files)
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\nprint('all')"
    assert run([str(binaries / "python"), "-c", program], tmp_path).strip() == "all"


def test_it_plans_runs_and_traces_in_another_repository(binaries: Path, tmp_path: Path) -> None:
    """Run stages with the caller's `python`: the engine's environment is not on PATH."""
    root, theirs = tmp_path / "repository", tmp_path / "theirs"
    root.mkdir()
    theirs.mkdir()
    (theirs / "python").write_text("#!/bin/sh\necho the python of the caller\n")
    (theirs / "python").chmod(0o755)
    path = f"{theirs}{os.pathsep}/usr/local/bin:/usr/bin:/bin"
    run(["git", "init", "--quiet"], root)
    run([str(binaries / "dvc"), "init", "--quiet"], root)
    (root / "dvc.yaml").write_text(DECLARATION)
    engine = str(binaries / "statewright")
    graph = json.loads(run([engine, "graph", "--json"], root, path))
    assert graph["edges"] == [["letters", "sorted"]]
    run([engine, "run"], root, path)
    assert (root / "sorted.txt").read_text() == "a\nb\n"
    assert (root / "which.txt").read_text() == "the python of the caller\n"
    plan = json.loads(run([engine, "plan", "--json"], root, path))
    assert {stage["verdict"] for stage in plan["stages"].values()} == {"skip"}
    assert run([str(binaries / "dvc"), "status"], root, path).strip() == "Data and pipelines are up to date."
    assert "letters" in run([engine, "trace", "sorted.txt"], root, path)
    assert "identical in two runs" in run([engine, "verify", "sorted"], root, path)
    untracked = run(["git", "status", "--short", "--untracked-files=all"], root).splitlines()
    ours = [line for line in untracked if "statewright" in line or "mlflow" in line]
    assert ours == []


def test_what_needs_an_extra_names_it(binaries: Path, tmp_path: Path) -> None:
    project = tmp_path / "project.sm"
    project.write_text(UNDECIDED)
    engine = str(binaries / "statewright")
    done = subprocess.run(
        [engine, "schedule", str(project)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "statewright[schedule]" in done.stderr
    (tmp_path / "dvc.yaml").write_text(
        "stages: {fit: {cmd: 'echo {} > m.json', metrics: [m.json], params: [a]}}"
    )
    (tmp_path / "params.yaml").write_text("a: 1")
    (tmp_path / "space.yaml").write_text("a: [1, 2]")
    run(["git", "init", "--quiet"], tmp_path)
    run([str(binaries / "dvc"), "init", "--quiet"], tmp_path)
    done = subprocess.run(
        [engine, "tune", "fit", "--metric", "m.json:loss", "--space", "space.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, "pip install 'statewright[tune]'" in done.stderr) == (2, True)
    assert "statewright[ui]" in run([engine, "doctor"], ROOT)


def test_ui_starts_prefect_and_names_the_extra_for_mlflow(binaries: Path, tmp_path: Path) -> None:
    run(["git", "init", "--quiet"], tmp_path)
    run([str(binaries / "dvc"), "init", "--quiet"], tmp_path)
    log = tmp_path / "ui.log"
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(binaries / "statewright"), "ui", "--prefect-port", str(free_port())],
            cwd=tmp_path,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 240
        while "Ctrl-C" not in (text := log.read_text(errors="replace")):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.5)
        assert "Prefect: http://127.0.0.1:" in text
        assert "statewright[ui]" in text
    finally:
        process.terminate()
        process.wait(60)
