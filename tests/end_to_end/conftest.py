"""A checkout of its own with real servers: what a person who schedules the pipeline would have."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 240
COLD_S = 1500


@dataclass(frozen=True)
class Servers:
    """A checkout with both servers up, and the environment in which commands find them."""

    checkout: Path
    environment: dict[str, str]
    prefect_url: str
    mlflow_url: str

    def run(self, *command: str, timeout: float = 900, fails: bool = False) -> str:
        """Run a command in the checkout and return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(command)}: {done.returncode}\n{output}"
        return output

    def plan(self) -> dict[str, Any]:
        """Verdicts by stage."""
        done = self.run("statewright", "plan", "--json")
        return {a: d["verdict"] for a, d in json.loads(done)["stages"].items()}

    def prefect(self, path: str, body: Any = None) -> Any:
        """Ask the Prefect API."""
        request = urllib.request.Request(
            f"{self.prefect_url}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def copy_checkout(target: Path) -> None:
    """Copy what git tracks, and what is new and not ignored, into a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "checkout"]):
        subprocess.run(["git", *command], cwd=target, check=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """`statewright ui` in a fresh checkout, as `make ui` starts it."""
    checkout = tmp_path_factory.mktemp("checkout") / "statewright"
    checkout.mkdir()
    copy_checkout(checkout)
    prefect_port, mlflow_port = free_port(), free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
    }
    ports = ["--prefect-port", str(prefect_port), "--mlflow-port", str(mlflow_port)]
    log = checkout.parent / "ui.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(BIN / "statewright"), "ui", *ports],
            cwd=checkout,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while "MLflow:" not in (text := log.read_text(errors="replace")):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.5)
        addresses = (f"http://127.0.0.1:{prefect_port}", f"http://127.0.0.1:{mlflow_port}")
        assert all(address in text for address in addresses)
        yield Servers(checkout, environment, *addresses)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="session")
def flow_run(servers: Servers) -> dict[str, Any]:
    """A run of the emotion deployment, carried out by a worker, to its end; after it the releaf one."""
    servers.run("prefect", "work-pool", "create", "local", "--type", "process")
    servers.run("prefect", "--no-prompt", "deploy", "--all")
    with (servers.checkout.parent / "worker.log").open("wb") as sink:
        worker = subprocess.Popen(
            ["prefect", "worker", "start", "--pool", "local"],
            cwd=servers.checkout,
            env=servers.environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        run = _to_its_end(servers, "emotion/nightly")
        other = _to_its_end(servers, "releaf/nightly")
        assert other["state_type"] == "COMPLETED", (servers.checkout.parent / "worker.log").read_text()
        return run
    finally:
        worker.terminate()
        worker.wait(60)


def _to_its_end(servers: Servers, deployment: str) -> dict[str, Any]:
    created = servers.run("prefect", "deployment", "run", deployment)
    flow_run_id = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", created)
    assert flow_run_id, created
    deadline = time.monotonic() + COLD_S
    while True:
        run: dict[str, Any] = servers.prefect(f"/flow_runs/{flow_run_id[0]}")
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return run
        assert time.monotonic() < deadline, (servers.checkout.parent / "worker.log").read_text()
        time.sleep(2)
