"""A fresh checkout with real servers, as for scheduled pipelines."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_params import SMALL

from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 240
"""Seconds in which both servers must be up."""
COLD_S = 1500
"""Seconds in which a flow run without a cache must end."""
STORED_S = 60
"""Seconds in which Prefect must store the last states of the task runs of a finished flow run."""
STOP_S = 60
"""Seconds between SIGTERM and SIGKILL."""
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
"""Types of the states in which a flow run or a task run has ended."""

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")


@dataclass(frozen=True)
class Servers:
    """A checkout, both servers, and the environment for commands that use them."""

    checkout: Path
    environment: dict[str, str]
    prefect_url: str
    mlflow_url: str

    def run(self, *command: str, timeout: float = 900, fails: bool = False) -> str:
        """Run a command in the checkout and return its output."""
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
        """Return the verdicts by stage."""
        done = self.run("statewright", "plan", "--json")
        return {a: d["verdict"] for a, d in json.loads(done)["stages"].items()}

    def prefect(self, path: str, body: Any = None) -> Any:
        """Send a request to the Prefect API and return the response."""
        request = urllib.request.Request(
            f"{self.prefect_url}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def task_runs(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Return the task runs of a finished flow run.

        Prefect stores the states of task runs from a queue of events, so the last ones may arrive
        after the end of the flow run. This function waits for them for a limited time.
        """
        query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
        deadline = time.monotonic() + STORED_S
        while True:
            tasks: list[dict[str, Any]] = self.prefect("/task_runs/filter", query)
            if tasks and all(task["state_type"] in FINAL for task in tasks):
                return tasks
            if time.monotonic() > deadline:
                return tasks
            time.sleep(0.5)


def copy_checkout(target: Path) -> None:
    """Copy the tracked files, and new files that are not ignored, to a repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    # Functions that numba has compiled: they carry a digest of their sources, so none of them is stale.
    for path in (ROOT / "methods").glob("*/__pycache__/*.nb[ci]"):
        compiled = target / path.relative_to(ROOT)
        compiled.parent.mkdir(exist_ok=True)
        shutil.copy2(path, compiled)
    for command in (["init", "-q"], ["add", "-A"], [*IDENTITY, "commit", "-qm", "checkout"]):
        subprocess.run(["git", *command], cwd=target, check=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """`statewright ui` in a fresh checkout."""
    checkout = tmp_path_factory.mktemp("checkout") / "statewright"
    checkout.mkdir()
    copy_checkout(checkout)
    prefect_port, mlflow_port = free_port(), free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_"))},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
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
        stop(process)


@pytest.fixture(scope="session")
def flow_run(servers: Servers) -> dict[str, Any]:
    """The finished run of the emotion deployment, after which the others ran."""
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
        runs = {}
        for pipeline, smaller in SMALL.items():
            values = f"set_params={json.dumps(smaller)}"
            runs[pipeline] = run_deployment(servers, f"{pipeline}/nightly", "--param", values)
            completed = runs[pipeline]["state_type"] == "COMPLETED"
            assert completed, (servers.checkout.parent / "worker.log").read_text(errors="replace")
        # Tests restore the checkout with git: the smaller trainings belong to it.
        servers.run("git", *IDENTITY, "commit", "-qam", "train less")
        return runs["emotion"]
    finally:
        stop(worker)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process with SIGTERM; after `STOP_S` seconds kill it and fail."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def run_deployment(servers: Servers, deployment: str, *options: str) -> dict[str, Any]:
    """Run a deployment and wait until the flow run has ended."""
    created = servers.run("prefect", "deployment", "run", deployment, *options)
    flow_run_id = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", created)
    assert flow_run_id, created
    deadline = time.monotonic() + COLD_S
    while True:
        run: dict[str, Any] = servers.prefect(f"/flow_runs/{flow_run_id[0]}")
        if run["state_type"] in FINAL:
            return run
        assert time.monotonic() < deadline, (servers.checkout.parent / "worker.log").read_text()
        time.sleep(2)
