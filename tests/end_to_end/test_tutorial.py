"""The files and commands of docs/tutorial.md, in the order of the page."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from toys import HERE, commit, make_repository

pytestmark = [pytest.mark.end_to_end]

PAGE = HERE / "docs" / "tutorial.md"
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that the page builds."""
    root = make_repository(tmp_path_factory.mktemp("tutorial") / "weather", {})
    (root / "data").mkdir()
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "make_readings.py"], cwd=root, check=True)
    commit(root)
    return root


def test_each_command_of_the_page_works(weather: Path, prefect_server: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    *commands, last = COMMAND.findall(PAGE.read_text(encoding="utf-8"))
    printed: dict[str, str] = {}
    for line in commands:
        done = subprocess.run(
            shlex.split(line),
            cwd=weather,
            env={**os.environ, "PATH": path, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=False,
        )
        printed[line] = done.stdout + done.stderr
        assert done.returncode == 0, f"{line}\n{printed[line]}"
    assert last == "statewright run", "the last command of the page is the run that fails"
    assert "fit.degree 1 -> 4" in printed["statewright plan --set fit.degree=4"]
    assert "2 stages will be restored and 1 is up to date" in printed["statewright plan --set fit.degree=1"]
    assert "nothing to do: 3 stages are up to date" in printed["statewright run"]
    assert "Data and pipelines are up to date." in printed["dvc status"]
    assert "score" in printed["statewright trace data/readings.csv"]
    assert "identical in two runs" in printed["statewright verify score"]
    assert json.loads((weather / "score.json").read_text()) == {"rmse": 0.508, "rows": 208}
