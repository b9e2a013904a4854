"""What is installed, reachable and writable: findings, each with what to do about it."""

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

REQUIRED = ("dvc", "prefect", "mlflow", "fastapi", "pydantic", "pandas", "pyarrow")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    ok: bool
    subject: str
    text: str


def examine(directory: Path) -> list[Finding]:
    """Look at everything that a run needs."""
    return [
        _python(),
        *(_package(name) for name in REQUIRED),
        _repository(directory),
        *_writable(directory),
        _service("Prefect", os.environ.get("PREFECT_API_URL"), "a temporary server starts with each run"),
        _service("MLflow", os.environ.get("MLFLOW_TRACKING_URI"), "SQLite under mlflow/"),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Finding(ok, "python", version if ok else f"{version} is too old; 3.11 or newer is needed")


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, name, "is not installed; `make setup` installs the locked environment")
    if name == "fastapi" and tuple(map(int, version.split(".")[:2])) >= (0, 151):
        return Finding(False, name, f"{version}: Prefect 3.8 does not work with it; install fastapi<0.151")
    return Finding(True, name, version)


def _repository(directory: Path) -> Finding:
    from statewright.repository.declaration import declare, open_repository
    from statewright.workflow import WorkflowError

    try:
        workflow = declare(open_repository(directory))
    except WorkflowError as error:
        return Finding(False, "dvc.yaml", str(error))
    return Finding(True, "dvc.yaml", f"{len(workflow.stages)} stages")


def _writable(directory: Path) -> Iterator[Finding]:
    for name in (".", ".dvc", "data", "mlflow"):
        place = directory / name
        if not place.is_dir():
            continue
        try:
            with tempfile.TemporaryFile(dir=place):
                yield Finding(True, f"{name}/", "writable")
        except OSError as error:
            yield Finding(False, f"{name}/", f"cannot be written: {error}")


def _service(name: str, address: str | None, default: str) -> Finding:
    if not address or not address.startswith(("http://", "https://")):
        return Finding(True, name, address or default)
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return Finding(True, name, f"{address} answers")
    except OSError as error:
        return Finding(
            False, name, f"{address} does not answer ({error}); start it with `make ui` or unset it"
        )
