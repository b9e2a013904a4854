"""Data arrive, a check finds drift, and an automation starts the training."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, commit, make_repository

pytestmark = pytest.mark.end_to_end

EXAMPLES = HERE / "docs" / "examples"
BIN = Path(sys.executable).parent
WAIT_S = 240


@dataclass(frozen=True)
class Team:
    """The repository of the example, its deployments and its server."""

    root: Path
    server: str
    log: Path

    def prefect(self, *words: str) -> str:
        done = subprocess.run(
            [str(BIN / "prefect"), "--no-prompt", *words],
            cwd=self.root,
            env=environment(self.server),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.server}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def runs(self, deployment: str) -> list[str]:
        """Return the types of the states of the runs that the schedule did not make."""
        wanted = {"deployments": {"name": {"any_": [deployment]}}}
        found = self.ask("/flow_runs/filter", wanted)
        return [
            run["state_type"]
            for run in found
            if run["state_type"] != "SCHEDULED" or not run["auto_scheduled"]
        ]

    def check(self) -> dict[str, Any]:
        """Run the deployment of the check to its end; return its verdict."""
        before = len(self.runs("hourly"))
        self.prefect("deployment", "run", "check/hourly")
        self.wait(lambda: self.runs("hourly").count("COMPLETED") > before)
        verdict: dict[str, Any] = json.loads((self.root / "drift.json").read_text())
        return verdict

    def wait(self, condition: Any) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            failed = {"FAILED", "CRASHED"} & {*self.runs("hourly"), *self.runs("on-drift")}
            text = self.log.read_text(errors="replace")[-5000:]
            assert time.monotonic() < deadline and not failed, text
            time.sleep(0.5)


def environment(server: str) -> dict[str, str]:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(HERE), "PREFECT_API_URL": server}


def write_table(path: Path, rows: int, area: float, seed: int) -> None:
    rng = random.Random(seed)
    lines = ["area,price,kind"]
    for _ in range(rows):
        value = rng.gauss(area, 20)
        kind = rng.choices(["flat", "house"], [0.7, 0.3])[0]
        lines.append(f"{value:.1f},{3 * value + rng.gauss(0, 20):.1f},{kind}")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def team(tmp_path: Path, prefect_server: str) -> Iterator[Team]:
    root = make_repository(tmp_path / "houses", {".gitignore": "drift.json\n"})
    shutil.copytree(EXAMPLES / "drift", root, dirs_exist_ok=True)
    shutil.copytree(HERE / "methods" / "drift", root / "drift", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("training.csv", "incoming.csv"):
        write_table(root / name, 300, 80, seed=len(name))
    deployments = root / "prefect.yaml"
    deployments.write_text(
        deployments.read_text().replace("ROOT", str(root)).replace("{name: local}", "{name: drift}")
    )
    commit(root)
    team = Team(root, prefect_server, tmp_path / "worker.log")
    team.prefect("work-pool", "create", "drift", "--type", "process")
    team.prefect("deploy", "--all")
    with team.log.open("wb") as sink:
        worker = subprocess.Popen(
            [str(BIN / "prefect"), "worker", "start", "--pool", "drift"],
            cwd=root,
            env=environment(prefect_server),
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        yield team
    finally:
        worker.terminate()
        worker.wait(60)
        for name in ("check/hourly", "retrain/on-drift"):
            team.prefect("deployment", "delete", name)


def test_drift_starts_the_training_and_calm_data_do_not(team: Team) -> None:
    deployment = team.ask("/deployments/name/retrain/on-drift")["id"]
    template = (EXAMPLES / "run-on-drift.yaml").read_text().replace("DEPLOYMENT_ID", deployment)
    (team.root.parent / "mine.yaml").write_text(template)
    team.prefect("automation", "create", "--from-file", "../mine.yaml")

    assert team.check()["alarm"] == 0

    write_table(team.root / "incoming.csv", 300, 130, seed=3)
    verdict = team.check()
    assert verdict["alarm"] == 1 and verdict["columns"]["area"]["alarm"] == 1
    assert verdict["columns"]["kind"]["alarm"] == 0
    team.wait(lambda: "COMPLETED" in team.runs("on-drift"))
    assert (team.root / "training.csv").read_bytes() == (team.root / "incoming.csv").read_bytes()
    assert json.loads((team.root / "model.json").read_text())["rows"] == 300

    events = {"filter": {"event": {"name": ["statewright.drift"]}}}
    assert team.ask("/events/filter", events)["total"] == 1
    assert team.runs("on-drift") == ["COMPLETED"]
