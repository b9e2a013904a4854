"""Statewright: run a DVC pipeline as a state machine, ``S[t+1] = f(S[t], W[t], A[t])``.

Importing the package switches off the telemetry of the libraries below and keeps model
hubs offline, unless the user's environment says otherwise.
"""

import os

_QUIET = {
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
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
