"""Checks of the installation, servers and write permissions, each with a remedy."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from statewright.masking import mask_text
from statewright.record.store import store_folder
from statewright.workflow import WorkflowError

REQUIRED = ("dvc", "prefect", "mlflow-skinny", "sqlalchemy", "fastapi", "pydantic")
OPTIONAL = {
    "mlflow": "ui",
    "pandas": "functions",
    "pyarrow": "functions",
    "ortools": "schedule",
    "optuna": "tune",
}


@dataclass(frozen=True)
class Finding:
    """Result of one check."""

    ok: bool
    subject: str
    text: str


def examine(directory: Path) -> list[Finding]:
    """Check everything that a run needs."""
    return [
        _python(),
        *(_package(name) for name in REQUIRED),
        *(_optional(name, extra) for name, extra in OPTIONAL.items()),
        _repository(directory),
        *_writable(directory),
        _service("Prefect", os.environ.get("PREFECT_API_URL"), "a temporary server starts with each run"),
        _store(directory),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Finding(ok, "python", version if ok else f"{version} is too old; install 3.11 or newer")


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, name, "is not installed; `uv tool install statewright` brings it")
    if name == "sqlalchemy" and tuple(map(int, version.split(".")[:2])) >= (2, 1):
        return Finding(False, name, f"{version}: Prefect 3.8 never schedules with it; install sqlalchemy<2.1")
    if name == "fastapi" and tuple(map(int, version.split(".")[:2])) >= (0, 151):
        return Finding(False, name, f"{version} does not work with Prefect 3.8; install fastapi<0.151")
    return Finding(True, name, version)


def _optional(name: str, extra: str) -> Finding:
    try:
        return Finding(True, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(True, name, f"not installed; 'statewright[{extra}]' brings it")


def _repository(directory: Path) -> Finding:
    from statewright.repository.declaration import declare, open_repository

    try:
        workflow = declare(open_repository(directory))
    except WorkflowError as error:
        return Finding(False, "dvc.yaml", str(error))
    number = len(workflow.stages)
    return Finding(True, "dvc.yaml", f"{number} stage{'' if number == 1 else 's'}")


def _writable(directory: Path) -> Iterator[Finding]:
    for name in (".", ".dvc", "data", ".statewright"):
        folder = directory / name
        if not folder.is_dir():
            continue
        try:
            with tempfile.TemporaryFile(dir=folder):
                yield Finding(True, f"{name}/", "writable")
        except OSError as error:
            yield Finding(False, f"{name}/", f"is not writable: {error}; change its permissions")


def _store(directory: Path) -> Finding:
    try:
        folder = store_folder(directory)
    except WorkflowError as error:
        return Finding(False, "MLflow", str(error))
    default = f"SQLite under {folder.relative_to(directory).as_posix()}/"
    return _service("MLflow", os.environ.get("MLFLOW_TRACKING_URI"), default)


def _service(name: str, address: str | None, default: str) -> Finding:
    if not address or not address.startswith(("http://", "https://")):
        return Finding(True, name, mask_text(address or default))
    parts, address = urlsplit(address), mask_text(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return Finding(True, name, f"{address} answers")
    except OSError as error:
        return Finding(
            False, name, f"{address} does not answer ({error}); start it with `statewright ui`, or unset it"
        )
