"""Wait for DVC's locks and name the process that holds them.

DVC has two kinds of locks: the repository's lock, held while `dvc.lock`, the cache or the graph is
used, and the read-write locks on paths (`.dvc/tmp/rwlock`), held while a command runs. Another
``dvc repro`` in the same folder holds first one, then the other.
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

from statewright.masking import mask_arguments

PATIENCE_S = 2.0
"""Seconds of waiting before the first message."""
SHORTEST_S, LONGEST_S = 0.01, 0.3
"""Pauses between two attempts; DVC's half a second is longer than most stages take."""


class WaitStoppedError(RuntimeError):
    """The run was stopped while it waited for a lock of another process."""


@contextmanager
def repository_lock(
    repo: Repo, mutex: threading.RLock, stopped: threading.Event, stage: DvcStage | None = None
) -> Iterator[None]:
    """Hold the mutex and DVC's repository lock; with `stage`, wait for its paths too.

    While this process holds the repository lock, no other DVC process can lock a path. A thread
    that already holds the lock continues at once.

    Parameters
    ----------
    stopped : threading.Event
        Ends the wait once it is set, with a `WaitStoppedError`.
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
                    _with_path_locks(repo, lambda lock: _check(repo, lock, stage))
            except BaseException:
                repo.lock.unlock()
                raise
        except BaseException:
            mutex.release()
            raise

    _retry(take, stopped, lambda error: _holder(repo) if str(error) == REPOSITORY else str(error))
    try:
        yield
    finally:
        repo.lock.unlock()
        mutex.release()


@contextmanager
def path_locks(
    repo: Repo, mutex: threading.RLock, stopped: threading.Event, stage: DvcStage
) -> Iterator[None]:
    """Hold DVC's read-write locks on the paths of a stage while its command runs."""
    held: list[Any] = []

    def take() -> None:
        with mutex:
            lock = rwlock(repo.tmp_dir, repo.fs, _owner(stage), *_paths(stage), _hardlink(repo))
            try:
                lock.__enter__()
            except (RWLockFileCorruptedError, RWLockFileFormatError) as error:
                _remove_corrupt(repo, error)
                raise LockError(str(error)) from error
            held.append(lock)

    _retry(take, stopped, str)
    try:
        yield
    finally:
        with mutex:
            held[0].__exit__(None, None, None)


def _retry(take: Callable[[], None], stopped: threading.Event, describe: Callable[[LockError], str]) -> None:
    """Call `take` until it succeeds; print one message on waiting, and one after it.

    There is no time limit: the holder may run a command for hours. An interrupt reaches the main thread
    only, so the threads of stages look at `stopped`.
    """
    started, pause, announced = time.monotonic(), SHORTEST_S, False
    while True:
        try:
            take()
            break
        except LockError as error:
            if not announced and time.monotonic() - started > PATIENCE_S:
                announced = True
                print(f"waiting: {_shorten(describe(error))}", file=sys.stderr, flush=True)
            if stopped.wait(pause):
                raise WaitStoppedError(
                    f"the run was stopped while it waited: {_shorten(describe(error))}"
                ) from None
        pause = min(LONGEST_S, 2 * pause)
    if announced:
        print(f"waited {time.monotonic() - started:.0f} s; the run continues", file=sys.stderr, flush=True)


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
    info = {"pid": os.getpid(), "cmd": _owner(stage)}
    read, write = _paths(stage)
    _check_blockers(repo.tmp_dir, lock, info, mode="write", waiters=read + write)
    _check_blockers(repo.tmp_dir, lock, info, mode="read", waiters=write)


def _owner(stage: DvcStage) -> str:
    """Return the owner's name for the locks of a stage.

    Each stage needs its own name: with a common one, DVC releases a path that two stages read as
    soon as one of them ends.
    """
    return f"{mask_arguments(sys.argv)} ({stage.addressing})"


def _paths(stage: DvcStage) -> tuple[list[str], list[str]]:
    """Return the lockable paths that the stage reads, and those that it writes."""
    return [d.fs_path for d in stage.deps if d.fs_path and not hasattr(d, "def_repo")], [
        o.fs_path for o in stage.outs
    ]


def _with_path_locks(repo: Repo, use: Callable[[Any], None]) -> None:
    """Call `use` with the read-write locks, after removing those of dead processes."""
    path = Path(repo.tmp_dir) / "rwlock"
    if not path.exists():
        return
    written = path.stat().st_mtime
    try:
        with _edit_rwlock(repo.tmp_dir, repo.fs, _hardlink(repo)) as lock:
            _drop_dead(lock, written)
            use(lock)
    except (RWLockFileCorruptedError, RWLockFileFormatError) as error:
        _remove_corrupt(repo, error)


def _drop_dead(lock: Any, written: float) -> None:
    """Remove the entries of dead processes, also of those whose pid is reused."""
    ended: dict[int, bool] = {}

    def is_dead(info: Any) -> bool:
        pid = info["pid"]
        if pid not in ended:
            ended[pid] = _has_ended(pid, written)
        return ended[pid]

    for path, info in list(lock["write"].items()):
        if is_dead(info):
            del lock["write"][path]
    for path, infos in list(lock["read"].items()):
        lock["read"][path] = [info for info in infos if not is_dead(info)]
        if not lock["read"][path]:
            del lock["read"][path]


def _has_ended(pid: int, written: float) -> bool:
    """Return whether the process that wrote its pid to a file at `written` has ended."""
    import psutil

    try:
        return psutil.Process(pid).create_time() > written + 1.0
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _remove_corrupt(repo: Repo, error: Exception) -> None:
    """Remove an unreadable list of locks, left by a process killed while writing it."""
    with suppress(FileNotFoundError):
        (Path(repo.tmp_dir) / "rwlock").unlink()
    print(f"{error} Removed: it was incomplete.", file=sys.stderr, flush=True)


def _hardlink(repo: Repo) -> bool:
    return bool(repo.config["core"].get("hardlink_lock", False))


def _holder(repo: Repo) -> str:
    """Return a description of the process that holds the repository's lock."""
    import psutil

    path = Path(repo.tmp_dir) / "lock"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"\|(\d+)\||^\s*(\d+)\s*$", text)
    if not match:
        return f"another process holds the lock of this repository ({path})"
    pid = int(match[1] or match[2])
    try:
        command = mask_arguments(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return f"process {pid}, which has ended, holds the lock of this repository; `rm {path}` frees it"
    except psutil.AccessDenied:
        command = "(another user's)"
    return f"process {pid} holds the lock of this repository: {command}"


def _shorten(text: str) -> str:
    """Return DVC's message on one line, without its advice to remove a file by hand.

    The engine removes that file.
    """
    return " ".join(text.partition("\n\nIf there are no")[0].split())
