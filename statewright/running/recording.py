"""The recorder: a process that writes journals to MLflow, see `recorder.py`."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statewright.environment import quiet
from statewright.masking import mask_text
from statewright.record import experiment, journal, studies, tracking
from statewright.record.journal import HeldFile
from statewright.record.store import local_uri, tracking_uri
from statewright.record.tracking import StageRecord
from statewright.running.recorder import recorder_lock
from statewright.workflow import Output, Stage

NICENESS = 5
"""Lower priority of the recorder: stages of the next run go first."""


@contextmanager
def _at_work(root: Path) -> Iterator[None]:
    """Hold the lock of the recorders for the block."""
    descriptor = os.open(recorder_lock(root), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Record all journals of a repository."""
    root = Path(sys.argv[1])
    quiet()
    os.nice(NICENESS)
    with _at_work(root):
        record_all(root)


def record_all(root: Path) -> None:
    """Record all journals, the oldest first, and remove them.

    A journal that cannot be recorded now is kept. The reason is stored for the next command.
    """
    journal.remove_leftovers(root)
    problem, failed = None, set[Path]()
    while remaining := [path for path in journal.pending(root) if path not in failed]:
        kept, reason = record_journal(root, remaining[0])
        problem = problem or reason
        if kept:
            failed.add(remaining[0])
        else:
            journal.remove(remaining[0])
    journal.write_problem(root, problem)


def record_journal(root: Path, path: Path) -> tuple[bool, str | None]:
    """Write a journal to MLflow.

    Returns
    -------
    bool
        Whether the store refused something that it may accept later.
    str or None
        The first problem.
    """
    header: Mapping[str, Any] = {}
    record: experiment.Record | None = None
    problem, open_parent = None, False
    for message in journal.messages(path, follow=True):
        if message["do"] == "open":
            header = message
            continue
        try:
            if record is None:
                record = experiment.open_record(
                    root,
                    experiment=header.get("experiment", ""),
                    uri=header.get("uri", tracking_uri(root)) or local_uri(root),
                    context=message.get("context", {}),
                )
                record.known = tracking.find_known(record, path.stem)
            _record(record, message, f"{path.stem}/{message['id']}")
            begins, ends = message["do"] in ("start", "study"), message["do"] in ("end", "end study")
            open_parent = begins or (open_parent and not ends)
        except Exception as error:
            problem = problem or mask_text(f"{type(error).__name__}: {error}".splitlines()[0])
            if record is None or experiment.is_temporary(error):
                return True, problem
    if record is not None and open_parent:  # the run was killed
        tracking.end_parent(record, "KILLED", at=path.stat().st_mtime)
    return False, problem


def _record(record: Any, message: Mapping[str, Any], identity: str) -> None:
    if message["do"] == "start":
        tracking.start_parent(
            record, message["name"], message["tags"], message["plan"], at=message["at"], identity=identity
        )
    elif message["do"] == "stage":
        tracking.record_stage(record, _stage_record(message["done"]), identity=identity)
    elif message["do"] == "study":
        studies.start_study(record, studies.StudyRecord(**message["study"]))
    elif message["do"] == "trial":
        studies.record_trial(record, message["key"], studies.TrialRecord(**message["trial"]))
    elif message["do"] == "end study":
        files = [HeldFile(**file) for file in message["files"]]
        studies.end_study(record, message["at"], message["metrics"], message["tags"], files)
    elif message["do"] == "round":
        values = {key: message[key] for key in ("between", "tags", "plan", "metrics")}
        tracking.record_round(record, **values, identity=identity)
    else:
        status = "FAILED" if message["failed"] else "FINISHED"
        tracking.record_schedule(record, message["schedule"], message["at"])
        tracking.end_parent(
            record, status, tags=message["tags"], metrics=message["metrics"], at=message["at"]
        )


def _stage_record(values: Mapping[str, Any]) -> StageRecord:
    stage = values["stage"]
    outs = tuple(Output(**out) for out in stage["outs"])
    log = Path(values["log"]) if values["log"] else None
    files = tuple(HeldFile(**file) for file in values["files"])
    return StageRecord(**{**values, "stage": Stage(**{**stage, "outs": outs}), "log": log, "files": files})


if __name__ == "__main__":
    main()
