"""The command `graph`: where its drawings go, and what they say of a repository."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from toys import commit, make_repository, run_here

from statewright.cli import main

DECLARATION = """
    stages:
      raw:
        cmd: echo 1 > raw.csv
        outs: [raw.csv]
      part:
        matrix: {k: [a, b]}
        cmd: cp raw.csv ${item.k}.csv
        deps: [raw.csv]
        outs: ['${item.k}.csv']
    """


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = make_repository(tmp_path / "songs", {"dvc.yaml": DECLARATION})
    commit(path)
    return path


def say(root: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["-C", str(root), "graph", *arguments])
    return int(end.value.code or 0)


@pytest.mark.parametrize("kind", ["svg", "html", "mermaid"])
def test_a_drawing_below_the_control_folder_is_ignored_by_git(
    root: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(root, f"--{kind}", "-o", f".statewright/deep/graph.{kind}") == 0
    assert capsys.readouterr().out == f".statewright/deep/graph.{kind}: 3 stages: 3 will run\n"
    status = subprocess.run(
        ["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
    assert [path.name for path in (root / ".statewright" / "deep").iterdir()] == [f"graph.{kind}"]


def test_without_a_file_the_drawing_is_printed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_here(root)
    assert say(root, "--svg") == 0
    drawn = ET.fromstring(capsys.readouterr().out)
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"songs", "3 stages: 3 up to date", "raw", "part", "2 cells: up to date"} <= set(texts)
    assert say(root, "--mermaid", "raw") == 0
    assert "part" not in capsys.readouterr().out
    assert say(root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["order"] == ["raw", "part@a", "part@b"]


def test_an_output_without_a_drawing_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(root, "-o", "graph.txt") == 2
    assert "needs a drawing to write: --svg, --mermaid or --html" in capsys.readouterr().err
    assert say(root, "--svg", "-o", "dvc.yaml/x.svg") == 2
    assert "dvc.yaml/x.svg: " in capsys.readouterr().err
