"""Copies of this repository in which a pipeline can be tuned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from benchmarks.parts import ROOT
from statewright import parameters


@contextmanager
def our_copy(pipeline: str, fixed: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a clone of the last commit with the stages of one pipeline.

    It has the outputs of the cache, and some params are changed. A plan of all stages would take longer
    than some trials.
    """
    with TemporaryDirectory() as folder:
        root = Path(folder) / "statewright"
        _call("git", "clone", "--quiet", str(ROOT), str(root), folder=ROOT)
        (root / ".venv").symlink_to(ROOT / ".venv")
        project = root / "pyproject.toml"
        project.write_text(
            project.read_text("utf-8").replace('prefect = "always"', 'prefect = "never"'), "utf-8"
        )
        _keep_stages(root / "dvc.yaml", pipeline)
        cache = subprocess.run(
            [sys.executable, "-m", "dvc", "cache", "dir"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        _call(sys.executable, "-m", "dvc", "cache", "dir", "--local", cache.stdout.strip(), folder=root)
        _call(sys.executable, "-m", "dvc", "checkout", "--quiet", folder=root, check=False)
        parameters.apply(root / "params.yaml", list(fixed.items()))
        yield root


def _keep_stages(path: Path, pipeline: str) -> None:
    yaml = YAML()
    declared = yaml.load(path.read_text("utf-8"))
    for name in list(declared["stages"]):
        if name != "code" and not name.startswith(f"{pipeline}-"):
            del declared["stages"][name]
    yaml.dump(declared, path)


def _call(*words: str, folder: Path, check: bool = True) -> None:
    subprocess.run(words, cwd=folder, check=check, stdout=subprocess.DEVNULL)
