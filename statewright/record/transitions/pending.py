"""Read runs from journals that MLflow does not have yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from statewright.record import journal
from statewright.record.journal import ID_TAG
from statewright.record.parents import ParentRecord, note
from statewright.record.runs import PastRun
from statewright.record.transitions.model import STAGE, TRANSITION, Transition, Values, merged
from statewright.record.values import valid_key
from statewright.workflow import flatten


@dataclass(frozen=True)
class PendingRun:
    """Run in a journal, with the values of itself and of its stages."""

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
    tops: list[Transition] = []
    stages: list[PastRun] = []
    values: dict[str, Values] = {}
    ended: dict[str, float] = {}
    failed = False
    for message in journal.messages(path, follow=False):
        name = f"{path.stem}/{message.get('id', '')}"
        if message["do"] == "start":
            parent = ParentRecord(**message["parent"])
            described = {"mlflow.note.content": note(parent, message["context"])}
            tags = {**message["context"], **described, **parent.tags, ID_TAG: name}
            run = PastRun(name, "", message["at"], None, tags, dict)
            tops.append(Transition(TRANSITION, parent.name, run, "running"))
        elif message["do"] == "stage":
            stage, values[name] = _read_stage(message["done"], name)
            stages.append(stage)
        elif message["do"] == "end" and len(ended) < len(tops):
            top = tops[len(ended)]
            ended[top.run.run_id] = message["at"]
            values[top.run.run_id] = Values(metrics=_named(message["parent"]["metrics"]))
            failed = failed or message["parent"]["failed"]
    if not tops:
        return None
    state = "failed" if failed else "finished" if len(ended) == len(tops) else "running"
    if state == "running" and journal.is_complete(path):
        state = "stopped"
    took = max(ended.values()) - tops[0].started if state in ("failed", "finished") else None
    top = merged(tops)
    top = replace(top, run=replace(top.run, seconds=took), state=state, stages=tuple(stages))
    return PendingRun(top, values)


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
