"""DVC's locks: wait for the living and say for whom; do not wait for the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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


def lists(
    repository: Repository, pid: int, mode: str = "write", path: str = "out.txt", age: float = 0
) -> Path:
    """Write DVC's list of locks on paths, as a process with that number would have."""
    file = Path(repository.repo.tmp_dir) / "rwlock"
    info = {"pid": pid, "cmd": "dvc repro of somebody"}
    held = {str(repository.root / path): [info] if mode == "read" else info}
    file.write_text(json.dumps({"read": {}, "write": {}, mode: held}))
    os.utime(file, (time.time() - age,) * 2)
    return file


def after(seconds: float, act: object) -> None:
    threading.Timer(seconds, act).start()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [[], ["hardlink"]])
def test_the_repository_lock_is_waited_for_and_its_holder_named(
    repository: Repository, kind: list[str], capsys: pytest.CaptureFixture[str]
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
    after(4.0 if kind else 0.8, holder.stdin.close)  # a hard link is tried again after up to two seconds
    started = time.monotonic()
    with repository.locked():
        assert time.monotonic() - started > 0.5
        with repository.locked():  # a thread that holds it goes on
            pass
    holder.wait()
    said = capsys.readouterr().err
    # A hard link tells nobody's number.
    who = "another process" if kind else f"process {holder.pid}"
    assert f"waiting: {who} holds the lock of this repository" in said
    assert "the run continues" in said


def test_a_lock_that_is_free_is_taken_without_a_word(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with repository.locked(repository.stages["copy"]):
        pass
    with locks.path_locks(repository.repo, repository.mutex, repository.stages["copy"]):
        held = json.loads((Path(repository.repo.tmp_dir) / "rwlock").read_text())
        assert list(held["write"]) == [str(repository.root / "out.txt")]
        assert list(held["read"]) == [str(repository.root / "in.txt")]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["about to begin", "about to run"])
def test_paths_that_another_holds_are_waited_for_and_the_other_named(
    repository: Repository, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = subprocess.Popen(["sleep", "60"])
    file = lists(repository, other.pid)
    after(0.6, file.unlink)
    started, stage = time.monotonic(), repository.stages["copy"]
    with (
        repository.locked(stage)
        if how == "about to begin"
        else locks.path_locks(repository.repo, repository.mutex, stage)
    ):
        assert time.monotonic() - started > 0.4
    other.kill()
    other.wait()
    said = capsys.readouterr().err
    assert f"'{repository.root}/out.txt' is busy" in said
    assert f"(PID {other.pid}): dvc repro of somebody" in said


def test_readers_do_not_wait_for_readers_nor_for_other_paths(repository: Repository) -> None:
    stage = repository.stages["copy"]
    for mode, path in (("read", "in.txt"), ("write", "elsewhere.txt")):
        file = lists(repository, os.getppid(), mode, path)
        with repository.locked(stage):
            assert str(repository.root / path) in json.loads(file.read_text())[mode]


def test_the_dead_and_who_has_got_their_number_hold_nothing(repository: Repository) -> None:
    stage = repository.stages["copy"]
    dead = subprocess.Popen(["true"])
    dead.wait()
    lists(repository, dead.pid)
    with repository.locked(stage):
        pass
    heir = subprocess.Popen(["sleep", "60"])
    file = lists(repository, heir.pid, "read", "out.txt", age=3600)  # written an hour before it started
    with repository.locked(stage):
        assert json.loads(file.read_text())["read"] == {}
    heir.kill()
    heir.wait()


def test_a_list_that_a_killed_process_left_half_written_is_dropped(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(repository.repo.tmp_dir) / "rwlock"
    stage = repository.stages["copy"]
    for take in (
        lambda: repository.locked(stage),
        lambda: locks.path_locks(repository.repo, repository.mutex, stage),
    ):
        file.write_text('{"write": {"/a')
        with take():
            pass
        assert "it was incomplete" in capsys.readouterr().err


@pytest.mark.slow
def test_a_foreign_dvc_repro_at_work_is_waited_for_and_its_work_is_not_done_again(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    write(root, {"dvc.yaml": FILES["dvc.yaml"].replace("echo ran", "sleep 3 && echo ran")})
    foreign = subprocess.Popen([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=root)
    file = root / ".dvc" / "tmp" / "rwlock"
    while not (file.exists() and "out.txt" in file.read_text()):
        assert foreign.poll() is None
        time.sleep(0.02)
    with inside(root):
        outcomes = run_here(root)
    assert foreign.wait() == 0
    assert outcomes in ({"copy": "restored"}, {"copy": "skipped"})
    assert (root / "count").read_text() == "ran\n"
    assert dvc_status(root) == {}
    assert verdicts(root) == {"copy": "skip"}
