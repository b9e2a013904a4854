"""A recorded run in words: cause, outcome, headline metrics, how to repeat it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from statewright.record.runs import PastRun
from statewright.record.transitions.model import STAGE, STUDY, Transition, Values
from statewright.terminal.display import ENDED
from statewright.terminal.words import counted, one_line

USUAL_NAMES = ("", "statewright", "loop")
"""Names of a run that say nothing about it; any other name is its cause, or one that a person gave."""

MAX_REASONS = 2
"""Maximum number of causes of a stage in a line; MLflow has all."""

MAX_METRICS = 3
"""Maximum number of metrics of a run in a list."""

FEW_METRICS = 8
"""Number of metrics up to which a run shows them although none has changed."""

_COMMAND = re.compile(r"command changed: was `.*?`, is `.*?`(?=; |$)", re.DOTALL)
_FOLLOWS = re.compile(r"after |\S+ differs, but an earlier stage")
_PARAM = re.compile(r"^\S.* -> ")
_CODE = re.compile(r"\S+\.py:\S+ changed")
_NOTED = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
"""Commands in the description of a run, see `record.parents`."""
_NEW = "never run here"


def cause(run: Transition) -> str:
    """Return why a run had work: the most telling cause, and how many more."""
    if run.kind == STUDY:
        return f"search {run.name.removeprefix('tune ')}: {counted(run.trials, 'trial')}"
    if run.kind == STAGE:
        return f"{run.stages[0].stage if run.stages else run.name}, without the engine"
    if run.name not in USUAL_NAMES:
        return one_line(run.name)
    texts: dict[str, None] = {}
    for stage in run.stages:
        own = own_causes(stage)
        code = f"code of {stage.stage}"
        texts |= dict.fromkeys(code if _CODE.fullmatch(text) else text for text in own)
    if not texts:
        return "nothing ran" if not run.stages else "earlier stages changed"
    if set(texts) == {_NEW}:
        return "first run"
    first, *others = sorted(texts, key=_rank)
    return f"{first} and {len(others)} more" if others else first


def own_causes(stage: PastRun) -> list[str]:
    """Return the causes of a stage itself, the most telling first."""
    text = _COMMAND.sub(f"command of {stage.stage} changed", stage.tags.get("statewright.reason", ""))
    parts = [one_line(part).removeprefix("params.yaml: ") for part in text.split("; ")]
    return sorted((part for part in parts if part and not _FOLLOWS.match(part)), key=_rank)


def _rank(text: str) -> int:
    """Return 0 for a param, 1 for code or a command, 2 for a file, 3 for an output."""
    kinds = (_PARAM.search(text), _CODE.fullmatch(text) or text.startswith(("code of", "command of")))
    return next((rank for rank, found in enumerate(kinds) if found), 3 if text.startswith("output ") else 2)


def why(stage: PastRun) -> str:
    """Return the first reasons of a stage, and the number of the others."""
    texts = own_causes(stage)
    if not texts:
        follows = stage.tags.get("statewright.reason", "").split("; ")
        texts = [one_line(part) for part in follows if part.startswith("after ")]
    more = f"; and {len(texts) - MAX_REASONS} more" if len(texts) > MAX_REASONS else ""
    return "; ".join(texts[:MAX_REASONS]) + more


def outcome(run: Transition) -> str:
    """Return the numbers of stages by outcome: ``3 ran, 1 restored``."""
    counts = {status: run.count(status) for status in ENDED}
    parts = [f"{number} {status}" for status, number in counts.items() if number]
    if run.state in ("running", "stopped") or not parts:
        parts.append(run.state)
    return ", ".join(parts)


def when(seconds: float | None, *, precise: bool = False) -> str:
    """Return a time of the local clock: ``2026-11-30 22:41``."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S" if precise else "%Y-%m-%d %H:%M")


def metrics_of(run: Transition | None, values: Mapping[str, Values]) -> dict[str, float]:
    """Return the metrics of a run, without the times of its schedule."""
    return {
        name: value
        for run_id in (run.run_ids if run else ())
        for name, value in values.get(run_id, Values()).metrics.items()
        if not name.startswith("seconds.")
    }


def headline_metrics(now: Mapping[str, float], past: Mapping[str, float]) -> str:
    """Return the metrics that differ most from those of an earlier run."""
    changed = [name for name, value in now.items() if name in past and past[name] != value]
    few = list(now) if len(now) <= FEW_METRICS else []
    shown = sorted(changed, key=lambda name: -_relative(past[name], now[name])) or few
    parts = [
        f"{_short(name)} " + (f"{past[name]:.4g} -> " if name in changed else "") + f"{now[name]:.4g}"
        for name in shown[:MAX_METRICS]
    ]
    more = f" and {len(shown) - MAX_METRICS} more" if len(shown) > MAX_METRICS else ""
    return one_line(", ".join(parts)) + more


def _relative(was: float, now: float) -> float:
    """Return the size of a change relative to its values."""
    return abs(now - was) / (max(abs(was), abs(now)) or 1.0)


def _short(name: str) -> str:
    """Return a metric without the folders of its file."""
    file, colon, key = name.rpartition(":")
    return f"{PurePosixPath(file).stem}:{key}" if colon else name


def repeat_commands(run: Transition) -> list[str]:
    """Return the commands that repeat a run."""
    if noted := _NOTED.search(run.run.tags.get("mlflow.note.content", "")):
        return noted[1].strip().splitlines()
    command = command_of(run)
    commit = run.run.commit
    if not commit:
        return [command]
    first = f"git checkout {commit[:12]} && dvc checkout"
    note = "   # and the changes that were not committed" if run.run.dirty else ""
    return [first + note, command]


def command_of(run: Transition) -> str:
    """Return the command line of a run as one types it."""
    program, _, rest = run.run.tags.get("statewright.command", "").partition(" ")
    name = PurePosixPath(program).name
    if name in ("__main__.py", "statewright"):
        return f"statewright {rest}".strip()
    return f"{name} {rest}".strip() or "statewright run"


def as_dict(run: Transition, values: Mapping[str, Values]) -> dict[str, object]:
    """Return a run as plain values, for JSON."""
    return {
        "id": run.id,
        "kind": run.kind,
        "name": run.name,
        "cause": cause(run),
        "state": run.state,
        "started": run.run.started,
        "seconds": run.run.seconds,
        "stages": {stage.stage: stage.status for stage in run.stages},
        "trials": run.trials if run.kind == STUDY else None,
        "metrics": metrics_of(run, values),
        "command": command_of(run),
        "commit": run.run.commit,
        "dirty": run.run.dirty if run.run.commit else None,
        "mlflow": list(run.run_ids) if run.is_recorded else [],
    }
