"""The engine alone, installed into an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD_S = 900
"""Seconds in which any command must end, also the installation."""
NOT_NEEDED = ("torch", "pymc", "transformers", "sentence_transformers", "statsmodels", "causallearn", "numba")

pytestmark = [pytest.mark.end_to_end]

DECLARATION = """\
stages:
  letters: {cmd: (echo b; echo a) > letters.txt, outs: [letters.txt]}
  sorted: {cmd: sort letters.txt > sorted.txt, deps: [letters.txt], outs: [sorted.txt]}
"""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with only the engine and its dependencies."""
    environment = tmp_path_factory.mktemp("alone") / "venv"
    run([sys.executable, "-m", "venv", str(environment)], ROOT)
    python = str(environment / "bin" / "python")
    source = environment.parent / "source"  # a copy, because a build writes files beside its sources
    shutil.copytree(ROOT / "statewright", source / "statewright")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, str(source)], ROOT)
    return environment / "bin"


def run(command: list[str], folder: Path) -> str:
    """Return the output of a command, run without the environment of the checkout."""
    variables = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    variables["PATH"] = os.pathsep.join([str(Path(command[0]).parent), variables["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", NOT_NEEDED)
def test_libraries_of_the_pipelines_are_not_installed(binaries: Path, module: str) -> None:
    spec = run(
        [str(binaries / "python"), "-c", f"import importlib.util as u; print(u.find_spec('{module}'))"],
        ROOT.parent,
    )
    assert spec.strip() == "None"


def test_every_module_of_the_engine_can_be_imported(binaries: Path, tmp_path: Path) -> None:
    files = [path.relative_to(ROOT) for path in (ROOT / "statewright").rglob("[!_]*.py")]
    names = sorted(".".join(path.with_suffix("").parts) for path in files)
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\nprint('all')"
    assert run([str(binaries / "python"), "-c", program], tmp_path).strip() == "all"


def test_the_engine_plans_runs_and_traces_in_another_repository(binaries: Path, tmp_path: Path) -> None:
    run(["git", "init", "--quiet"], tmp_path)
    run([str(binaries / "dvc"), "init", "--quiet"], tmp_path)
    (tmp_path / "dvc.yaml").write_text(DECLARATION)
    engine = str(binaries / "statewright")
    graph = json.loads(run([engine, "graph", "--json"], tmp_path))
    assert graph["edges"] == [["letters", "sorted"]]
    run([engine, "run"], tmp_path)
    assert (tmp_path / "sorted.txt").read_text() == "a\nb\n"
    plan = json.loads(run([engine, "plan", "--json"], tmp_path))
    assert {stage["verdict"] for stage in plan["stages"].values()} == {"skip"}
    assert run([str(binaries / "dvc"), "status"], tmp_path).strip() == "Data and pipelines are up to date."
    assert "letters" in run([engine, "trace", "sorted.txt"], tmp_path)
