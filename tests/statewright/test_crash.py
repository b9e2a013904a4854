"""Faults in separate processes: the next run completes the work and repeats none."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import FILES, Sandbox, assert_next_run_finishes, assert_sound, command, make_sandbox, wait_for

from statewright.record.history import past_seconds, widened_range
from statewright.running.process import GRACE_S
from statewright.running.recorder import LIVE_S, wait_until_recorded

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def read_mlflow() -> None:
    """For tests that read the record of their runs."""


READS_MLFLOW = pytest.mark.usefixtures("read_mlflow")


@pytest.fixture
def sandbox(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A repository without results.

    The record takes most of the time of a short run, so that the store of other tests does not answer.
    """
    if "read_mlflow" not in request.fixturenames:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    return make_sandbox(tmp_path)


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The record of a plain ``dvc repro`` without faults."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("clean"))
    status, output = sandbox.start("dvc", "repro").end()
    assert status == 0, output
    assert {name: (sandbox.root / name).read_text() for name in FILES} == FILES
    return sandbox.recorded()


# kill -9.


def test_the_run_is_killed_while_commands_run(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    at = sandbox.hold("held"), sandbox.hold("open")
    run = sandbox.start()
    wait_for(lambda: all(path.exists() for path in at))
    run.kill()
    wait_for(lambda: not any("step" in " ".join(command(p)) for p in sandbox.processes()), 5)
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


@READS_MLFLOW
def test_the_run_is_killed_at_several_moments(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    chance = random.Random(7)
    for _ in range(4):
        before = len(sandbox.finished())
        run = sandbox.start(more={"PAUSE": "0"})
        wait_for(
            lambda before=before, run=run: len(sandbox.finished()) > before or run.process.poll() is not None
        )
        time.sleep(chance.uniform(0, 0.1))
        run.kill()
        assert set(recorded_stages(sandbox.root)) >= set(sandbox.recorded())
    assert_next_run_finishes(sandbox, lock)
    assert set(recorded_stages(sandbox.root)) == set(lock)


def test_the_supervisor_is_killed(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    at = sandbox.hold("held")
    run = sandbox.start()
    wait_for(at.exists)
    sandbox.process("statewright.running.supervisor").kill()
    status, output = run.end()
    assert status == 1
    assert "stage 'held': the process that started it was killed; log: " in output
    assert sandbox.processes() == []
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


@READS_MLFLOW
def test_the_recorder_is_killed(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    """Kill it while a long run is at work, and again after the run."""
    at = sandbox.hold("held", f"sleep {LIVE_S + 5}")
    run = sandbox.start()
    wait_for(at.exists)
    wait_for(sandbox.recorders)
    sandbox.recorders()[0].kill()
    status, output = run.end()
    assert status == 0, output
    for process in sandbox.recorders():
        process.kill()
    assert_sound(sandbox, lock)
    assert recorded_stages(sandbox.root) == dict.fromkeys(lock, 1)


@READS_MLFLOW
@pytest.mark.parametrize("seed", range(3))
def test_the_recorder_is_killed_at_any_moment(sandbox: Sandbox, lock: Mapping[str, Any], seed: int) -> None:
    """Check that every stage in `dvc.lock` then has one run in MLflow."""
    chance = random.Random(seed)
    assert sandbox.run({"PAUSE": "0"})[0] == 0
    for _ in range(4):
        deadline = time.monotonic() + chance.uniform(0, 4)
        wait_for(lambda deadline=deadline: time.monotonic() > deadline or not sandbox.recorders())
        for process in sandbox.recorders():
            process.kill()
        status, output = sandbox.run()
        assert (status, "nothing to do" in output) == (0, True)
    assert recorded_stages(sandbox.root) == dict.fromkeys(lock, 1)
    assert_sound(sandbox, lock)


def recorded_stages(root: Path) -> dict[str, int]:
    """Return the number of runs of each stage in MLflow; all runs have ended."""
    assert wait_until_recorded(root) is None
    with sqlite3.connect(root / ".statewright/mlflow/mlflow.db") as database:
        active = database.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall()
        stages = database.execute("SELECT value FROM tags WHERE key = 'statewright.stage'").fetchall()
    assert not active
    return dict(Counter(stage for (stage,) in stages))


def test_stages_are_killed_or_fail_half_way(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    sandbox.fault("held", "kill -9 $$")
    sandbox.fault("folder", "kill -9 $PPID; sleep 60")
    sandbox.fault("open", "echo half a file; exit 3")
    status, output = sandbox.run()
    assert status == 1
    assert "stage 'held' was killed by signal 9" in output or "stage 'held' ended with status 137" in output
    assert "stage 'folder' was killed by signal 9" in output
    assert "stage 'open' ended with status 3: half a file" in output
    assert sandbox.processes() == []
    assert set(sandbox.recorded()) == {"source"}
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


# Prefect's server ends or is unreachable.


def test_the_temporary_server_of_prefect_is_killed(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    (sandbox.root / ".statewright.toml").write_text('prefect = "always"\n')
    subprocess.run(["git", "add", ".statewright.toml"], cwd=sandbox.root, check=True)
    at = sandbox.hold("source", "while [ ! -e $OUT/killed ]; do sleep 0.05; done")
    run = sandbox.start(more={"PREFECT_API_URL": None})
    wait_for(at.exists)
    wait_for(lambda: any("uvicorn" in command(p) for p in sandbox.processes()))
    sandbox.process("uvicorn").kill()
    (sandbox.out / "killed").touch()
    status, output = run.end()
    assert status == 0, output
    assert "Prefect record is incomplete: " in output
    assert_sound(sandbox, lock)


def test_a_named_server_is_unreachable(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    status, output = sandbox.run({"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert status == 0, output
    assert "Prefect record is incomplete: Prefect at http://127.0.0.1:9/api does not answer: " in output
    assert_sound(sandbox, lock)


# Disks.


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount a file system on a folder for the length of the block, or skip the test."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"this user cannot mount a file system: {mount.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_the_disk_of_the_cache_is_full(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    with mounted(sandbox.root / ".dvc" / "cache", "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        filler = sandbox.root / ".dvc" / "cache" / "filler"
        sandbox.fault("held", f"dd if=/dev/zero of={filler} bs=4096 count=8000 2>&1")
        status, output = sandbox.run()
        assert status == 1, output
        assert "No space left on device" in output
        filler.unlink()
        sandbox.clear_faults()
        assert_next_run_finishes(sandbox, lock, "source")


def test_an_output_does_not_fit_into_the_cache(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    """DVC only logs that it cannot copy the file, but the stage must not be recorded."""
    cache = sandbox.root / ".dvc" / "cache"
    with mounted(cache, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        sandbox.fault("folder", "yes | head -c 3000000 >> $to")
        status, output = sandbox.run()
        assert status == 1, output
        assert "folder could not be copied into DVC's cache: [Errno 28] No space left on device" in output
        assert "Traceback" not in output
        assert "folder" not in sandbox.recorded()
        subprocess.run(["mount", "-o", "remount,size=16m", str(cache)], check=True)
        sandbox.clear_faults()
        assert_next_run_finishes(sandbox, lock, "source")


def test_the_disk_of_the_repository_is_full(tmp_path: Path, lock: Mapping[str, Any]) -> None:
    with mounted(tmp_path / "repo", "-t", "tmpfs", "-o", "size=16m", "tmpfs"):
        sandbox = make_sandbox(tmp_path)
        filler = sandbox.root / "filler"
        sandbox.fault("held", f"dd if=/dev/zero of={filler} bs=4096 count=8000 2>&1")
        status, output = sandbox.run()
        assert status == 1, output
        assert "No space left on device" in output
        assert "Traceback" not in output
        filler.unlink()
        sandbox.clear_faults()
        assert_next_run_finishes(sandbox, lock, "source")


def test_the_size_of_files_is_limited(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    sandbox.fault("held", "yes | head -c 3000000 >> $to")
    sandbox.fault("folder", "yes | head -c 3000000 >> $to")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    status, output = sandbox.run(preexec_fn=limit)
    assert status == 1, output
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


def test_the_cache_cannot_be_written(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    cache = sandbox.root / ".dvc" / "cache"
    # The mount fails ("busy") while the file of another stage is written to the cache.
    sandbox.fault("held", f"until mount -o remount,bind,ro {cache}; do sleep 0.01; done")
    with mounted(cache, "--bind", str(cache)):
        status, output = sandbox.run()
        assert status == 1, output
        assert "Read-only file system" in output
        assert "Traceback" not in output
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


# Stages that ignore signals.


def test_a_stage_that_ignores_sigterm_is_ended_in_time(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    stubborn = "trap '' TERM INT HUP; while :; do sleep 0.1; done"
    sandbox.hold("held", stubborn)
    at = sandbox.hold("open", stubborn)
    declared = sandbox.root / "dvc.yaml"
    text = declared.read_text()
    declared.write_text(
        text.replace("outs: [held.txt], meta: {timeout_s: 60}", "outs: [held.txt], meta: {timeout_s: 1}")
    )
    run = sandbox.start()
    wait_for(at.exists)
    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    status, output = run.end()
    assert time.monotonic() - began < GRACE_S + 10
    assert status == 130, output
    assert sandbox.processes() == []
    declared.write_text(text)
    sandbox.clear_faults()
    assert_next_run_finishes(sandbox, lock, "source")


# Concurrent runs.


def test_two_runs_at_once(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    runs = [sandbox.start(), sandbox.start()]
    results = [run.end() for run in runs]
    assert [status for status, _ in results] == [0, 0], results
    assert sum("is running in this repository; waiting" in text for _, text in results) == 1
    assert sum("nothing to do: 5 stages are up to date" in text for _, text in results) == 1
    assert sandbox.started() == dict.fromkeys(lock, 1)
    assert_sound(sandbox, lock)


@pytest.mark.parametrize("first", ["statewright", "dvc"])
def test_a_run_and_dvc_repro_at_once(sandbox: Sandbox, lock: Mapping[str, Any], first: str) -> None:
    at = sandbox.hold("source", "sleep 3")
    engine, foreign = ("statewright", "run"), ("dvc", "--wait-for-lock", "repro")
    one = sandbox.start(*(engine if first == "statewright" else foreign))
    wait_for(at.exists)
    sandbox.clear_faults()
    other = sandbox.start(*(foreign if first == "statewright" else engine))
    first_ended, other_ended = one.end(), other.end()
    assert first_ended[0] == 0, first_ended
    if first == "dvc":
        assert other_ended[0] == 0, other_ended
    else:  # `--wait-for-lock` applies to the repository's lock, but not to the locks on paths
        assert "is busy, it is being blocked by" in other_ended[1] or other_ended[0] == 0
    assert sandbox.started() == dict.fromkeys(lock, 1)
    assert_sound(sandbox, lock)


# Clocks that jump.


def test_files_with_another_time_are_not_changes(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    assert sandbox.run()[0] == 0
    for days in (-4000, 4000):
        then = time.time() + days * 86400
        for path in sandbox.root.rglob("*"):
            if ".git" not in path.parts:
                os.utime(path, (then, then))
        assert_next_run_finishes(sandbox, lock, *lock)
    started = sandbox.started()
    (sandbox.root / "open.txt").write_text("another text")
    os.utime(sandbox.root / "open.txt", (then - 86400, then - 86400))
    status, output = sandbox.run()
    assert status == 0, output
    assert sandbox.started() - started == {"open": 1}
    assert_sound(sandbox, lock)


JUMPING = """
import os, time
_time = time.time
time.time = lambda: _time() - 86400 * os.path.exists(os.path.join(os.environ["OUT"], "at.held"))
"""


@READS_MLFLOW
def test_the_clock_jumps_back_while_a_stage_runs(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    (sandbox.out / "sitecustomize.py").write_text(JUMPING)
    sandbox.hold("held", "sleep 1")
    status, output = sandbox.run({"PYTHONPATH": str(sandbox.out)})
    assert status == 0, output
    (took,) = re.findall(r"held: ran in ([-\d.]+) s", output)
    assert 1 <= float(took) < 60
    low, high = widened_range(past_seconds(sandbox.root)["held"])
    assert 0 < low < high < 60
    assert_sound(sandbox, lock)
