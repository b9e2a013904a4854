"""The commands of docs/use-with-your-dvc-repo.md in a public pipeline.

Stand-in scripts replace the scripts of the pipeline, which need its photographs.
"""

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
from toys import HERE, commit, make_repository, shared

pytestmark = [pytest.mark.end_to_end]

PAGE = HERE / "docs" / "use-with-your-dvc-repo.md"
CASE = "60-chicken-disease"

# The stand-in scripts read and write the same files as the scripts of the pipeline.
IMPORTS = "import json, pathlib\n"
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
def public_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published pipeline, with stand-ins for its data and its scripts."""
    case = shared("data", "dvc-corpus", CASE)
    root = make_repository(tmp_path_factory.mktemp("public") / "repository", {})
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(case / name, root / name)
    for name, kind in json.loads((case / "scenarios.json").read_text())["placeholders"].items():
        if kind == "file" and not name.startswith(("artifacts", "scores")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("# stand-in for the file of this name\n")
    for name, text in SCRIPTS.items():
        (root / "src" / "cnnClassifier" / "pipeline" / f"{name}.py").write_text(IMPORTS + text)
    (root / ".gitignore").write_text("artifacts/\n")
    commit(root)
    return root


def test_every_command_of_the_page_works(public_pipeline: Path, prefect_server: str) -> None:
    before = {
        path: path.read_bytes()
        for path in public_pipeline.rglob("*")
        if path.name in ("dvc.yaml", "params.yaml")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    output = {}
    for line in commands():
        done = subprocess.run(
            shlex.split(line),
            cwd=public_pipeline,
            env={**os.environ, "PATH": path, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )
        output[line] = done.stdout + done.stderr
        assert done.returncode == 0, f"{line}\n{output[line]}"
    assert len(output) >= 10
    assert "data_ingestion has not run yet" in output["statewright plan"]
    assert "nothing to do: 4 stages are up to date" in output["statewright run"]
    assert "Data and pipelines are up to date." in output["dvc status"]
    assert "training" in output["statewright trace artifacts/training/model.h5"]
    assert "evaluation" in output["statewright trace accuracy"]
    assert all(path.read_bytes() == content for path, content in before.items())
