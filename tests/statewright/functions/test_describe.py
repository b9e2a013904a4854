"""Type, range and meaning of params, as `statewright params` prints them."""

from __future__ import annotations

import json
from pathlib import Path

from toys import HERE, make_repository, statewright

from statewright.functions.describe import describe_params
from statewright.functions.skeleton import write_pipeline
from statewright.repository.declaration import declare, open_repository


def test_type_range_and_meaning_come_from_the_model(tmp_path: Path) -> None:
    root = make_repository(tmp_path, {})
    write_pipeline(root, "churn")
    # A new process, because other tests import the package `tasks` of this repository.
    done = statewright(root, "params", "churn-ingest", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        {
            "file": "params.yaml",
            "key": "churn.ingest.rows",
            "value": 100,
            "type": "int",
            "range": ">= 1",
            "meaning": "Number of rows to generate",
            "stages": ["churn-ingest"],
        }
    ]


def test_the_params_of_a_shell_command_have_values_and_types(tmp_path: Path) -> None:
    declaration = "stages:\n  fit: {cmd: echo, params: [train, other.json: [seed]]}\n"
    root = make_repository(
        tmp_path,
        {
            "dvc.yaml": declaration,
            "params.yaml": "train: {lr: 0.1, deep: {width: 3}}",
            "other.json": '{"seed": 1}',
        },
    )
    repository = open_repository(root)
    described = describe_params(root, declare(repository), ["fit"])
    assert [(p.file, p.key, p.value, p.type) for p in described] == [
        ("params.yaml", "train.lr", 0.1, "float"),
        ("params.yaml", "train.deep.width", 3, "int"),
        ("other.json", "seed", 1, "int"),
    ]


def test_every_param_of_this_repository_is_described() -> None:
    workflow = declare(open_repository(HERE))
    described = describe_params(HERE, workflow, workflow.stages)
    undescribed = [parameter.key for parameter in described if not parameter.meaning]
    assert len(described) > 100
    assert undescribed == []
