"""Settings for the libraries below: no telemetry, no model hub, no job runner.

Importing `statewright` changes nothing. Every process of ours (the command line, a flow, the runner of
a stage, the recorder, the servers) calls `quiet` before it imports Prefect, MLflow or a model library.
"""

from __future__ import annotations

import os

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


def quiet() -> None:
    """Set each variable in this process that the user's environment does not set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
