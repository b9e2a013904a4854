"""Settings for the engine's libraries, kept from the environment of stages.

Importing `statewright` changes nothing. Each process of the engine (the command line, a flow, the
recorder, the servers) calls `quiet` before it imports Prefect or MLflow. The command of a stage gets
the environment of the caller and what DVC adds, nothing else.
"""

from __future__ import annotations

import base64
import gc
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # Its database restarts: Prefect's client repeats a request for about a minute.
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A loaded machine needs longer than the 20 s that Prefect allows by default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}

PASSWORD = "STATEWRIGHT_PASSWORD"
"""Variable with the password of Prefect's and MLflow's servers, for servers and clients."""
USER = "statewright"
"""User of that password."""

SUPERVISOR = "statewright.running.supervisor"
"""Module of the process that starts the commands of stages."""

_LIBRARY_VARIABLES = {
    name: os.environ.get(name) for name in ("_MLFLOW_TELEMETRY_SESSION_ID", "_RJEM_MALLOC_CONF")
}
"""The caller's values of variables that importing MLflow changes, the second by polars if installed."""

REFERENCE = re.compile(r"env:([A-Z_][A-Z0-9_]*)")
"""Params value that is taken from a variable of the environment, see `referenced_variables`."""

COLLECTED_AFTER = 100_000
"""Number of new objects after which Python looks for garbage, see `collect_less`."""

_added: dict[str, str] = {}


def quiet() -> None:
    """Set those of `SETTINGS` and the login that the caller does not set."""
    for name, value in (SETTINGS | _login()).items():
        set_default(name, value)


def collect_less() -> None:
    """Let this process look for garbage less often.

    The imports create objects that stay. By default, Python looks for garbage among them 200 times, which
    takes a tenth of the imports.
    """
    gc.set_threshold(COLLECTED_AFTER)


def _login() -> dict[str, str]:
    """Return the variables with which clients log in, if there is a password.

    A token of the user is a login, too.
    """
    password = os.environ.get(PASSWORD)
    login: dict[str, str] = {}
    if password and "PREFECT_API_KEY" not in os.environ:
        login |= {"PREFECT_API_AUTH_STRING": f"{USER}:{password}"}
    if password and not os.environ.keys() & {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN"}:
        login |= {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": password}
    return login


def basic_authorization(credentials: str) -> str:
    """Return the header `Authorization` of credentials such as ``user:password``."""
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def set_default(name: str, value: str) -> None:
    """Set a variable of this process if it is not set.

    `caller_environment` removes it again, so the commands of stages do not see it.
    """
    if name not in os.environ:
        os.environ[name] = _added[name] = value


def remove_default(name: str) -> None:
    """Remove a variable that `set_default` has set; one of the caller stays."""
    if name in _added and os.environ.get(name) == _added.pop(name):
        del os.environ[name]


def caller_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without the changes of the engine and its libraries."""
    own = {
        name: value
        for name, value in environment.items()
        if _added.get(name) != value and name not in _LIBRARY_VARIABLES
    }
    return own | {name: value for name, value in _LIBRARY_VARIABLES.items() if value is not None}


def referenced_variables(value: Any) -> Iterator[str]:
    """Yield the names of the variables that a params value refers to.

    The text ``env:NAME`` stands for the value of a variable, so that params.yaml, `dvc.lock` and all
    records hold the name only.
    """
    if isinstance(value, Mapping):
        for item in value.values():
            yield from referenced_variables(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from referenced_variables(item)
    elif isinstance(value, str) and (reference := REFERENCE.fullmatch(value)):
        yield reference[1]


def resolve_references(value: Any) -> Any:
    """Return a params value with its variables replaced, if they are set."""
    if isinstance(value, Mapping):
        return {name: resolve_references(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve_references(item) for item in value]
    if isinstance(value, str) and (reference := REFERENCE.fullmatch(value)):
        return os.environ.get(reference[1], value)
    return value


def is_recorded_by_engine(root: Path) -> bool:
    """Return whether a run of the engine started this process and records it.

    The answer is the process tree, because a variable of ours would be in the environment of every
    stage: one of the ancestors is the supervisor of a run in `root`, or of `statewright verify`,
    which records nothing and has no lock file. Without `/proc` the answer is False.
    """
    process = os.getpid()
    while process > 0:
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
            status = Path(f"/proc/{process}/stat").read_bytes()
        except OSError:
            return False
        if SUPERVISOR in words:
            lock = words[words.index(SUPERVISOR) + 2]
            if not lock or Path(lock).parents[1].resolve() == root.resolve():
                return True
        # The name of a process stands in parentheses and may contain any character.
        process = int(status.rpartition(b")")[2].split()[1])
    return False
