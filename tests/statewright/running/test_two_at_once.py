"""Two people run the same stages at once, in two clones with one remote."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from local_runs import counting, reproduce, run_local
from remote_stores import clone, make_origin, opened
from toys import lock_files

from statewright.repository import leases
from statewright.repository.declaration import declare, open_repository
from statewright.repository.lock_writer import open_lock_writer
from statewright.request import Request
from statewright.running.sharing import Sharing

SLOW_STAGES = """
    stages:
      prep:
        cmd: echo prep >> "$RAN"; sleep 1; cat raw.csv raw.csv > prep.csv
        deps: [raw.csv]
        outs: [prep.csv]
      train:
        cmd: echo train >> "$RAN"; sleep 1; mkdir -p model; cp prep.csv model/a
        deps: [prep.csv]
        outs: [model]
    """


@pytest.mark.slow
def test_each_command_runs_once_in_total(tmp_path: Path) -> None:
    origin = make_origin(tmp_path / "origin", f"    url = {tmp_path / 'store'}\n", SLOW_STAGES)
    clones = [clone(origin, tmp_path / name) for name in ("ana", "ben")]
    with counting(tmp_path) as ran:
        command = [sys.executable, "-m", "statewright", "run", "--pull", "--push"]
        runs = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) for root in clones]
        said = [run.communicate(timeout=240)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert ran == {"prep": 1, "train": 1}
    assert "waiting for " in "".join(said)
    serial = clone(origin, tmp_path / "serial")
    with counting(tmp_path):
        assert reproduce(serial) == 0
    assert lock_files(clones[0]) == lock_files(clones[1]) == lock_files(serial)
    assert not [path for path in (tmp_path / "store" / "statewright").rglob("*") if path.is_file()]


def test_the_lease_of_a_killed_run_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statewright.running.sharing.POLL_S", (0.05, 0.05))
    origin = make_origin(tmp_path / "origin", f"    url = {tmp_path / 'store'}\n")
    ana, ben = (clone(origin, tmp_path / name) for name in ("ana", "ben"))
    repository = open_repository(ana, Request(pull=True, push=True))
    writer = open_lock_writer(repository, list(declare(repository).stages))
    killed = Sharing(ana, opened(ana), threading.Event(), pull=True, push=True)
    monkeypatch.setattr(killed, "_renew", lambda: None)
    real, short = leases.acquire, []

    def acquire(remote: Any, key: str, stage: str) -> Any:
        short.append(key)
        return real(remote, key, stage, ttl_s=0.5)

    monkeypatch.setattr(leases, "acquire", acquire)
    killed.prepare(writer, "prep", lambda _: None)
    assert len(short) == 1  # it holds the lease, and is never heard of again
    said: list[str] = []
    monkeypatch.setattr("statewright.running.attempt._say", lambda *words: said.append(words[2]))
    with counting(tmp_path) as ran:
        result = run_local(ben, 1, Request(pull=True, push=True))
    assert ran == {"prep": 1, "train": 1, "report": 1}
    assert set(result.outcomes.values()) == {"ran"}
    assert said[0].startswith(f"waiting for {leases.owner()}, who runs 'prep' since ")
    assert said[1] == f"the lease of {leases.owner()} has expired"
    assert not [path for path in (tmp_path / "store" / "statewright").rglob("*") if path.is_file()]
