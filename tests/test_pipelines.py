"""Parts of every pipeline in dvc.yaml, and the page on adding one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from toys import make_repository

ROOT = Path(__file__).resolve().parents[1]
NOT_A_PIPELINE = {"code"}


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def pipelines(root: Path) -> list[str]:
    """Return the pipelines that dvc.yaml declares, in its order."""
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return [name for name in dict.fromkeys(s.partition("-")[0] for s in stages) if name not in NOT_A_PIPELINE]


def missing_parts(root: Path) -> Iterator[str]:
    """Yield a sentence for every part that a pipeline lacks."""
    deployments = read_yaml(root / "prefect.yaml")["deployments"]
    entry_points = {deployment["entrypoint"] for deployment in deployments}
    params = read_yaml(root / "params.yaml")
    readme = (root / "README.md").read_text(encoding="utf-8")
    clean = (root / "Makefile").read_text(encoding="utf-8").partition("\nclean:")[2]
    for name in pipelines(root):
        if not (root / "flows" / f"{name}.py").is_file():
            yield f"{name}: flows/{name}.py does not exist"
        if f"flows/{name}.py:{name}" not in entry_points:
            yield f"{name}: prefect.yaml has no deployment with entry point flows/{name}.py:{name}"
        if not list((root / "tests" / "tasks" / name).glob("test_*.py")):
            yield f"{name}: tests/tasks/{name}/ has no test"
        if not re.search(rf"^\| \[?`{name}`", readme, re.MULTILINE):
            yield f"{name}: README.md has no row for it in the list of pipelines"
        if name not in params:
            yield f"{name}: params.yaml has no block '{name}'"
        if not re.search(rf"\bdata/{name}\b", clean):
            yield f"{name}: the target clean of the Makefile does not remove data/{name}"


def test_every_pipeline_has_all_its_parts() -> None:
    assert list(missing_parts(ROOT)) == []


def test_a_pipeline_that_lacks_everything_is_reported_part_by_part(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "prefect.yaml", "params.yaml", "README.md", "Makefile"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    with (tmp_path / "dvc.yaml").open("a", encoding="utf-8") as declaration:
        declaration.write("\n  orphan-stage:\n    cmd: echo\n")
    missing = [sentence for sentence in missing_parts(tmp_path) if sentence.startswith("orphan:")]
    parts = ("flows/", "prefect.yaml", "tests/", "README.md", "params.yaml", "Makefile")
    assert len(missing) == len(parts)
    assert all(part in sentence for part, sentence in zip(parts, missing, strict=True))


@pytest.mark.slow
def test_the_page_on_adding_a_pipeline_works_as_written(tmp_path: Path) -> None:
    """Run every command of the page, in its order, in an empty repository."""
    root = make_repository(tmp_path / "repository", {})
    page = (ROOT / "docs" / "add-a-pipeline.md").read_text(encoding="utf-8")
    commands = [
        line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()
    ]
    assert len(commands) >= 5
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    printed = ""
    for command in commands:
        done = subprocess.run(
            command.split(),
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        printed += done.stdout
    assert (root / "data/churn/summary.json").is_file()
    assert "1 passed" in printed
    assert "Number of rows to generate" in printed
