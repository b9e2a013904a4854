"""Faults of every kind, in processes of their own: the next run ends the work, and repeats none of it."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import FILES, Place, assert_next_run_finishes, assert_sound, command, make_place, wait_for

from statewright.record.history import durations
from statewright.running.process import GRACE_S

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What a plain ``dvc repro`` records where nothing goes wrong."""
    place = make_place(tmp_path_factory.mktemp("clean"))
    status, said = place.start("dvc", "repro").end()
    assert status == 0, said
    assert {name: (place.root / name).read_text() for name in FILES} == FILES
    return place.recorded()


# kill -9.


def test_the_run_is_killed_while_commands_run(place: Place, lock: Mapping[str, Any]) -> None:
    at = place.hold("held"), place.hold("open")
    run = place.start()
    wait_for(lambda: all(path.exists() for path in at))
    run.kill()
    wait_for(lambda: not any("step" in " ".join(command(p)) for p in place.processes()), 5)
    place.mend()
    assert_next_run_finishes(place, lock, "source")


def test_the_run_is_killed_at_one_moment_after_the_other(place: Place, lock: Mapping[str, Any]) -> None:
    chance = random.Random(7)
    for _ in range(4):
        before = len(place.finished())
        run = place.start(more={"PAUSE": "0"})
        wait_for(
            lambda before=before, run=run: len(place.finished()) > before or run.process.poll() is not None
        )
        time.sleep(chance.uniform(0, 0.1))
        run.kill()
    assert_next_run_finishes(place, lock)


def test_what_starts_the_commands_is_killed(place: Place, lock: Mapping[str, Any]) -> None:
    at = place.hold("held")
    run = place.start()
    wait_for(at.exists)
    place.process("statewright.running.supervisor").kill()
    status, said = run.end()
    assert status == 1
    assert "stage 'held': the process that started it was killed; log: " in said
    assert place.processes() == []
    place.mend()
    assert_next_run_finishes(place, lock, "source")


def test_what_records_is_killed(place: Place, lock: Mapping[str, Any]) -> None:
    at = place.hold("held", "sleep 1")
    run = place.start()
    wait_for(at.exists)
    place.process("statewright.running.recorder").kill()
    status, said = run.end()
    assert status == 0
    assert "not wholly recorded in MLflow: the recording process was killed" in said
    assert_sound(place, lock)


def test_stages_are_killed_or_die_half_way(place: Place, lock: Mapping[str, Any]) -> None:
    place.fault("held", "kill -9 $$")
    place.fault("folder", "kill -9 $PPID; sleep 60")
    place.fault("open", "echo half a file; exit 3")
    status, said = place.run()
    assert status == 1
    assert "stage 'held' was killed by signal 9" in said or "stage 'held' ended with status 137" in said
    assert "stage 'folder' was killed by signal 9" in said
    assert "stage 'open' ended with status 3: half a file" in said
    assert place.processes() == []
    assert set(place.recorded()) == {"source"}
    place.mend()
    assert_next_run_finishes(place, lock, "source")


# Prefect's server goes away.


def test_the_temporary_server_of_prefect_is_killed(place: Place, lock: Mapping[str, Any]) -> None:
    at = place.hold("source", "sleep 1")
    run = place.start(more={"PREFECT_API_URL": None})
    wait_for(at.exists)
    place.process("uvicorn").kill()
    status, said = run.end()
    assert status == 0, said
    assert "not wholly recorded in Prefect: " in said
    assert_sound(place, lock)


