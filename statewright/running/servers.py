"""Prefect servers: the one that a run uses, and temporary ones."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from statewright.environment import remove_default, set_default
from statewright.running.launcher import Command, Launcher
from statewright.running.prefect_api import NotPrefectError, PrefectApi, setting
from statewright.running.prefect_guard import NAMES
from statewright.running.process import end

START_S = 180.0
"""Seconds in which a server must answer after its start."""


def prefect_command(port: int, log_level: str, host: str = "127.0.0.1") -> list[str]:
    """Return the command of Prefect's server behind `prefect_guard`."""
    command = [sys.executable, "-P", "-m", "uvicorn"]
    command += ["--factory", "statewright.running.prefect_guard:create_app"]
    # By default uvicorn imports from the current folder, where the user may have a `prefect.py`.
    command += ["--app-dir", str(Path(__file__).parents[2]), "--lifespan", "on"]
    return [*command, "--host", host, "--port", str(port), "--log-level", log_level]


def own_origin(port: int, names: Sequence[str] = ()) -> dict[str, str]:
    """Return the settings of a server that only its own pages may use.

    Parameters
    ----------
    names : sequence of str
        Names of the server besides those of loopback.
    """
    origins = (f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", *names))
    return {
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
        NAMES: ",".join(names),
    }


def wait_until_up(address: str, alive: Callable[[], bool]) -> None:
    """Wait until `address` answers.

    Parameters
    ----------
    alive : callable
        Return whether the server still runs.

    Raises
    ------
    RuntimeError
        If the server ends or does not answer within `START_S`.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if not alive():
            raise RuntimeError(f"the server of {address} ended; check that the port is free")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"{address} did not answer within {START_S:.0f} s")


def start_temporary_server(launcher: Launcher, log: Path) -> tuple[PrefectApi, Command]:
    """Start a Prefect server on a free port; it ends with the launcher.

    It demands a random token, which only the processes of this run get, by their environment.
    Prefect can start one itself, but imports the whole server into this process first.

    Parameters
    ----------
    log : Path
        File for the output of the server.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    token = setting("PREFECT_API_AUTH_STRING") or secrets.token_urlsafe(32)
    settings = {
        **own_origin(port),
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT_SERVER_API_AUTH_STRING": token,
        "PREFECT_API_AUTH_STRING": token,
    }
    server = launcher.start(prefect_command(port, "error"), env={**os.environ, **settings})
    threading.Thread(target=_copy, args=(server.output, log), daemon=True).start()
    return PrefectApi(f"http://127.0.0.1:{port}/api", token=token), server


@contextmanager
def hold_server(launcher: Launcher, log: Path) -> Iterator[None]:
    """Provide a Prefect server for the length of the block, as ``PREFECT_API_URL``.

    It is a temporary one, unless there is a server already.
    """
    if use_running_server() or setting("PREFECT_API_URL"):
        yield
        return
    api, server = start_temporary_server(launcher, log)
    try:
        wait_for_server(api, START_S, lambda: not server.wait(0.01))
        set_default("PREFECT_API_URL", api.address)
        set_default("PREFECT_API_AUTH_STRING", api.token)
        yield
    except OSError as error:
        print(f"Prefect's temporary server did not start ({error}); see its log: {log}", file=sys.stderr)
        yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        remove_default("PREFECT_API_AUTH_STRING")
        end(server)


def wait_for_server(api: PrefectApi, seconds: float, alive: Callable[[], bool]) -> None:
    """Wait until a server identifies itself as Prefect's API.

    Raises
    ------
    NotPrefectError
        If another program answers, or another version of Prefect.
    OSError
        If it does not answer within `seconds`, or is no longer alive.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return api.identify()
        except OSError:
            if time.monotonic() > deadline or not alive():
                raise
        time.sleep(0.1)


def find_server(port: int = 4200) -> tuple[str | None, bool]:
    """Return the address of a Prefect server, and whether the user named it.

    Nothing is asked here, because an answer can take seconds. On this machine, a port on which a
    program listens may belong to Prefect.
    """
    if named := setting("PREFECT_API_URL"):
        return named, True
    with socket.socket() as probe:
        probe.settimeout(0.2)
        if probe.connect_ex(("127.0.0.1", port)):
            return None, False
    return f"http://127.0.0.1:{port}/api", False


def use_running_server(port: int = 4200) -> bool:
    """Return whether there is a Prefect server, and set ``PREFECT_API_URL`` to it.

    The server is the one that the user named, or else one on this machine. If a named server does not
    answer as Prefect's API, the function prints a warning and returns False.
    """
    address, named = find_server(port)
    if address is None:
        return False
    try:
        PrefectApi(address).identify()
    except (OSError, NotPrefectError) as error:
        if named:
            print(f"Prefect at {address} cannot be used: {error}", file=sys.stderr, flush=True)
        return False
    if not named:
        # It answers without a login, and any user of this machine may listen there.
        remove_default("PREFECT_API_AUTH_STRING")
    set_default("PREFECT_API_URL", address)
    return True


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
