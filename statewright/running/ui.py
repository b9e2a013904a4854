"""The command `statewright ui`: servers of Prefect and MLflow.

::

    Prefect: http://127.0.0.1:4200/runs
    MLflow:  http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning
    runs of this repository appear live; Ctrl-C stops both servers

The servers write to files, so these lines are all that a start prints. An error says the last lines of
the file.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from statewright.record.relocation import ARTIFACTS, relocate_artifacts
from statewright.record.store import database_lock, local_uri, store_folder, tracking_uri
from statewright.running.access import Access, read_access, write_login_file
from statewright.running.launcher import Command, open_launcher
from statewright.running.live_log import last_lines
from statewright.running.mlflow_pages import Mlflow, latest_runs_page
from statewright.running.prefect_api import NotPrefectError, PrefectApi
from statewright.running.prefect_links import ask_ui
from statewright.running.process import end
from statewright.running.run_pages import SETTING
from statewright.running.servers import own_origin, prefect_command, wait_until_up
from statewright.workflow import WorkflowError
from statewright.workspace import control_folder

USUAL_PREFECT_PORT = 4200
"""Port on which a run looks for a server of its own accord."""
SEARCHED_PORTS = 100
LOOK_S = 0.15
"""Seconds to wait for the end of a server before the next one is looked at."""
STOPS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the servers like Ctrl-C; a terminal that closes sends the second one."""


@dataclass(frozen=True)
class _Server:
    """A server to start.

    Parameters
    ----------
    health : str
        Address that answers when the server is ready.
    """

    name: str
    url: str
    health: str
    command: Sequence[str]
    log: Path


def serve(
    root: Path,
    *,
    prefect_port: int,
    mlflow_port: int,
    host: str = "127.0.0.1",
    names: Sequence[str] = (),
    browse: bool = False,
) -> int:
    """Start the servers, print where the runs are, and wait until they are stopped.

    MLflow's page is part of the extra `ui`; without it only Prefect's server is started.

    Parameters
    ----------
    host : str
        Address on which they listen.
    names : sequence of str
        Further names under which they answer, see `access.py`.
    browse : bool
        Whether to open the pages in the user's browser.

    Returns
    -------
    int
        0 after Ctrl-C, 1 if a server ends by itself.

    Raises
    ------
    WorkflowError
        If a port is in use, see `_check_ports`, or other machines would need no login, see `read_access`.
    """
    with_mlflow = bool(find_spec("mlflow") and find_spec("flask"))
    access = read_access(host, names, with_mlflow=with_mlflow)
    _check_ports(prefect_port, mlflow_port if with_mlflow else None, access.own_host)
    for number in STOPS:
        signal.signal(number, lambda *_: sys.exit(0))
    servers = _servers(root, access, prefect_port, mlflow_port if with_mlflow else None)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="statewright-ui-") as folder,
            _started(servers, _environment(root, servers, access, Path(folder))) as processes,
        ):
            for server, process in zip(servers, processes, strict=True):
                _wait(server, process)
            pages = _pages(servers, access)
            for server, (page, note) in zip(servers, pages.items(), strict=True):
                print(f"{server.name + ':':<8} {page}{note}")
            print(_hint(servers), flush=True)
            if browse:
                _open(pages)
            while True:
                for server, process in zip(servers, processes, strict=True):
                    if process.wait(LOOK_S):
                        print(_ending(server, process), file=sys.stderr)
                        return 1
    except KeyboardInterrupt:
        return 0


def _servers(root: Path, access: Access, prefect_port: int, mlflow_port: int | None) -> list[_Server]:
    logs = control_folder(root / ".statewright") / "logs"

    def server(name: str, port: int, health: str, command: Sequence[str]) -> _Server:
        health = f"http://{access.own_host}:{port}{health}"
        return _Server(
            name, f"http://{access.page_host}:{port}", health, command, logs / f"ui-{name.lower()}.log"
        )

    command = prefect_command(prefect_port, "warning", access.host)
    servers = [server("Prefect", prefect_port, "/api/health", command)]
    if mlflow_port is not None:
        servers.append(server("MLflow", mlflow_port, "/health", _mlflow_command(root, access, mlflow_port)))
    return servers


def _mlflow_command(root: Path, access: Access, port: int) -> list[str]:
    names = [name for own in ("127.0.0.1", "localhost", *access.names) for name in (own, f"{own}:*")]
    with database_lock(local_uri(root)):
        for relocation in relocate_artifacts(root):
            print(relocation, file=sys.stderr)
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--host", access.host, "--port", str(port)]
    command += ["--allowed-hosts", ",".join(names)]
    command += ["--default-artifact-root", (control_folder(store_folder(root)) / ARTIFACTS).as_uri()]
    return [*command, "--workers", "1", *(["--app-name", "basic-auth"] if access.password else [])]


