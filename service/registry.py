"""Registration of assistants in MLflow, and the version that is served.

A new version becomes ``champion`` unless its accuracy on held-out items is below that of the present
champion. The option ``--force`` overrides this.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.bundle import (
    CODE_FOLDERS,
    SERVICE_FOLDER,
    BundleError,
    Settings,
    collect_bundle,
    read_settings,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

NAME, ALIAS, EXPERIMENT = "releaf-assistant", "champion", "releaf-assistant"


@dataclass(frozen=True)
class Promotion:
    """Outcome of `promote`: the registered version, and a message."""

    version: str
    message: str


def tracking_uri(root: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the URI of the SQLite file below `root`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow' / 'mlflow.db'}"


def promote(root: Path, *, force: bool = False) -> Promotion:
    """Register the outputs of the stages; make them champion if they are no worse.

    Parameters
    ----------
    root : Path
        Folder in which the stages run.
    force : bool
        Make them champion even if they are worse.

    Raises
    ------
    BundleError
        If an output of a stage is missing.
    """
    client = _client(root)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        settings = collect_bundle(root, folder)
        champion = _find_champion(client)
        if champion is not None and champion.tags.get("digest") == settings.digest:
            return Promotion(
                champion.version,
                f"version {champion.version} is already champion and has the same files and code",
            )
        version = _find_version(client, settings) or _register(client, root, folder, settings)
    best = float(champion.tags["right"]) if champion is not None else 0.0
    if settings.right < best and not force:
        return Promotion(
            version,
            f"version {version} is registered, but the champion stays: accuracy on held-out items is "
            f"{settings.right:.1%}, that of the champion {best:.1%}; use --force to promote it",
        )
    client.set_registered_model_alias(NAME, ALIAS, version)
    return Promotion(
        version, f"version {version} is champion; accuracy on held-out items: {settings.right:.1%}"
    )


def fetch_champion(root: Path) -> Path:
    """Return the folder of the champion's bundle, downloaded if it is not local.

    Raises
    ------
    BundleError
        If no version has the alias.
    """
    from mlflow.artifacts import download_artifacts

    client = _client(root)
    champion = _find_champion(client)
    if champion is None:
        raise BundleError(
            f"the registry at {tracking_uri(root)} has no '{NAME}' with the alias '{ALIAS}'; run "
            "`statewright run releaf`, then `python -m service promote`"
        )
    folder = download_artifacts(
        artifact_uri=f"models:/{NAME}/{champion.version}", tracking_uri=tracking_uri(root)
    )
    bundle = Path(folder) / "artifacts" / "bundle"
    read_settings(bundle)
    return bundle


def _client(root: Path) -> MlflowClient:
    import mlflow

    if tracking_uri(root).startswith("sqlite:///"):
        (root / "mlflow").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(tracking_uri(root))
    mlflow.set_registry_uri(tracking_uri(root))
    return mlflow.MlflowClient(tracking_uri(root), tracking_uri(root))


def _find_champion(client: MlflowClient) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(NAME, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise BundleError(
            f"the model registry cannot be read: {error.message}; check MLFLOW_TRACKING_URI "
            "and start its server"
        ) from error


def _find_version(client: MlflowClient, settings: Settings) -> str | None:
    """Return the registered version with the same files and code."""
    versions = client.search_model_versions(f"name = '{NAME}' and tags.digest = '{settings.digest}'")
    return str(versions[0].version) if versions else None


def _register(client: MlflowClient, root: Path, folder: Path, settings: Settings) -> str:
    import mlflow

    if client.get_experiment_by_name(EXPERIMENT) is None:
        local = tracking_uri(root).startswith("sqlite:///")
        client.create_experiment(EXPERIMENT, (root / "mlflow" / "artifacts").as_uri() if local else None)
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="promote"):
        mlflow.log_params(
            {"w_cards": settings.w_cards, "temperature": settings.temperature, **asdict(settings.recipe)}
        )
        mlflow.log_metrics({"names.right": settings.right})
        logged = mlflow.pyfunc.log_model(
            name="assistant",
            python_model=str(SERVICE_FOLDER / "model.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[str(folder) for folder in CODE_FOLDERS],
            signature=_signature(),
            pip_requirements=[],
            registered_model_name=NAME,
        )
    version = str(logged.registered_model_version)
    client.set_model_version_tag(NAME, version, "digest", settings.digest)
    client.set_model_version_tag(NAME, version, "right", f"{settings.right:.6f}")
    return version


def _signature() -> ModelSignature:
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
