"""DVC's locks: wait for live processes and name them; ignore dead ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from toys import dvc_status, inside, make_repository, run_here, verdicts, write

from statewright.repository import locks
from statewright.repository.declaration import Repository, open_repository

FILES = {
    "in.txt": "a\n",
    "dvc.yaml": """
        stages:
          copy:
            cmd: echo ran >> count && cat in.txt > out.txt
            deps: [in.txt]
            outs: [out.txt]
        """,
}
HOLD = """
import sys, time
from dvc.lock import make_lock
with make_lock(sys.argv[1], tmp_dir=sys.argv[2], hardlink_lock=len(sys.argv) > 3):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    root = make_repository(tmp_path / "repo", FILES)
    with inside(root):
        yield open_repository(root)


def write_rwlock(
    repository: Repository, pid: int, mode: str = "write", path: str = "out.txt", age: float = 0
) -> Path:
    """Write DVC's list of locks on paths, as a process with this pid does."""
    file = Path(repository.repo.tmp_dir) / "rwlock"
    info = {"pid": pid, "cmd": "dvc repro of somebody"}
    held = {str(repository.root / path): [info] if mode == "read" else info}
    file.write_text(json.dumps({"read": {}, "write": {}, mode: held}))
    os.utime(file, (time.time() - age,) * 2)
    return file


@contextmanager
def release_on_message(patch: pytest.MonkeyPatch, release: Callable[[], Any]) -> Iterator[threading.Event]:
    """Release a lock as soon as the wait for it is announced, or after a minute.

    Yields an event that is set by the announcement.
    """
    announced = threading.Event()

    def report(text: str, **keywords: Any) -> None:
        print(text, **keywords)
        if text.startswith("waiting:") and not announced.is_set():
            announced.set()
            release()

    patch.setattr(locks, "print", report, raising=False)
    fallback = threading.Timer(60, release)
    fallback.start()
    try:
        yield announced
    finally:
        fallback.cancel()


@pytest.mark.parametrize("kind", [[], ["hardlink"]])
def test_a_run_waits_for_the_repository_lock_and_names_its_holder(
    repository: Repository,
    kind: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if kind:
        (repository.root / ".dvc" / "config").write_text("[core]\n    hardlink_lock = true\n")
        repository = open_repository(repository.root)
    folder = Path(repository.repo.tmp_dir)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / "lock"), str(folder), *kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin and holder.stdout and holder.stdout.readline() == "held\n"
    with release_on_message(monkeypatch, holder.stdin.close) as announced, repository.locked():
        assert announced.is_set()
        with repository.locked():  # a thread that holds the lock continues at once
            pass
    assert holder.wait(timeout=60) == 0
    err = capsys.readouterr().err
    # A hard link does not hold the pid of its owner.
    owner = "another process" if kind else f"process {holder.pid}"
    assert f"waiting: {owner} holds the lock of this repository" in err
    assert "the run continues" in err


def test_a_free_lock_is_taken_without_a_message(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with repository.locked(repository.stages["copy"]):
        pass
    with locks.path_locks(repository.repo, repository.mutex, repository.stopped, repository.stages["copy"]):
        held = json.loads((Path(repository.repo.tmp_dir) / "rwlock").read_text())
        assert list(held["write"]) == [str(repository.root / "out.txt")]
        assert list(held["read"]) == [str(repository.root / "in.txt")]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["about to begin", "about to run"])
def test_a_run_waits_for_paths_of_another_process_and_names_it(
    repository: Repository,
    how: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = subprocess.Popen(["sleep", "300"])
    file = write_rwlock(repository, other.pid)
    stage = repository.stages["copy"]
    with (
        release_on_message(monkeypatch, partial(file.unlink, missing_ok=True)) as announced,
        repository.locked(stage)
        if how == "about to begin"
        else locks.path_locks(repository.repo, repository.mutex, repository.stopped, stage),
    ):
        assert announced.is_set()
    other.kill()
    other.wait(timeout=60)
    err = capsys.readouterr().err
    assert f"'{repository.root}/out.txt' is busy" in err
    assert f"(PID {other.pid}): dvc repro of somebody" in err


@pytest.mark.parametrize("how", ["repository", "paths to begin", "paths to run"])
def test_a_stopped_run_waits_no_longer(
    repository: Repository, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "repository":
        other = open_repository(repository.root)
        other.repo.lock.lock()
    else:
        write_rwlock(repository, os.getppid())
    stage = repository.stages["copy"]
    with (
        release_on_message(monkeypatch, repository.stopped.set) as announced,
        pytest.raises(locks.WaitStoppedError, match="the run was stopped while it waited: "),
        locks.path_locks(repository.repo, repository.mutex, repository.stopped, stage)
        if how == "paths to run"
        else repository.locked(stage),
    ):
        pytest.fail("the lock was not free")
    assert announced.is_set()
    if how == "repository":
        other.repo.lock.unlock()


def test_readers_do_not_wait_for_readers_nor_for_other_paths(repository: Repository) -> None:
    stage = repository.stages["copy"]
    for mode, path in (("read", "in.txt"), ("write", "elsewhere.txt")):
        file = write_rwlock(repository, os.getppid(), mode, path)
        with repository.locked(stage):
            assert str(repository.root / path) in json.loads(file.read_text())[mode]


def test_locks_of_dead_processes_are_ignored_also_if_their_pid_is_reused(repository: Repository) -> None:
    stage = repository.stages["copy"]
    dead = subprocess.Popen(["true"])
    dead.wait(timeout=60)
    write_rwlock(repository, dead.pid)
    with repository.locked(stage):
        pass
    successor = subprocess.Popen(["sleep", "300"])
    # The file is an hour older than the process that has this pid now.
    file = write_rwlock(repository, successor.pid, "read", "out.txt", age=3600)
    with repository.locked(stage):
        assert json.loads(file.read_text())["read"] == {}
    successor.kill()
    successor.wait(timeout=60)


def test_an_incomplete_list_of_locks_is_removed(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(repository.repo.tmp_dir) / "rwlock"
    stage = repository.stages["copy"]
    for take in (
        lambda: repository.locked(stage),
        lambda: locks.path_locks(repository.repo, repository.mutex, repository.stopped, stage),
    ):
        file.write_text('{"write": {"/a')
        with take():
            pass
        assert "it was incomplete" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_waits_for_another_dvc_repro_and_does_not_repeat_its_stages(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    write(root, {"dvc.yaml": FILES["dvc.yaml"].replace("echo ran", "sleep 3 && echo ran")})
    foreign = subprocess.Popen([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root)
    file = root / ".dvc" / "tmp" / "rwlock"
    deadline = time.monotonic() + 120
    while not (file.exists() and "out.txt" in file.read_text()):
        assert foreign.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    with inside(root):
        outcomes = run_here(root)
    assert foreign.wait(timeout=120) == 0
    assert outcomes in ({"copy": "restored"}, {"copy": "skipped"})
    assert (root / "count").read_text() == "ran\n"
    assert dvc_status(root) == {}
    assert verdicts(root) == {"copy": "skip"}
