"""Read runs from journals that MLflow does not have yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from statewright.record import journal
from statewright.record.journal import ID_TAG
from statewright.record.runs import PastRun
from statewright.record.transitions.model import STAGE, TRANSITION, Transition, Values
from statewright.record.values import valid_key
from statewright.workflow import flatten


@dataclass(frozen=True)
class PendingRun:
    """Run in a journal, with the values of itself and of its stages by the id of their record."""

    transition: Transition
    values: Mapping[str, Values]


def pending_transitions(root: Path) -> list[PendingRun]:
    """Return the runs of the journals, the oldest first."""
    found = []
    for path in journal.pending(root):
        try:
            run = _read(path)
        except FileNotFoundError:  # recorded meanwhile
            continue
        if run:
            found.append(run)
    return found


def _read(path: Path) -> PendingRun | None:
    top: Transition | None = None
    stages: list[PastRun] = []
    values: dict[str, Values] = {}
    for message in journal.messages(path, follow=False):
        name = f"{path.stem}/{message.get('id', '')}"
        if message["do"] == "start":
            tags = {**message["context"], **message["tags"], ID_TAG: name}
            run = PastRun(name, "", message["at"], None, tags, dict)
            top = Transition(TRANSITION, message["name"], run, "running")
        elif message["do"] == "stage":
            stage, values[name] = _read_stage(message["done"], name)
            stages.append(stage)
        elif message["do"] == "end" and top:
            run = replace(top.run, seconds=message["at"] - top.started)
            top = replace(top, run=run, state="failed" if message["failed"] else "finished")
            values[run.run_id] = Values(metrics=_named(message["metrics"]))
    if top is None:
        return None
    if top.state == "running" and journal.is_complete(path):
        top = replace(top, state="stopped")
    return PendingRun(replace(top, stages=tuple(stages)), values)


def _read_stage(done: Mapping[str, Any], name: str) -> tuple[PastRun, Values]:
    """Return a stage as MLflow will have it, and its values."""
    tags = {
        "statewright.kind": STAGE,
        "statewright.stage": done["stage"]["address"],
        "statewright.stage.command": "\n".join(done["stage"]["cmd"]),
        "statewright.status": done["status"],
        "statewright.reason": "; ".join(done["reasons"]),
        **{f"input:{path}": value or "" for path, value in done["inputs"].items()},
        **{f"output:{path}": value or "" for path, value in done["outputs"].items()},
        **done["tags"],
        ID_TAG: name,
    }
    params = {key: str(value) for key, value in flatten(done["params"])} if done["params"] else {}
    run = PastRun(name, "", done["started"], done["finished"] - done["started"], tags, lambda: params)
    return run, Values(_named(params), _named(done["metrics"]))


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values under the names that MLflow gives them."""
    return {valid_key(name): value for name, value in values.items()}