def _environment(root: Path, servers: Sequence[_Server], access: Access, folder: Path) -> dict[str, str]:
    """Return the environment of the servers.

    Parameters
    ----------
    folder : Path
        Folder for the configuration of MLflow's login.
    """
    prefect, uri = servers[0], tracking_uri(root)
    port = int(prefect.url.rpartition(":")[2])
    mlflow = (
        {"url": servers[1].health.removesuffix("/health"), "page": servers[1].url} if servers[1:] else None
    )
    write_login_file(folder)
    return {
        **os.environ,
        **own_origin(port, access.names),
        **access.environment(folder),
        # Not an option of the command: the address of a database may hold a password.
        "MLFLOW_BACKEND_STORE_URI": local_uri(root) if uri.startswith("http") else uri,
        "PREFECT_API_URL": prefect.health.removesuffix("/health"),
        "PREFECT_UI_API_URL": f"{prefect.url}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        SETTING: json.dumps({"root": str(root), "mlflow": mlflow}),
    }


@contextmanager
def _started(servers: Sequence[_Server], environment: dict[str, str]) -> Iterator[list[Command]]:
    """Start the servers, and stop them at the end of the block.

    They also end if this process is killed, because a supervisor starts them.
    """
    processes: list[Command] = []
    with open_launcher() as launcher:
        try:
            for server in servers:
                server.log.parent.mkdir(parents=True, exist_ok=True)
                with server.log.open("wb") as log:
                    processes.append(
                        launcher.start(list(server.command), env=environment, stdout=log.fileno())
                    )
            yield processes
        finally:
            for number in (signal.SIGINT, *STOPS):  # a second Ctrl-C must not leave a server behind
                signal.signal(number, signal.SIG_IGN)
            for command in processes:
                if command.group and not command.ended:
                    with suppress(ProcessLookupError):
                        os.killpg(command.group, signal.SIGTERM)
            for command in processes:
                end(command)


def _wait(server: _Server, process: Command) -> None:
    try:
        wait_until_up(server.health, lambda: not process.wait(LOOK_S))
    except RuntimeError as error:
        raise WorkflowError(
            _ending(server, process) if process.ended else f"{server.name}: {error}; its log: {server.log}"
        ) from error


def _ending(server: _Server, process: Command) -> str:
    """Return that a server has ended, with the end of its log."""
    lines = [f"{server.name}'s server ended with status {process.code}; its log: {server.log}"]
    return "\n".join([*lines, *last_lines(server.log)])


def _pages(servers: Sequence[_Server], access: Access) -> dict[str, str]:
    """Return the page of each server that shows runs, with a note for the user."""
    pages = {f"{servers[0].url}/runs": ""}
    if len(servers) > 1:
        page, found = servers[1].url, 1
        server = Mlflow(servers[1].health.removesuffix("/health"), page, access.credentials)
        with suppress(OSError, ValueError):
            page, found = latest_runs_page(server)
        pages[page] = "" if found else "   (no run is recorded yet)"
    return pages


def _open(pages: Iterable[str]) -> None:
    """Open pages in the user's browser."""
    opened = [webbrowser.open(page) for page in pages]
    if not all(opened):
        print("no browser was found; open these pages yourself", flush=True)


def _hint(servers: Sequence[_Server]) -> str:
    """Return how runs get to the page of Prefect, and how to stop the servers."""
    if len(servers) > 1:
        stops = "Ctrl-C stops both servers"
    else:
        stops = "Ctrl-C stops it; for MLflow's page: uv tool install 'statewright[ui]'"
    url = servers[0].url
    if url.endswith(f":{USUAL_PREFECT_PORT}"):
        return f"runs on this machine appear live; {stops}"
    return f"for runs to appear live: export PREFECT_API_URL={url}/api   ({stops})"


def _check_ports(prefect_port: int, mlflow_port: int | None, host: str = "127.0.0.1") -> None:
    """Check that the ports are free.

    Raises
    ------
    WorkflowError
        If one is not; the message names the server that uses it.
    """
    if prefect_port == mlflow_port:
        raise WorkflowError(f"--prefect-port and --mlflow-port are both {mlflow_port}; expected two ports")
    for option, port in (("--prefect-port", prefect_port), ("--mlflow-port", mlflow_port)):
        if port is None or _is_free(port, host):
            continue
        near = range(port + 1, min(port + SEARCHED_PORTS, 65536))
        free = next((other for other in near if _is_free(other, host) and other != mlflow_port), None)
        other = f"; to start another: statewright ui {option} {free}" if free else ""
        raise WorkflowError(f"port {port} is in use: {_user_of(port)}{other}")


def _is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (PermissionError, OverflowError) as error:
            raise WorkflowError(f"port {port} cannot be used ({error}); expected 1024 to 65535") from error
        except OSError:
            return False
    return True


def _user_of(port: int) -> str:
    """Return which server listens on a port, and what to do with it."""
    url = f"http://127.0.0.1:{port}"
    if ui := ask_ui(url):
        return f"`statewright ui` of the repository '{ui['name']}' runs there; open {url}"
    api = PrefectApi(f"{url}/api", timeout_s=2)
    with suppress(OSError, NotPrefectError):
        api.identify()
        return f"a Prefect server, version {api.get('/admin/version')}, runs there; open {url}"
    with suppress(OSError, ValueError, KeyError, TypeError):
        latest_runs_page(Mlflow(url))
        return f"an MLflow server runs there; open {url}"
    return "another program runs there"
