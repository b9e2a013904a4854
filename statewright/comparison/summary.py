"""The difference of two revisions in words: the rows that text and Markdown show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statewright.comparison.difference import OutputChange, RevisionDifference, StageChange
from statewright.planning.plan import MAY, MUST, RESTORE, SKIP
from statewright.planning.reasons import Reason, show
from statewright.terminal.words import about, counted, megabytes, one_line

MAX_REASONS = 2
"""Maximum number of causes in a row; `--json` has all."""

WORDS: Mapping[str, str] = {MUST: "would run", MAY: "may run", RESTORE: "from the cache"}


@dataclass(frozen=True)
class StageRow:
    """One stage: the change in two words, its cause, and its predicted duration."""

    stage: str
    change: str
    cause: str
    duration: str


@dataclass(frozen=True)
class ValueRow:
    """One param or metric; `change` is empty if a value is not a number."""

    name: str
    old: str
    new: str
    change: str


def headline(difference: RevisionDifference) -> str:
    """Return the numbers of stages by what happens to them, and the predicted time."""
    stages = difference.stages
    running = {verdict: [s for s in stages if s.verdict == verdict] for verdict in WORDS}
    parts = [
        f"{counted(len(found), 'stage') if verdict == MUST else len(found)} {WORDS[verdict]}"
        for verdict, found in running.items()
        if found
    ]
    statuses = [stage.status for stage in stages if stage.verdict == SKIP]
    parts += [f"{statuses.count(s)} {s}" for s in ("changed", "added", "removed") if s in statuses]
    parts.append(f"{difference.unchanged} unchanged")
    text = f"{difference.old} to {difference.new}: {', '.join(parts)}"
    return f"{text}; predicted {about(difference.seconds)}" if difference.seconds else text


def stage_rows(difference: RevisionDifference) -> list[StageRow]:
    """Return a row for each stage that would run or that differs."""
    return [
        StageRow(
            one_line(stage.address),
            _change(stage),
            one_line(_cause(stage, difference.old)),
            about(stage.seconds),
        )
        for stage in difference.stages
    ]


def _change(stage: StageChange) -> str:
    if stage.verdict == SKIP:
        return stage.status
    return f"new, {WORDS[stage.verdict]}" if stage.status == "added" else WORDS[stage.verdict]


def _cause(stage: StageChange, old: str) -> str:
    software = f"; made with {stage.software[0]}, then {stage.software[1]}" if stage.software else ""
    return _reason(stage, old) + software


def _reason(stage: StageChange, old: str) -> str:
    if stage.verdict != SKIP:
        text = sentence(stage.reasons)
        return f"{text} (also in {old})" if stage.before else text
    if stage.status == "removed":
        return f"not declared any more; wrote {_names([out.path for out in stage.outputs])}"
    if stage.status == "added":
        return f"new stage, recorded; writes {_names([out.path for out in stage.outputs])}"
    if stage.recorded:
        return sentence(stage.recorded)
    if stage.outputs:
        return f"same inputs, other contents of {_names([out.path for out in stage.outputs])}"
    return "recorded in one of the revisions only"


def sentence(reasons: Sequence[Reason]) -> str:
    """Return the first causes and the number of the others."""
    texts = [r.text for r in reasons if r.kind not in ("code", "upstream")]
    texts += [
        Reason(kind, _names(subjects)).text
        for kind in ("code", "upstream")
        if (subjects := [r.subject for r in reasons if r.kind == kind])
    ]
    more = f"; and {len(texts) - MAX_REASONS} more" if len(texts) > MAX_REASONS else ""
    return "; ".join(texts[:MAX_REASONS]) + more


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_REASONS} more" if len(names) > MAX_REASONS else ""
    return ", ".join(names[:MAX_REASONS]) + more


def value_rows(files: Mapping[str, Mapping[str, Any]]) -> Iterator[ValueRow]:
    """Yield a row for each changed param or metric, named ``FILE:KEY`` or ``KEY``."""
    for file, values in files.items():
        for key, change in values.items():
            moved = change.get("diff")
            yield ValueRow(
                one_line(f"{file}:{key}" if file else key),
                one_line(_value(change.get("old"))),
                one_line(_value(change.get("new"))),
                f"{moved:+.4g}" if isinstance(moved, int | float) else "",
            )


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else show(value)


def output_rows(stages: Sequence[StageChange]) -> list[ValueRow]:
    """Return a row for each output that differs, with its hashes and size."""
    return [
        ValueRow(one_line(out.path), _version(out.was), _version(out.now), _size_change(out))
        for stage in stages
        for out in stage.outputs
    ]


def _version(version: str | None) -> str:
    """Return the first characters of a hash, as many as `statewright trace` needs."""
    return version[:8] if version else show(None)


def _size_change(out: OutputChange) -> str:
    was, now = out.size_was, out.size_now
    if now is None:
        return ""
    if was is None:
        return megabytes(now)
    return f"{megabytes(was)} -> {megabytes(now)}" if was != now else megabytes(now)


def size_line(difference: RevisionDifference) -> str | None:
    """Return the change of the data's size, or None if no output differs."""
    outputs = [out for stage in difference.stages for out in stage.outputs]
    if not outputs:
        return None
    was, now = difference.sizes
    verb = "differs" if len(outputs) == 1 else "differ"
    number = counted(len(outputs), "output")
    return f"{number} {verb}; all outputs {megabytes(was)} -> {megabytes(now)}"
