"""Run a DVC pipeline as a state machine: ``S[t+1] = f(S[t], W[t], A[t])``.

Importing the package switches off the telemetry of the libraries that it uses and keeps model
hubs offline. Variables that are set in the user's environment take precedence.
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
    # On a busy machine the server needs more than Prefect's default of 20 s to start.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
