"""Wait for DVC's locks, and say for whom.

DVC has two: the repository's lock, held while `dvc.lock`, the cache or the graph is used, and the
read-write locks on paths (`.dvc/tmp/rwlock`), held while a command runs. Somebody else's ``dvc
repro`` in the same folder holds now the one and now the other.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from dvc.lock import HardlinkLock, LockError
from dvc.repo import Repo
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError, _check_blockers, _edit_rwlock, rwlock
from dvc.stage import Stage as DvcStage

PATIENCE_S = 2.0
"""How long to wait before saying so."""
SHORTEST_S, LONGEST_S = 0.01, 0.3
"""Pauses between two tries; DVC's own half a second would cost more than most stages take."""


@contextmanager
def repository_lock(repo: Repo, mutex: threading.RLock, stage: DvcStage | None = None) -> Iterator[None]:
    """Hold the mutex and DVC's repository lock; with `stage`, no sooner than its paths are free.

    While this process holds the repository lock, no other DVC can take a lock on a path. A thread
    that holds it already goes on.
    """
    with mutex:
        if repo.lock.is_locked:
            yield
            return

    def take() -> None:
        mutex.acquire()
        try:
            _try_lock(repo.lock)
            try:
                if stage is not None:
                    _edited(repo, lambda lock: _check(repo, lock, stage))
            except BaseException:
                repo.lock.unlock()
                raise
        except BaseException:
            mutex.release()
            raise

    _patiently(take, lambda error: _holder(repo) if str(error) == REPOSITORY else str(error))
    try:
        yield
    finally:
        repo.lock.unlock()
        mutex.release()


@contextmanager
def path_locks(repo: Repo, mutex: threading.RLock, stage: DvcStage) -> Iterator[None]:
    """Hold DVC's read-write locks on the paths of a stage, as DVC does while a command runs."""
    held: list[Any] = []

    def take() -> None:
        with mutex:
            lock = rwlock(repo.tmp_dir, repo.fs, _who(stage), *_paths(stage), _hardlink(repo))
            try:
                lock.__enter__()
            except (RWLockFileCorruptedError, RWLockFileFormatError) as error:
                _forget(repo, error)
                raise LockError(str(error)) from error
            held.append(lock)

    _patiently(take, str)
    try:
        yield
    finally:
        with mutex:
            held[0].__exit__(None, None, None)


def _patiently(take: Callable[[], None], why: Callable[[LockError], str]) -> None:
    """Try until it works; say once what it waits for, and once that the wait is over."""
    started, pause, told = time.monotonic(), SHORTEST_S, False
    while True:
        try:
            take()
            break
        except LockError as error:
            if not told and time.monotonic() - started > PATIENCE_S:
                told = True
                print(f"waiting: {_in_short(why(error))}", file=sys.stderr, flush=True)
        time.sleep(pause)
        pause = min(LONGEST_S, 2 * pause)
    if told:
        print(f"waited {time.monotonic() - started:.0f} s, going on", file=sys.stderr, flush=True)


REPOSITORY = "the repository is locked"


def _try_lock(lock: Any) -> None:
    try:
        if isinstance(lock, HardlinkLock):
            lock.lock(timedelta(seconds=LONGEST_S))
        else:
            lock._do_lock()
    except LockError as error:
        raise LockError(REPOSITORY) from error


def _check(repo: Repo, lock: Any, stage: DvcStage) -> None:
    info = {"pid": os.getpid(), "cmd": _who(stage)}
    read, write = _paths(stage)
    _check_blockers(repo.tmp_dir, lock, info, mode="write", waiters=read + write)
    _check_blockers(repo.tmp_dir, lock, info, mode="read", waiters=write)


def _who(stage: DvcStage) -> str:
    """A holder's name, one for each stage: DVC would release what two stages read when one has ended."""
    return f"{' '.join(sys.argv)} ({stage.addressing})"


def _paths(stage: DvcStage) -> tuple[list[str], list[str]]:
    """What the stage reads and what it writes, of what lies in a file system that can be locked."""
    return [d.fs_path for d in stage.deps if d.fs_path and not hasattr(d, "def_repo")], [
        o.fs_path for o in stage.outs
    ]


def _edited(repo: Repo, use: Callable[[Any], None]) -> None:
    """Use the read-write locks as they stand, without those that a dead process left behind."""
    path = Path(repo.tmp_dir) / "rwlock"
    if not path.exists():
        return
    written = path.stat().st_mtime
    try:
        with _edit_rwlock(repo.tmp_dir, repo.fs, _hardlink(repo)) as lock:
            _drop_dead(lock, written)
            use(lock)
    except (RWLockFileCorruptedError, RWLockFileFormatError) as error:
        _forget(repo, error)


def _drop_dead(lock: Any, written: float) -> None:
    """Drop entries of processes that are gone, and of those whose number another process has got since."""
    gone: dict[int, bool] = {}

    def dead(info: Any) -> bool:
        pid = info["pid"]
        if pid not in gone:
            gone[pid] = _gone(pid, written)
        return gone[pid]

    for path, info in list(lock["write"].items()):
        if dead(info):
            del lock["write"][path]
    for path, infos in list(lock["read"].items()):
        lock["read"][path] = [info for info in infos if not dead(info)]
        if not lock["read"][path]:
            del lock["read"][path]


def _gone(pid: int, written: float) -> bool:
    """Whether the process that wrote its number into a file at that time, or earlier, is gone."""
    import psutil

    try:
        return psutil.Process(pid).create_time() > written + 1.0
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _forget(repo: Repo, error: Exception) -> None:
    """Remove a list of locks that nobody can read: a process was killed while writing it."""
    with suppress(FileNotFoundError):
        (Path(repo.tmp_dir) / "rwlock").unlink()
    print(f"{error} Removed: it was left half-written.", file=sys.stderr, flush=True)


def _hardlink(repo: Repo) -> bool:
    return bool(repo.config["core"].get("hardlink_lock", False))


def _holder(repo: Repo) -> str:
    """Who holds the repository's lock, as far as its file says."""
    import psutil

    path = Path(repo.tmp_dir) / "lock"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"\|(\d+)\||^\s*(\d+)\s*$", text)
    if not found:
        return f"another process holds the lock of this repository ({path})"
    pid = int(found[1] or found[2])
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return f"process {pid}, which is gone, holds the lock of this repository; `rm {path}` frees it"
    except psutil.AccessDenied:
        command = "(another user's)"
    return f"process {pid} holds the lock of this repository: {command}"


def _in_short(text: str) -> str:
    """DVC's words on one line, without its advice to remove a file by hand, which we do."""
    return " ".join(text.partition("\n\nIf there are no")[0].split())
