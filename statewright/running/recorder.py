"""Record runs in MLflow from a process of their own, which outlives the run.

::

    run:       Recorder  -- lines -->  journal
    recorder:  journals, the oldest first  -->  MLflow

The run never imports MLflow and never waits for it. The recorder starts at the end of the run, or
earlier if the run takes long. One recorder works in a repository at a time. If it is killed, the next
run or `wait_until_recorded` starts another, which completes the record.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from statewright.record import journal
from statewright.record.experiment import context_tags, experiment_name
from statewright.record.journal import HeldFile, Journal, describe_file
from statewright.record.outputs import files_of
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.record.studies import StudyRecord, TrialRecord, masked_trial
from statewright.record.tracking import StageRecord

LIVE_S = 5.0
"""Seconds after which the record of a run is written while it runs, to be watched."""
PATIENCE_S = 2.0
"""Seconds of waiting before the first message."""


class Recorder:
    """The run's end of the record: it appends to a journal.

    Parameters
    ----------
    root : Path
        The repository.
    silent : bool
        Whether to record nothing.
    """

    def __init__(self, root: Path, *, silent: bool = False) -> None:
        self._root = root
        self._silent = silent
        self._journal = Journal(root, _header(root))
        self._process: subprocess.Popen[bytes] | None = None
        self._problem: str | None = None
        self._used = False
        self._parts: dict[str, str] = {}
        self._first = ""
        self._context = threading.Thread(target=lambda: None)
        self._timer = threading.Timer(LIVE_S, self._start_process)
        self._timer.daemon = True

    def start(self, parents: Sequence[ParentRecord], parts: Mapping[str, str] | None = None) -> None:
        """Open the parent run of each pipeline.

        Parameters
        ----------
        parts : mapping of str to str, optional
            Stage -> the `part` of its parent; that of the first parent if it is absent.
        """
        if self._silent:
            return
        self._timer.start()
        at, self._parts = time.time(), dict(parts or {})
        self._first = parents[0].part

        def send() -> None:
            context = context_tags(self._root)
            for parent in parents:
                values = {"experiment": parent.experiment, "part": parent.part, "context": context}
                self._send({"do": "start", "parent": asdict(parent), "at": at, **values})

        # Git needs longer than the first stages of many pipelines; later messages wait for it.
        self._context = threading.Thread(target=send, name="git")
        self._context.start()

    @contextmanager
    def noting_problems(self) -> Iterator[None]:
        """Report an error of the block at the end of the run, which continues."""
        try:
            yield
        except Exception as error:
            self._problem = self._problem or f"{type(error).__name__}: {error}"

    def settle(self) -> None:
        """Wait until git has read the repository: it opens files, as stages do."""
        self._join()

    def stage(self, done: StageRecord) -> None:
        """Record a stage as a child run."""
        if self._silent:
            return
        files = files_of(self._root, done.stage, self._journal.hold) if done.status != "failed" else ()
        part = self._parts.get(done.stage.address, self._first)
        self._send({"do": "stage", "part": part, "done": asdict(replace(done, files=files))})

    def hold(self, path: Path) -> HeldFile:
        """Keep the present content of a file until it is recorded."""
        return describe_file(path) if self._silent else self._journal.hold(path)

    def end(self, parents: Sequence[ParentEnd], at: float | None = None) -> None:
        """Close the parent runs.

        Parameters
        ----------
        at : float, optional
            End in seconds since 1970 (default: now).
        """
        at = time.time() if at is None else at
        for parent in parents:
            self._send({"do": "end", "part": parent.part, "at": at, "parent": asdict(parent)})

    def round(
        self,
        between: tuple[float, float],
        tags: Mapping[str, str],
        plan: Mapping[str, Any],
        metrics: Mapping[str, float],
        *,
        experiment: str = "",
    ) -> None:
        """Record a round of the loop, see `tracking.record_round`."""
        values = {"between": between, "tags": tags, "plan": plan, "metrics": metrics}
        own = {"experiment": experiment, "context": context_tags(self._root)}
        self._send({"do": "round", **own, **values})

    def study(self, study: StudyRecord, *, experiment: str = "") -> None:
        """Open the parent run of a search, or continue it."""
        self._timer.start()
        own = {"experiment": experiment, "context": context_tags(self._root)}
        self._send({"do": "study", "study": asdict(study), **own})

    def trial(self, key: str, trial: TrialRecord) -> None:
        """Record a trial of the search with a key."""
        self._send({"do": "trial", "key": key, "trial": asdict(masked_trial(trial))})

    def end_study(self, metrics: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Close the parent run of a search, with files such as its page."""
        held = [asdict(self._journal.hold(path)) for path in files]
        values = {"at": time.time(), "metrics": metrics, "tags": tags, "files": held}
        self._send({"do": "end study", **values})

    def close(self) -> tuple[str | None, str | None]:
        """Let the record be written in the background.

        Returns
        -------
        str or None
            Beginning of the tag `statewright.record` of the runs, if anything is recorded.
        str or None
            A problem with this record, or with that of an earlier run.
        """
        self._timer.cancel()
        self._join()
        self._journal.close()
        problem = self._problem or journal.take_problem(self._root)
        if not self._used:
            return None, problem
        # A live process has not left yet: it follows this journal.
        if self._process is None or self._process.poll() is not None:
            self._start_process()
        return self._journal.name, problem

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._silent:
            return
        self._join()
        try:
            self._journal.append(message)
            self._used = True
        except OSError as error:
            self._problem = self._problem or f"the journal cannot be written: {error}"

    def _join(self) -> None:
        if self._context.ident is not None and self._context is not threading.current_thread():
            self._context.join()

    def _start_process(self) -> None:
        with suppress(OSError):  # the next run records
            self._process = start_process(self._root)


