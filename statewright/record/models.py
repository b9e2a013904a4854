"""Models that a stage writes, as Logged Models of MLflow.

The weights stay in DVC: MLflow gets the signature, an example of the input, the hash, and links to the
run that wrote the model and to those that read it. No model is loaded, so no pickle is executed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.record.datasets import DatasetRecord
from statewright.record.journal import HeldFile
from statewright.record.schemas import Table, read_data
from statewright.record.values import Point, texts, valid_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

HASH_TAG = "dvc.md5"
LARGEST_COPY = 1_000_000
"""Maximum bytes of a file that is copied until its columns and first rows are recorded."""


@dataclass(frozen=True)
class ModelRecord:
    """A model that a stage has written.

    Parameters
    ----------
    path, digest : str
        The output, and its hash in `dvc.lock`.
    kind : str
        Format of the weights: the suffix of the file.
    example : HeldFile, optional
        File with rows or tensors that the model takes.
    target : sequence of str
        Columns or tensors of the example that the model predicts.
    """

    name: str
    path: str
    digest: str
    kind: str = ""
    remote: str = ""
    example: HeldFile | None = None
    target: Sequence[str] = ()


def log_model(
    client: MlflowClient, experiment_id: str, run_id: str, model: ModelRecord, params: Mapping[str, Any]
) -> str:
    """Record a model of a run, unless it is recorded, and return its id."""
    known = client.search_logged_models(
        [experiment_id], filter_string=f"source_run_id = '{run_id}' AND name = '{_name(model)}'"
    )
    if known:
        return str(known[0].model_id)
    tags = {
        "mlflow.model.isExternal": "true",
        "mlflow.note.content": f"The weights are `{model.path}`, kept by DVC: `dvc pull {model.path}`",
        "dvc.path": model.path,
        HASH_TAG: model.digest,
        **({"dvc.remote": model.remote} if model.remote else {}),
    }
    logged = client.create_logged_model(
        experiment_id,
        name=_name(model),
        source_run_id=run_id,
        tags=tags,
        params=texts(params, 250),
        model_type=model.kind or None,
    )
    with tempfile.TemporaryDirectory() as folder:
        _write_description(Path(folder), logged.model_id, run_id, model)
        client.log_model_artifacts(logged.model_id, folder)
    log_model_outputs(client, run_id, [logged.model_id])
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def find_models(client: MlflowClient, experiment_id: str) -> dict[str, str]:
    """Return hash -> id of the models of an experiment, the newest of each."""
    models = client.search_logged_models(
        [experiment_id], order_by=[{"field_name": "creation_timestamp", "ascending": True}], max_results=1000
    )
    return {m.tags[HASH_TAG]: m.model_id for m in models if HASH_TAG in m.tags}


def log_model_outputs(client: MlflowClient, run_id: str, model_ids: Sequence[str]) -> None:
    """Record that a run has written models."""
    from mlflow.entities import LoggedModelOutput

    if model_ids:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, 0) for model_id in dict.fromkeys(model_ids)])


def log_model_inputs(client: MlflowClient, run_id: str, model_ids: Sequence[str]) -> None:
    """Record that a run has read models."""
    from mlflow.entities import LoggedModelInput

    client.log_inputs(run_id, models=[LoggedModelInput(model_id) for model_id in model_ids])


def log_model_metrics(
    client: MlflowClient,
    run_id: str,
    model_id: str,
    metrics: Sequence[Point],
    at: float,
    data: DatasetRecord | None = None,
) -> None:
    """Record metrics of a run that describe a model, at the run and at the model.

    Parameters
    ----------
    data : DatasetRecord, optional
        Data on which the model was measured.
    """
    from mlflow.entities import Metric

    now = int(at * 1000)
    values = [
        Metric(
            valid_key(name),
            value,
            now,
            step,
            model_id=model_id,
            run_id=run_id,
            dataset_name=data.path if data else None,
            dataset_digest=data.digest if data else None,
        )
        for name, value, step in metrics
    ]
    for start in range(0, len(values), 1000):
        client.log_batch(run_id, metrics=values[start : start + 1000])


def _name(model: ModelRecord) -> str:
    """Return the name as MLflow accepts it."""
    return "".join("_" if character in "/:.%\"'" else character for character in model.name)


def _write_description(folder: Path, model_id: str, run_id: str, model: ModelRecord) -> None:
    """Write the file `MLmodel`, and the example of the input."""
    description: dict[str, Any] = {
        "artifact_path": _name(model),
        "flavors": {},
        "metadata": {"dvc": {"path": model.path, "md5": model.digest, "remote": model.remote}},
        "model_id": model_id,
        "model_uuid": model_id,
        "run_id": run_id,
        "utc_time_created": str(datetime.now(UTC).replace(tzinfo=None)),
    }
    content = None
    if model.example is not None and model.example.is_unchanged():
        content = read_data(Path(model.example.path))
    if content is not None:
        predicted = [item for item in content.specification() if item["name"] in model.target]
        taken = [item for item in content.specification() if item["name"] not in model.target]
        description["signature"] = {
            "inputs": json.dumps(taken),
            "outputs": json.dumps(predicted) if predicted else None,
            "params": None,
        }
        if isinstance(content, Table):
            example: Any = content.without(model.target).example()
            serving = {"dataframe_split": example}
            info = {"type": "dataframe", "pandas_orient": "split"}
        else:
            example = {name: value for name, value in content.first.items() if name not in model.target}
            serving, info = {"inputs": example}, {"type": "ndarray", "format": "tf-serving"}
            example = serving
        with suppress(ValueError):
            _write_json(folder / "input_example.json", example)
            _write_json(folder / "serving_input_example.json", serving)
            files = {
                "artifact_path": "input_example.json",
                "serving_input_path": "serving_input_example.json",
            }
            description["saved_input_example_info"] = {**files, **info}
    # JSON is YAML, which MLflow reads.
    _write_json(folder / "MLmodel", description)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
