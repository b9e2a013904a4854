"""Scheduled run of a deployment with an interval, without a manual start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, make_repository

pytestmark = pytest.mark.end_to_end

BIN = Path(sys.executable).parent
WAIT_S = 240
FILES = {
    "dvc.yaml": "stages:\n  letters: {cmd: echo a > letters.txt, outs: [letters.txt]}\n",
    "flows/letters.py": """
        from pathlib import Path

        from prefect import flow

        import statewright


        @flow(name="letters")
        def letters() -> None:
            assert statewright.run(Path(__file__).parents[1], workers=1)
        """,
    "prefect.yaml": """
        name: letters
        pull:
        - prefect.deployments.steps.set_working_directory:
            directory: ROOT
        deployments:
        - name: often
          entrypoint: flows/letters.py:letters
          work_pool: {name: local}
          schedules:
          - interval: 15
        """,
}


def ask(address: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{address}{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def test_a_scheduled_run_starts_by_itself_and_completes(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(
        tmp_path / "repository",
        {name: text.replace("ROOT", str(tmp_path / "repository")) for name, text in FILES.items()},
    )
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "PYTHONPATH": str(HERE),
        "PREFECT_API_URL": prefect_server,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }

    def prefect(*words: str) -> None:
        done = subprocess.run(
            [str(BIN / "prefect"), "--no-prompt", *words],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def runs(*states: str) -> list[Any]:
        wanted = {
            "deployments": {"name": {"any_": ["often"]}},
            "flow_runs": {"state": {"type": {"any_": list(states)}}},
            "limit": 5,
        }
        return list(ask(prefect_server, "/flow_runs/filter", wanted))

    prefect("work-pool", "create", "local", "--type", "process")
    prefect("deploy", "--all")
    log = tmp_path / "worker.log"
    with log.open("wb") as sink:
        worker = subprocess.Popen(
            [str(BIN / "prefect"), "worker", "start", "--pool", "local"],
            cwd=root,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: runs("SCHEDULED"), log)
        wait_for(lambda: runs("COMPLETED"), log)
    finally:
        worker.terminate()
        worker.wait(60)
        prefect("deployment", "delete", "letters/often")
    assert (root / "letters.txt").read_text() == "a\n"
    assert "letters:" in (root / "dvc.lock").read_text()


def wait_for(condition: Any, log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-5000:]
        time.sleep(1)
