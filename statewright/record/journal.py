"""The journal of a run: messages to MLflow that are not written there yet.

::

    run -- appends --> .statewright/records/NAME.jsonl -- recorder --> MLflow, then removes the journal

A run appends one line of JSON for each message, before `dvc.lock` records the stage. It holds a lock on
its journal while it may append more, so a journal without a lock is complete, also after a kill. A
message has an id, NAME/NUMBER, which is a tag of its run in MLflow: a journal that is read a second
time records nothing twice.

Files to record are copied into a folder beside the journal, because the next run may replace them
before they are recorded. Nothing here imports MLflow.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from statewright.workspace import control_folder

ID_TAG = "statewright.record"
"""Tag that holds the id of a record."""
POLL_S = 0.1
PROBLEM = "problem.txt"


@dataclass(frozen=True)
class HeldFile:
    """File to record, as it was when its stage ended.

    Parameters
    ----------
    path : str
        The file or a copy of it; its name is that of the artifact.
    folder : str
        Folder of the artifact, below the artifacts of the run; may be empty.
    size, modified : int
        Bytes, and time of the last change in nanoseconds; other values show a later change.
    x : str, optional
        Column of a plot's x axis.
    """

    path: str
    folder: str
    size: int
    modified: int
    x: str | None = None

    def is_unchanged(self) -> bool:
        """Return whether the file still has the recorded content."""
        try:
            status = Path(self.path).stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.modified)


def describe_file(path: Path, folder: str = "", x: str | None = None) -> HeldFile:
    """Return a file as it is now."""
    status = path.stat()
    return HeldFile(str(path), folder, status.st_size, status.st_mtime_ns, x)


def read_held(values: Mapping[str, Any], journal: Path) -> HeldFile:
    """Return a file of a message, also after the repository was moved.

    Parameters
    ----------
    journal : Path
        The journal with the message; its copies of files are beside it.
    """
    file = HeldFile(**values)
    parts = Path(file.path).parts
    if journal.stem not in parts:  # an output, which was not copied
        return file
    present = journal.with_suffix("").joinpath(*parts[parts.index(journal.stem) + 1 :])
    if str(present) == file.path or not present.is_file():
        return file
    here = describe_file(present, file.folder, file.x)  # a copy has a new time
    return here if here.size == file.size else file


def journal_folder(root: Path) -> Path:
    """Return the folder of the journals; it may not exist."""
    return root / ".statewright" / "records"


class Journal:
    """Journal that this process writes; its file appears with the first message."""

    def __init__(self, root: Path, header: Mapping[str, Any]) -> None:
        self.name = f"{time.time_ns():019d}-{os.getpid()}"
        self._folder, self._root, self._header = journal_folder(root), root, header
        self._mutex = threading.Lock()
        self._file: int | None = None
        self._count = 0
        self._torn = False

    def append(self, message: Mapping[str, Any]) -> None:
        """Append a message; raise `OSError` if it cannot be written."""
        with self._mutex:
            if self._file is None:
                self._file = self._create()
            self._write({**message, "id": self._count})
            self._count += 1

    def hold(self, path: Path, folder: str = "", x: str | None = None) -> HeldFile:
        """Keep the present content of a file until it is recorded."""
        here = describe_file(path, folder, x)
        with self._mutex:
            number, self._count = self._count, self._count + 1
        copy = self._folder / self.name / str(number) / path.name
        try:
            self._prepare()
            copy.parent.mkdir(parents=True)
            # Not a link: the recorder would open an output while the reads of stages are observed.
            shutil.copy2(path, copy)
        except OSError:
            return here
        return replace(here, path=str(copy))

    def close(self) -> None:
        """Declare the journal complete."""
        with self._mutex:
            if self._file is not None:
                # Closing alone would leave the lock to a process that another thread has just forked.
                fcntl.flock(self._file, fcntl.LOCK_UN)
                os.close(self._file)
                self._file = None

    def _prepare(self) -> None:
        control_folder(self._root / ".statewright")
        self._folder.mkdir(exist_ok=True)

    def _create(self) -> int:
        self._prepare()
        # Locked before it has its name, so that no recorder takes it for a complete one. Readable by the
        # user only, because params may hold secrets.
        temporary = self._folder / f".{self.name}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        temporary.rename(self._folder / f"{self.name}.jsonl")
        self._file = descriptor
        self._write({"do": "open", **self._header})
        return descriptor

    def _write(self, message: Mapping[str, Any]) -> None:
        """Write one line; after an incomplete line (a full disk), begin a new one."""
        assert self._file is not None
        line = (b"\n" if self._torn else b"") + json.dumps(message, default=str).encode() + b"\n"
        self._torn = True
        while line:
            line = line[os.write(self._file, line) :]
        self._torn = False


def pending(root: Path, *, complete: bool = False) -> list[Path]:
    """Return the journals that are not recorded yet, the oldest first.

    Parameters
    ----------
    complete : bool
        Whether to leave out the journals of runs that are active.
    """
    try:
        paths = sorted(path for path in journal_folder(root).iterdir() if path.suffix == ".jsonl")
    except FileNotFoundError:
        return []
    return [path for path in paths if not complete or is_complete(path)]


def is_unfinished(root: Path) -> bool:
    """Return whether runs are not recorded, or a problem is not reported."""
    return bool(pending(root)) or (journal_folder(root) / PROBLEM).exists()


def is_complete(path: Path) -> bool:
    """Return whether a journal has no writer any more."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        return _has_no_writer(stream.fileno())
    return True