def test_a_server_that_was_named_is_out_of_reach(place: Place, lock: Mapping[str, Any]) -> None:
    status, said = place.run({"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert status == 0, said
    assert "Prefect at http://127.0.0.1:9/api is out of reach: using a temporary server" in said
    assert_sound(place, lock)


# Disks.


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something mounted on a folder for the length of the block, where one may."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_the_disk_of_the_cache_is_full(place: Place, lock: Mapping[str, Any]) -> None:
    with mounted(place.root / ".dvc" / "cache", "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        filler = place.root / ".dvc" / "cache" / "filler"
        place.fault("held", f"dd if=/dev/zero of={filler} bs=4096 count=8000 2>&1")
        status, said = place.run()
        assert status == 1, said
        assert "No space left on device" in said
        filler.unlink()
        place.mend()
        assert_next_run_finishes(place, lock, "source")


def test_an_output_finds_no_room_in_the_cache(place: Place, lock: Mapping[str, Any]) -> None:
    """DVC logs a file that cannot be copied to the cache and goes on: the stage must not count as done."""
    cache = place.root / ".dvc" / "cache"
    with mounted(cache, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        place.fault("folder", "yes | head -c 3000000 >> $to")
        status, said = place.run()
        assert status == 1, said
        assert "folder could not be copied into DVC's cache: [Errno 28] No space left on device" in said
        assert "Traceback" not in said
        assert "folder" not in place.recorded()
        subprocess.run(["mount", "-o", "remount,size=16m", str(cache)], check=True)
        place.mend()
        assert_next_run_finishes(place, lock, "source")


def test_the_disk_of_the_repository_is_full(tmp_path: Path, lock: Mapping[str, Any]) -> None:
    with mounted(tmp_path / "repo", "-t", "tmpfs", "-o", "size=16m", "tmpfs"):
        place = make_place(tmp_path)
        filler = place.root / "filler"
        place.fault("held", f"dd if=/dev/zero of={filler} bs=4096 count=8000 2>&1")
        status, said = place.run()
        assert status == 1, said
        assert "No space left on device" in said
        assert "Traceback" not in said
        filler.unlink()
        place.mend()
        assert_next_run_finishes(place, lock, "source")


def test_no_file_may_grow(place: Place, lock: Mapping[str, Any]) -> None:
    place.fault("held", "yes | head -c 3000000 >> $to")
    place.fault("folder", "yes | head -c 3000000 >> $to")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    status, said = place.run(preexec_fn=limit)
    assert status == 1, said
    place.mend()
    assert_next_run_finishes(place, lock, "source")


def test_the_cache_cannot_be_written(place: Place, lock: Mapping[str, Any]) -> None:
    cache = place.root / ".dvc" / "cache"
    # Refused ("busy") for as long as another stage's file is being written to the cache.
    place.fault("held", f"until mount -o remount,bind,ro {cache}; do sleep 0.01; done")
    with mounted(cache, "--bind", str(cache)):
        status, said = place.run()
        assert status == 1, said
        assert "Read-only file system" in said
        assert "Traceback" not in said
    place.mend()
    assert_next_run_finishes(place, lock, "source")


# Stages that do not listen.


def test_a_stage_that_ignores_sigterm_is_ended_in_time(place: Place, lock: Mapping[str, Any]) -> None:
    deaf = "trap '' TERM INT HUP; while :; do sleep 0.1; done"
    place.hold("held", deaf)
    at = place.hold("open", deaf)
    declared = place.root / "dvc.yaml"
    text = declared.read_text()
    declared.write_text(
        text.replace("outs: [held.txt], meta: {timeout_s: 60}", "outs: [held.txt], meta: {timeout_s: 1}")
    )
    run = place.start()
    wait_for(at.exists)
    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    status, said = run.end()
    assert time.monotonic() - began < GRACE_S + 10
    assert status == 130, said
    assert place.processes() == []
    declared.write_text(text)
    place.mend()
    assert_next_run_finishes(place, lock, "source")


# Two at once.


def test_two_runs_at_once(place: Place, lock: Mapping[str, Any]) -> None:
    runs = [place.start(), place.start()]
    said = [run.end() for run in runs]
    assert [status for status, _ in said] == [0, 0], said
    assert sum("is at work in this repository: waiting for it to end" in text for _, text in said) == 1
    assert sum("nothing to do: 5 stages are up to date" in text for _, text in said) == 1
    assert place.started() == dict.fromkeys(lock, 1)
    assert_sound(place, lock)


@pytest.mark.parametrize("first", ["statewright", "dvc"])
def test_a_run_and_dvc_repro_at_once(place: Place, lock: Mapping[str, Any], first: str) -> None:
    at = place.hold("source", "sleep 3")
    ours, theirs = ("statewright", "run"), ("dvc", "--wait-for-lock", "repro")
    one = place.start(*(ours if first == "statewright" else theirs))
    wait_for(at.exists)
    place.mend()
    other = place.start(*(theirs if first == "statewright" else ours))
    first_ended, other_ended = one.end(), other.end()
    assert first_ended[0] == 0, first_ended
    if first == "dvc":
        assert other_ended[0] == 0, other_ended
    else:  # DVC waits for the repository's lock, but not for locks on paths
        assert "is busy, it is being blocked by" in other_ended[1] or other_ended[0] == 0
    assert place.started() == dict.fromkeys(lock, 1)
    assert_sound(place, lock)


# Clocks that jump.


def test_files_of_another_time_are_no_news(place: Place, lock: Mapping[str, Any]) -> None:
    assert place.run()[0] == 0
    for days in (-4000, 4000):
        then = time.time() + days * 86400
        for path in place.root.rglob("*"):
            if ".git" not in path.parts:
                os.utime(path, (then, then))
        assert_next_run_finishes(place, lock, *lock)
    started = place.started()
    (place.root / "open.txt").write_text("otherwise")
    os.utime(place.root / "open.txt", (then - 86400, then - 86400))
    status, said = place.run()
    assert status == 0, said
    assert place.started() - started == {"open": 1}
    assert_sound(place, lock)


JUMPING = """
import os, time
_time = time.time
time.time = lambda: _time() - 86400 * os.path.exists(os.path.join(os.environ["OUT"], "at.held"))
"""


def test_the_clock_jumps_back_while_a_stage_runs(place: Place, lock: Mapping[str, Any]) -> None:
    (place.out / "sitecustomize.py").write_text(JUMPING)
    place.hold("held", "sleep 1")
    status, said = place.run({"PYTHONPATH": str(place.out)})
    assert status == 0, said
    (took,) = re.findall(r"held: ran in ([-\d.]+) s", said)
    assert 1 <= float(took) < 60
    low, high = durations(place.root)["held"]
    assert 0 < low < high < 60
    assert_sound(place, lock)
