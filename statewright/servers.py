"""A Prefect server and an MLflow server on loopback, for a person who wants to watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from statewright.process import stop
from statewright.tracking import control_folder, local_uri, tracking_uri

START_S = 180.0


def serve(root: Path, *, prefect_port: int, mlflow_port: int) -> int:
    """Start both servers, print their addresses, and wait until they are told to stop."""
    prefect_url = f"http://127.0.0.1:{prefect_port}"
    mlflow_url = f"http://127.0.0.1:{mlflow_port}"
    control_folder(root / "mlflow", kept=("README.md",))
    environment = {
        **os.environ,
        "PREFECT_API_URL": f"{prefect_url}/api",
        "PREFECT_UI_API_URL": f"{prefect_url}/api",
    }
    prefect = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    mlflow = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    uri = tracking_uri(root)
    mlflow += ["--backend-store-uri", local_uri(root) if uri.startswith("http") else uri]
    mlflow += ["--default-artifact-root", (root / "mlflow" / "artifacts").as_uri()]
    commands = {
        f"{prefect_url}/api/health": [*prefect, "--port", str(prefect_port)],
        f"{mlflow_url}/health": [*mlflow, "--port", str(mlflow_port)],
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started = [subprocess.Popen(c, env=environment, start_new_session=True) for c in commands.values()]
    try:
        for address, process in zip(commands, started, strict=True):
            wait_until_up(address, process)
        print(f"Prefect: {prefect_url}\nMLflow:  {mlflow_url}")
        print(f"for runs to appear live: export PREFECT_API_URL={prefect_url}/api   (Ctrl-C stops both)")
        sys.stdout.flush()
        while all(process.poll() is None for process in started):
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for process in started:
            stop(process)


def wait_until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until `address` answers.

    Raises
    ------
    RuntimeError
        If the server ends, or does not answer in time.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"the server of {address} ended with status {process.returncode}; is the port free?"
            )
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"{address} did not answer within {START_S:.0f} s")


def use_running_server(port: int = 4200) -> None:
    """Use a Prefect server that already listens on loopback, if the user named none.

    Without one Prefect starts a temporary server for the length of the flow.
    """
    # What Prefect says of each task is in the table and in its own database.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    if os.environ.get("PREFECT_API_URL") or "prefect" in sys.modules:
        return
    address = f"http://127.0.0.1:{port}/api"
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
        if json.load(answer) is True:
            os.environ["PREFECT_API_URL"] = address
