"""`statewright init` adds a pipeline and leaves everything else as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from toys import make_repository

from statewright.functions.skeleton import write_pipeline
from statewright.workflow import WorkflowError

DECLARATION = """\
# Ours.
vars: [other.yaml]

stages:
    old:   # four spaces
        cmd: "echo 1 > old.txt"
        outs:  [old.txt]

metrics:
- old.json
"""


def test_other_bytes_of_the_declaration_stay(tmp_path: Path) -> None:
    root = make_repository(tmp_path, {})
    (root / "dvc.yaml").write_text(DECLARATION)
    (root / "params.yaml").write_text("old: {a: 1}   # ours\n")
    write_pipeline(root, "churn")
    text = (root / "dvc.yaml").read_text()
    head, tail = DECLARATION.split("\nmetrics:")
    assert text.startswith(head.rstrip("\n"))
    assert text.endswith("metrics:" + tail)
    declared = YAML(typ="safe").load(text)
    assert list(declared["stages"]) == ["old", "code", "churn-ingest", "churn-report"]
    assert declared["metrics"] == ["old.json"]
    params = (root / "params.yaml").read_text()
    assert params.startswith("old: {a: 1}   # ours\n")
    assert YAML(typ="safe").load(params)["churn"] == {"ingest": {"rows": 100}}


def test_a_second_pipeline_shares_the_stage_code(tmp_path: Path) -> None:
    root = make_repository(tmp_path, {})
    write_pipeline(root, "churn")
    write_pipeline(root, "sales")
    stages = list(YAML(typ="safe").load((root / "dvc.yaml").read_text())["stages"])
    assert stages == ["code", "churn-ingest", "churn-report", "sales-ingest", "sales-report"]


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({}, "Two-Words", "lower-case letters"),
        ({}, "class", "lower-case letters"),
        ({"dvc.yaml": "stages:\n  churn-x: {cmd: echo}\n"}, "churn", "already declares churn-x"),
        ({"dvc.yaml": "stages: {old: {cmd: echo}}\n"}, "churn", "not valid|cannot be extended"),
        ({"dvc.yaml": "stages: [\n"}, "churn", "not valid YAML"),
        ({"params.yaml": "churn: 1\n"}, "churn", "already has a block 'churn'"),
        ({"tasks/churn/report.py": ""}, "churn", "already exists"),
    ],
)
def test_what_cannot_be_added_changes_nothing(
    tmp_path: Path, files: dict[str, str], name: str, message: str
) -> None:
    root = make_repository(tmp_path, files)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(WorkflowError, match=message):
        write_pipeline(root, name)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_outside_a_repository_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="dvc init"):
        write_pipeline(tmp_path, "churn")
