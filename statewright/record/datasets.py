"""Data that a stage has read, as datasets of its run in MLflow.

A dataset is a dependency that DVC tracks: its digest is the hash in `dvc.lock`, its source the path in
this repository at the commit of the run, and the remote storage that may have its content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.record.journal import HeldFile
from statewright.record.schemas import Table, read_data

if TYPE_CHECKING:
    from mlflow import MlflowClient

SOURCE_TYPE = "dvc"
LONGEST_DIGEST = 36
"""Maximum characters of a digest in MLflow: a hash of DVC, ``.dir`` of a folder included."""


@dataclass(frozen=True)
class DatasetRecord:
    """A dependency that DVC tracks.

    Parameters
    ----------
    remote : str
        Address of the default remote storage, without secrets; empty if there is none.
    size : int, optional
        Bytes; None for a folder.
    file : HeldFile, optional
        A copy, from which the columns are read; None for a folder or a large file.
    """

    path: str
    digest: str
    remote: str = ""
    size: int | None = None
    file: HeldFile | None = None


def log_datasets(
    client: MlflowClient, run_id: str, datasets: Sequence[DatasetRecord], context: Mapping[str, str]
) -> None:
    """Record the datasets as inputs of a run.

    Parameters
    ----------
    context : mapping of str to str
        Tags of git: the commit, and the address of the repository.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for data in datasets:
        if len(data.digest) > LONGEST_DIGEST:
            continue
        schema, profile = _columns(data)
        dataset = Dataset(
            name=data.path[-500:],
            digest=data.digest,
            source_type=SOURCE_TYPE,
            source=json.dumps(_source(data, context)),
            schema=json.dumps(schema) if schema else None,
            profile=json.dumps(profile) if profile else None,
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", "input")]))
    if inputs:
        client.log_inputs(run_id, inputs)


def _source(data: DatasetRecord, context: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of ``dvc get`` and the storage of the content."""
    source = {
        "path": data.path,
        "rev": context.get("mlflow.source.git.commit", ""),
        "repo": context.get("mlflow.source.git.repoURL", ""),
        "remote": data.remote,
        "md5": data.digest,
    }
    return {name: value for name, value in source.items() if value}


def _columns(data: DatasetRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return schema and profile of a dataset as MLflow's page reads them."""
    profile: dict[str, Any] = {} if data.size is None else {"bytes": data.size}
    content = read_data(Path(data.file.path)) if data.file and data.file.is_unchanged() else None
    if content is None:
        return {}, profile
    if isinstance(content, Table):
        if content.number is not None:
            profile = {"num_rows": content.number, "num_columns": len(content.columns), **profile}
        return {"mlflow_colspec": content.specification()}, profile
    features = json.dumps(content.specification())
    return {"mlflow_tensorspec": {"features": features, "targets": None}}, profile
