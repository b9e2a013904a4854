"""The commands of docs/use-with-your-dvc-repo.md, run in a public pipeline."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toys import HERE, commit, make_repository

from tests.external import external_data

pytestmark = [pytest.mark.end_to_end]

PAGE = HERE / "docs" / "use-with-your-dvc-repo.md"
CASE = "60-chicken-disease"

COMMAND_S = 300
"""Seconds in which a command must end."""

# Stand-ins for the four scripts of the pipeline; the real ones need its photographs.
WRITE = "import json, pathlib\n"
SCRIPTS = {
    "state_01_data_ingestion": """
folder = pathlib.Path("artifacts/data_ingestion/dataset")
folder.mkdir(parents=True, exist_ok=True)
(folder / "list.txt").write_text(pathlib.Path("config/config.yaml").read_text())
""",
    "state_02_prepare_base_model": """
folder = pathlib.Path("artifacts/prepare_base_model")
folder.mkdir(parents=True, exist_ok=True)
(folder / "base.h5").write_text(pathlib.Path("params.yaml").read_text().count("\\n") * "0")
""",
    "stage_03_training": """
path = pathlib.Path("artifacts/training/model.h5")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(pathlib.Path("artifacts/prepare_base_model/base.h5").read_text() + "trained")
""",
    "stage_04_evaluation": """
size = len(pathlib.Path("artifacts/training/model.h5").read_text())
pathlib.Path("scores.json").write_text(json.dumps({"loss": 1 / size, "accuracy": 1 - 1 / size}))
""",
}


def commands() -> list[str]:
    """Return the lines of the page that begin with a prompt."""
    return re.findall(r"^\$ (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published pipeline, with stand-ins for its data and its scripts."""
    case = external_data("dvc-corpus", CASE)
    root = make_repository(tmp_path_factory.mktemp("public") / "repository", {})
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(case / name, root / name)
    for name, kind in json.loads((case / "scenarios.json").read_text())["placeholders"].items():
        if kind == "file" and not name.startswith(("artifacts", "scores")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("# stand-in for a file\n")
    for name, text in SCRIPTS.items():
        (root / "src" / "cnnClassifier" / "pipeline" / f"{name}.py").write_text(WRITE + text)
    (root / ".gitignore").write_text("artifacts/\n")
    commit(root)
    return root


def test_every_command_of_the_page_works(repository: Path, prefect_server: str) -> None:
    before = {
        path: path.read_bytes() for path in repository.rglob("*") if path.name in ("dvc.yaml", "params.yaml")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outputs = {}
    for line in commands():
        done = subprocess.run(
            shlex.split(line),
            cwd=repository,
            env={**os.environ, "PATH": path, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        outputs[line] = done.stdout + done.stderr
        assert done.returncode == 0, f"{line}\n{outputs[line]}"
    assert len(outputs) >= 10
    assert re.search(r"^data_ingestion +must +never run here$", outputs["statewright plan"], re.MULTILINE)
    assert "nothing to do: 4 stages are up to date" in outputs["statewright run"]
    assert "Data and pipelines are up to date." in outputs["dvc status"]
    assert "training" in outputs["statewright trace artifacts/training/model.h5"]
    assert "evaluation" in outputs["statewright trace accuracy"]
    assert all(path.read_bytes() == was for path, was in before.items())
