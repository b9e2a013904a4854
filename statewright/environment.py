"""Settings for the libraries that the engine uses: no telemetry, no model hub.

Importing `statewright` changes nothing. Each process of the engine (the command line, a flow, the runner
of a stage, the recorder, the servers) calls `quiet` before it imports Prefect, MLflow or a model library.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A loaded machine needs longer than the 20 s that Prefect allows by default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


_added: dict[str, str] = {}


def quiet() -> None:
    """Set the variables of `SETTINGS` that the caller's environment does not set."""
    for name, value in SETTINGS.items():
        set_default(name, value)


def set_default(name: str, value: str) -> None:
    """Set a variable of this process if it is not set.

    `caller_environment` removes it again, so the commands of stages do not see it.
    """
    if name not in os.environ:
        os.environ[name] = _added[name] = value


def caller_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without the variables that `set_default` added."""
    return {name: value for name, value in environment.items() if _added.get(name) != value}


def first_python() -> str | None:
    """Return the path of the `python` that a stage finds first, or None."""
    return shutil.which("python")