def _has_no_writer(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def messages(path: Path, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Yield the messages of a journal.

    A line that a full disk or a kill left incomplete is left out.

    Parameters
    ----------
    follow : bool
        Whether to wait for further messages while the journal has a writer.
    """
    with path.open("rb") as stream:
        rest = b""
        while True:
            # Asked before the read: what the writer wrote last is then in it.
            ended = not follow or _has_no_writer(stream.fileno())
            *lines, rest = (rest + stream.read()).split(b"\n")
            for line in lines:
                with suppress(ValueError):
                    yield json.loads(line)
            if ended:
                return
            time.sleep(POLL_S)


def remove(path: Path) -> None:
    """Remove a recorded journal and its files."""
    path.unlink(missing_ok=True)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def remove_leftovers(root: Path) -> None:
    """Remove the files without a journal that a killed process left."""
    with suppress(FileNotFoundError):
        for path in journal_folder(root).iterdir():
            if path.is_dir() and not path.with_suffix(".jsonl").exists() and not _belongs_to_process(path):
                shutil.rmtree(path, ignore_errors=True)


def _belongs_to_process(path: Path) -> bool:
    """Return whether the process that holds the files is alive."""
    try:
        os.kill(int(path.name.rpartition("-")[2]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True)
class StageRun:
    """Completed command of a stage; `record` is the id of its record."""

    record: str
    stage: str
    seconds: float


def pending_runs(root: Path) -> Iterator[StageRun]:
    """Yield the completed commands in the journals, the newest first."""
    for path in reversed(pending(root)):
        with suppress(FileNotFoundError):
            for message in messages(path, follow=False):
                done = message.get("done")
                if done and done["status"] == "ran":
                    seconds = done["finished"] - done["started"]
                    yield StageRun(f"{path.stem}/{message['id']}", done["stage"]["address"], seconds)


def write_problem(root: Path, text: str | None) -> None:
    """Store the reason why journals could not be recorded; None if there is none now."""
    path = journal_folder(root) / PROBLEM
    if text is None:
        path.unlink(missing_ok=True)
        return
    with suppress(OSError):
        path.write_text(text, encoding="utf-8")


def take_problem(root: Path) -> str | None:
    """Return the stored reason, once, with what becomes of the journals."""
    path = journal_folder(root) / PROBLEM
    try:
        text = path.read_text(encoding="utf-8")
        path.unlink()
    except OSError:
        return None
    count = len(pending(root))
    if not count:
        return text
    runs = "1 run waits" if count == 1 else f"{count} runs wait"
    return f"{text}; {runs} in .statewright/records, and the next run records again"
