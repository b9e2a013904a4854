"""A Prefect server and an MLflow server on loopback, for watching runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from statewright.environment import set_default
from statewright.record.tracking import local_uri, tracking_uri
from statewright.running.launcher import Launcher
from statewright.running.process import end, stop
from statewright.workflow import WorkflowError
from statewright.workspace import control_folder

START_S = 180.0
"""Seconds in which a server must answer after its start."""


def serve(root: Path, *, prefect_port: int, mlflow_port: int) -> int:
    """Start the servers, print their addresses, and wait until they are stopped.

    MLflow's page is part of the extra `ui`; without it only Prefect's server is started.
    """
    prefect_url = f"http://127.0.0.1:{prefect_port}"
    mlflow_url = f"http://127.0.0.1:{mlflow_port}"
    control_folder(root / "mlflow")
    environment = {
        **os.environ,
        "PREFECT_API_URL": f"{prefect_url}/api",
        "PREFECT_UI_API_URL": f"{prefect_url}/api",
    }
    prefect = [sys.executable, "-P", "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    mlflow = [sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1"]
    uri = tracking_uri(root)
    mlflow += ["--backend-store-uri", local_uri(root) if uri.startswith("http") else uri]
    mlflow += ["--default-artifact-root", (root / "mlflow" / "artifacts").as_uri()]
    commands = {f"{prefect_url}/api/health": [*prefect, "--port", str(prefect_port)]}
    lines = [f"Prefect: {prefect_url}"]
    if find_spec("mlflow") and find_spec("flask"):
        commands[f"{mlflow_url}/health"] = [*mlflow, "--port", str(mlflow_port)]
        lines.append(f"MLflow:  {mlflow_url}")
    else:
        lines.append("MLflow's page is not installed: uv tool install 'statewright[ui]'")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started = [subprocess.Popen(c, env=environment, start_new_session=True) for c in commands.values()]
    try:
        for address, process in zip(commands, started, strict=True):
            wait_until_up(address, process)
        print("\n".join(lines))
        print(
            f"for runs to appear live: export PREFECT_API_URL={prefect_url}/api   (Ctrl-C stops the servers)"
        )
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
        If the server ends or does not answer within `START_S`.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"the server of {address} ended with status {process.returncode}; check that the port is free"
            )
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"{address} did not answer within {START_S:.0f} s")


@contextmanager
def prefect_server(launcher: Launcher, log: Path) -> Iterator[Callable[[], str | None]]:
    """Provide a Prefect server for the length of the block.

    The block receives a function that waits until the server is up. It returns None for a server that
    the user named or that already runs on this machine, or else the address of a temporary one.
    A temporary server starts like a command of the run, so it always ends with the run. Prefect can
    start one itself, but imports the whole server into this process first.
    """
    # The table and Prefect's own database show the state of each task; its log lines would repeat it.
    set_default("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    set_default("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    # A dead server is asked again after 2 and 4 seconds, not for a minute: the stages do not need it.
    set_default("PREFECT_CLIENT_MAX_RETRIES", "2")
    if use_running_server() or in_flow_run():
        yield lambda: None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = f"http://127.0.0.1:{port}/api"
    settings = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    command = [sys.executable, "-P", "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", "127.0.0.1", "--port", port, "--log-level", "error", "--lifespan", "on"]
    server = launcher.start(command, env={**os.environ, **settings})
    threading.Thread(target=_copy, args=(server.output, log), daemon=True).start()

    def wait() -> str:
        deadline = time.monotonic() + START_S
        while not _is_up(address):
            if server.wait(0.05) or time.monotonic() > deadline:
                raise WorkflowError(f"Prefect's temporary server did not start; see its log: {log}")
        return address

    try:
        yield wait
    finally:
        end(server)


def use_running_server(port: int = 4200) -> bool:
    """Return whether there is a Prefect server, and set ``PREFECT_API_URL`` to it.

    The server is the one that the user named, or else one on this machine. If a named server is
    unreachable, the function prints a warning and returns False.
    """
    named = os.environ.get("PREFECT_API_URL") or _in_profile()
    if named and _is_unreachable(named):
        print(f"Prefect at {named} is unreachable: using a temporary server", file=sys.stderr, flush=True)
        return False
    if not named and _is_up(f"http://127.0.0.1:{port}/api"):
        named = f"http://127.0.0.1:{port}/api"
    if named:
        set_default("PREFECT_API_URL", named)
    return bool(named)


def _in_profile() -> str | None:
    """Return the server that ``prefect config set`` has stored in the active profile."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
        name = os.environ.get("PREFECT_PROFILE") or profiles["active"]
        return str(profiles["profiles"][name]["PREFECT_API_URL"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def in_flow_run() -> bool:
    """Return whether a flow is running, which has its own server."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def _copy(output: int, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink, suppress(OSError):
        while chunk := os.read(output, 65536):
            sink.write(chunk)
            sink.flush()


def _is_unreachable(address: str) -> bool:
    """Return whether the server does not answer.

    An HTTP error is an answer, because not every server has a health page.
    """
    try:
        urllib.request.urlopen(f"{address}/health", timeout=10).close()
    except urllib.error.HTTPError:
        return False
    except (OSError, ValueError):
        return True
    return False


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1) as answer:
            return bool(json.load(answer) is True)
    except (OSError, ValueError):
        return False
