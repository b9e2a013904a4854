"""The recorder: a process that writes journals to MLflow, see `recorder.py`."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statewright.environment import quiet
from statewright.masking import mask_text
from statewright.record import experiment, journal, studies, tracking
from statewright.record.datasets import DatasetRecord
from statewright.record.journal import HeldFile
from statewright.record.models import ModelRecord
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.record.store import local_uri, tracking_uri
from statewright.record.tracking import StageRecord
from statewright.running.recorder import recorder_lock
from statewright.scheduling.schedule import Schedule
from statewright.terminal.gantt import Chart, draw_svg
from statewright.terminal.words import clock
from statewright.workflow import Output, Stage

NICENESS = 5
"""Lower priority of the recorder: stages of the next run go first."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds before each further try at a server that answers with an error, as its database restarts."""


@dataclass(frozen=True)
class Outcome:
    """Result of writing a journal.

    Parameters
    ----------
    kept : bool
        Whether the store refused something that it may accept later.
    problem : str or None
        The first problem.
    passing : bool
        Whether a server answered with an error that may soon be over.
    """

    kept: bool = False
    problem: str | None = None
    passing: bool = False


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
        for pause_s in PAUSES_S:
            if not record_all(root):
                return
            time.sleep(pause_s)
        record_all(root)


def record_all(root: Path) -> bool:
    """Record all journals, the oldest first, and remove them.

    A journal that cannot be recorded now is kept. The reason is stored for the next command.

    Returns
    -------
    bool
        Whether a further try may soon record more, see `Outcome`.
    """
    journal.remove_leftovers(root)
    problem, passing, failed = None, False, set[Path]()
    while remaining := [path for path in journal.pending(root) if path not in failed]:
        outcome = record_journal(root, remaining[0])
        problem, passing = problem or outcome.problem, passing or outcome.passing
        if outcome.kept:
            failed.add(remaining[0])
        else:
            journal.remove(remaining[0])
    journal.write_problem(root, problem)
    return passing


def record_journal(root: Path, path: Path) -> Outcome:
    """Write a journal to MLflow."""
    header: Mapping[str, Any] = {}
    records: dict[str, experiment.Record] = {}
    problem, open_parents = None, set[str]()
    for message in journal.messages(path, follow=True):
        if message["do"] == "open":
            header = message
            continue
        part = message.get("part", "")
        try:
            if part not in records:
                records[part] = _open(root, header, message, path.stem)
            _record(records[part], message, f"{path.stem}/{message['id']}")
            if message["do"] in ("start", "study"):
                open_parents.add(part)
            elif message["do"] in ("end", "end study"):
                open_parents.discard(part)
        except Exception as error:
            problem = problem or mask_text(f"{type(error).__name__}: {error}".splitlines()[0])
            if part not in records or experiment.is_temporary(error):
                passing = experiment.is_passing(error, header.get("uri") or tracking_uri(root))
                return Outcome(kept=True, problem=problem, passing=passing)
    for part in open_parents:  # the run was killed
        tracking.end_parent(records[part], "KILLED", at=path.stat().st_mtime)
    return Outcome(problem=problem)


def _open(root: Path, header: Mapping[str, Any], message: Mapping[str, Any], name: str) -> experiment.Record:
    """Open the experiment of the first message of a part."""
    record = experiment.open_record(
        root,
        experiment=message.get("experiment") or header.get("experiment", ""),
        uri=header.get("uri", tracking_uri(root)) or local_uri(root),
        context=message.get("context", {}),
    )
    record.known = tracking.find_known(record, name)
    return record


def _record(record: experiment.Record, message: Mapping[str, Any], identity: str) -> None:
    if message["do"] == "start":
        parent = ParentRecord(**message["parent"])
        tracking.start_parent(record, parent, at=message["at"], identity=identity)
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
        end = ParentEnd(**message["parent"])
        status = "FAILED" if end.failed else "FINISHED"
        tracking.end_parent(record, status, end, at=message["at"], chart=_chart(end))


def _chart(end: ParentEnd) -> str:
    """Return the Gantt chart of the stages as they ran; empty if none ran."""
    if not end.times:
        return ""
    first = min(start for start, _ in end.times.values())
    start = {address: begin - first for address, (begin, _) in end.times.items()}
    finish = {address: stop - first for address, (_, stop) in end.times.items()}
    makespan = max(finish.values())
    schedule = Schedule(start, finish, makespan, makespan, optimal=True)
    return draw_svg(Chart(schedule, f"{clock(makespan)}, as it ran", label=clock))


def _stage_record(values: Mapping[str, Any]) -> StageRecord:
    stage = values["stage"]
    outs = tuple(Output(**out) for out in stage["outs"])
    read = {
        "stage": Stage(**{**stage, "outs": outs}),
        "log": Path(values["log"]) if values["log"] else None,
        "files": tuple(HeldFile(**file) for file in values["files"]),
        "datasets": tuple(DatasetRecord(**_held(data, "file")) for data in values["datasets"]),
        "models": tuple(ModelRecord(**_held(model, "example")) for model in values["models"]),
    }
    return StageRecord(**{**values, **read})


def _held(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {**values, key: HeldFile(**values[key]) if values[key] else None}


if __name__ == "__main__":
    main()