def _header(root: Path) -> dict[str, str]:
    """Return the store of this run, for a recorder in another environment.

    `uri` is empty for the store of the repository. It is left out if it holds a password: such a record
    needs a recorder whose environment names the store.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return {"experiment": experiment_name(root), **({} if urlsplit(uri).password else {"uri": uri})}


def start_process(root: Path) -> subprocess.Popen[bytes]:
    """Start a recorder that outlives this process."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "statewright.running.recording", str(root)],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen[bytes]] = []
"""Recorders of this process: `Popen` warns if an object is deleted while its process lives."""


def resume(root: Path) -> None:
    """Continue the record of past runs; print a problem with it once."""
    if not journal.is_unfinished(root):
        return
    if problem := journal.take_problem(root):
        _say(f"MLflow record is incomplete: {problem}")
    if journal.pending(root, complete=True) and not _is_at_work(root):
        with suppress(OSError):
            start_process(root)


def wait_until_recorded(
    root: Path, *, timeout_s: float = 120.0, say: Callable[[str], None] | None = None
) -> str | None:
    """Wait until all ended runs are in MLflow; return a problem if they are not.

    Parameters
    ----------
    timeout_s : float
        Seconds after which the wait ends.
    say : callable, optional
        Called once with a message if the wait takes longer than a moment (default: print to stderr).
    """
    started, announced = time.monotonic(), False
    process: subprocess.Popen[bytes] | None = None
    while journal.pending(root, complete=True):
        ended = process is not None and process.poll() is not None
        if not ended and process is None and not _is_at_work(root):
            process = start_process(root)
        elif ended and not _is_at_work(root):
            return journal.take_problem(root) or "the recording process was killed"
        waited = time.monotonic() - started
        if waited > timeout_s:
            return f"still being written after {timeout_s:.0f} s"
        if waited > PATIENCE_S and not announced:
            announced = True
            (say or _say)("waiting: the last run is being written to MLflow")
        time.sleep(0.05)
    return journal.take_problem(root)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _is_at_work(root: Path) -> bool:
    """Return whether a recorder works in the repository."""
    try:
        descriptor = os.open(recorder_lock(root), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def recorder_lock(root: Path) -> Path:
    """Return the file that a recorder locks while it works."""
    return journal.journal_folder(root) / "lock"
