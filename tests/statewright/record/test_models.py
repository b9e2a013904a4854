"""Datasets and Logged Models in a store, read back with MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toys import commit, make_repository

from statewright.record import tracking
from statewright.record.datasets import DatasetRecord
from statewright.record.experiment import open_record
from statewright.record.journal import describe_file
from statewright.record.models import ModelRecord
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.workflow import Stage

pytestmark = pytest.mark.slow
DATA, MODEL = "a" * 32, "b" * 32


def record_of(root: Path, stage: str, **more: Any) -> tracking.StageRecord:
    example = describe_file(root / "raw.csv")
    raw = DatasetRecord("raw.csv", DATA, "s3://store", example.size, example)
    model = ModelRecord("prices", "model.pkl", MODEL, "pkl", "s3://store", example, ("price",))
    values: dict[str, Any] = {
        "train": {"datasets": (raw,), "models": (model,), "outputs": {"model.pkl": MODEL}},
        "score": {"datasets": (raw, DatasetRecord("model.pkl", MODEL)), "metrics": {"rmse": 0.5}},
    }[stage]
    return tracking.StageRecord(Stage(stage, ("x",)), "ran", 1000.0, 1002.0, **{**values, **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Record a transition whose recorder was killed after its first stage."""
    files = {"raw.csv": "area,kind,price\n50,old,1.5\n80,new,2.25\n"}
    root = make_repository(tmp_path_factory.mktemp("models") / "houses", files)
    head = commit(root)
    record = open_record(root)
    train = record_of(root, "train", params={"lr": 0.1}, metrics={"loss": 2.0})
    tracking.start_parent(record, ParentRecord("first run"), identity="j/0")
    tracking.record_stage(record, train, identity="j/1")
    for _ in range(2):
        record = open_record(root)
        record.known = tracking.find_known(record, "j")
        tracking.start_parent(record, ParentRecord("first run"), identity="j/0")
        tracking.record_stage(record, train, identity="j/1")
        tracking.record_stage(record, record_of(root, "score"), identity="j/2")
    tracking.end_parent(record, "FINISHED", ParentEnd())
    found = record.client.search_runs([record.experiment_id])
    runs = {run.info.run_name: record.client.get_run(run.info.run_id) for run in found}
    (model,) = record.client.search_logged_models([record.experiment_id])
    return head, record.client, runs, record.client.get_logged_model(model.model_id)


def test_a_dataset_has_the_digest_and_the_source_of_dvc(store: Any) -> None:
    head, _, runs, _ = store
    (data,) = runs["train"].inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.dataset.source_type) == ("raw.csv", DATA, "dvc")
    assert json.loads(data.dataset.source) == {
        "path": "raw.csv",
        "rev": head,
        "remote": "s3://store",
        "md5": DATA,
    }
    assert [tag.value for tag in data.tags] == ["input"]
    columns = {c["name"]: c["type"] for c in json.loads(data.dataset.schema)["mlflow_colspec"]}
    assert columns == {"area": "long", "kind": "string", "price": "double"}
    assert json.loads(data.dataset.profile)["num_rows"] == 2


def test_a_model_is_linked_to_its_runs_once(store: Any) -> None:
    _, _, runs, model = store
    assert (model.name, str(model.status), model.source_run_id) == (
        "prices",
        "READY",
        runs["train"].info.run_id,
    )
    assert model.tags["dvc.md5"] == MODEL and model.params == {"lr": "0.1"}
    for name in ("train", "first run"):
        assert [output.model_id for output in runs[name].outputs.model_outputs] == [model.model_id]
    assert [read.model_id for read in runs["score"].inputs.model_inputs] == [model.model_id]
    assert {metric.key: metric.value for metric in model.metrics} == {"loss": 2.0, "rmse": 0.5}
    assert (runs["train"].data.metrics["loss"], runs["score"].data.metrics["rmse"]) == (2.0, 0.5)


def test_the_transition_has_the_data_that_none_of_its_stages_wrote(store: Any) -> None:
    _, _, runs, _ = store
    assert [data.dataset.name for data in runs["first run"].inputs.dataset_inputs] == ["raw.csv"]


def test_mlflow_reads_signature_and_example(store: Any) -> None:
    from mlflow.models import Model

    folder = store[3].artifact_location.removeprefix("file://")
    read = Model.load(folder)
    assert read.signature.inputs.input_names() == ["area", "kind"]
    assert read.signature.outputs.input_names() == ["price"]
    example = read.load_input_example(folder)
    assert example.to_dict("list") == {"area": [50, 80], "kind": ["old", "new"]}
