"""Register an assistant in MLflow, and find the one that is to be served.

A new version becomes ``champion`` unless it names the right bin of held-out things less often than the
one that is; who wants it all the same says so.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.bundle import CODE, HERE, BundleError, Settings, collect, read_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NAME, ALIAS, EXPERIMENT = "releaf-assistant", "champion", "releaf-assistant"


@dataclass(frozen=True)
class Promoted:
    """What `promote` did: the version registered or found, and a sentence about it."""

    version: str
    said: str


def store(root: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or the SQLite file below `root`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow' / 'mlflow.db'}"


def promote(root: Path, *, force: bool = False) -> Promoted:
    """Register what the stages of `root` made, if it is new, and make it champion if it may be.

    Raises
    ------
    BundleError
        If a stage has not been run.
    """
    client = _client(root)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        settings = collect(root, folder)
        holder = _champion(client)
        if holder is not None and holder.tags.get("digest") == settings.digest:
            return Promoted(
                holder.version, f"version {holder.version} is champion already, of these files and this code"
            )
        version = _known(client, settings) or _register(client, root, folder, settings)
    best = float(holder.tags["right"]) if holder is not None else 0.0
    if settings.right < best and not force:
        return Promoted(
            version,
            f"version {version} is registered, but names the right bin of {settings.right:.1%} of held-out "
            f"things and the champion of {best:.1%}: the champion stays; --force changes that",
        )
    client.set_registered_model_alias(NAME, ALIAS, version)
    return Promoted(version, f"version {version} is champion: right bin of {settings.right:.1%} held out")


def champion(root: Path) -> Path:
    """The folder of the champion's bundle, fetched from the store where it is not local.

    Raises
    ------
    BundleError
        If no version has the alias.
    """
    from mlflow.artifacts import download_artifacts

    client = _client(root)
    holder = _champion(client)
    if holder is None:
        raise BundleError(
            f"the registry at {store(root)} has no '{NAME}' with the alias '{ALIAS}'; run "
            "`statewright run releaf`, then `python -m service promote`"
        )
    folder = download_artifacts(artifact_uri=f"models:/{NAME}/{holder.version}", tracking_uri=store(root))
    bundle = Path(folder) / "artifacts" / "bundle"
    read_settings(bundle)
    return bundle


def _client(root: Path) -> MlflowClient:
    import mlflow

    if store(root).startswith("sqlite:///"):
        (root / "mlflow").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(store(root))
    mlflow.set_registry_uri(store(root))
    return mlflow.MlflowClient(store(root), store(root))


def _champion(client: MlflowClient) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(NAME, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise BundleError(
            f"the registry cannot be asked: {error.message}; is MLFLOW_TRACKING_URI right, and its server up?"
        ) from error


def _known(client: MlflowClient, settings: Settings) -> str | None:
    """The version that these files and this code were registered as."""
    found = client.search_model_versions(f"name = '{NAME}' and tags.digest = '{settings.digest}'")
    return str(found[0].version) if found else None


def _register(client: MlflowClient, root: Path, folder: Path, settings: Settings) -> str:
    import mlflow

    if client.get_experiment_by_name(EXPERIMENT) is None:
        local = store(root).startswith("sqlite:///")
        client.create_experiment(EXPERIMENT, (root / "mlflow" / "artifacts").as_uri() if local else None)
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="promote"):
        mlflow.log_params(
            {"w_cards": settings.w_cards, "temperature": settings.temperature, **settings.recipe}
        )
        mlflow.log_metrics({"names.right": settings.right})
        logged = mlflow.pyfunc.log_model(
            name="assistant",
            python_model=str(HERE / "model.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[str(place) for place in CODE],
            signature=_signature(),
            pip_requirements=[],
            registered_model_name=NAME,
        )
    version = str(logged.registered_model_version)
    client.set_model_version_tag(NAME, version, "digest", settings.digest)
    client.set_model_version_tag(NAME, version, "right", f"{settings.right:.6f}")
    return version


def _signature():  # type: ignore[no-untyped-def]
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        Schema(
            [
                ColSpec(DataType.string, "question", required=False),
                ColSpec(DataType.string, "city"),
                ColSpec(DataType.string, "picture", required=False),
            ]
        )
    )
