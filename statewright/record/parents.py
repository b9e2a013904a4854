"""A transition of one pipeline, as a run of MLflow shows it.

A run of several pipelines has a parent run in the experiment of each.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statewright.parameters import DEFAULT_FILE, parse_assignment
from statewright.workflow import WorkflowError

LONGEST_NOTE = 4900
"""Maximum characters of a description; MLflow refuses tags of more than 5,000 in some stores."""
MOST_ROWS = 15
"""Maximum number of stages in a description; the artifact `plan.md` has all."""

DIRTY = "statewright.git.dirty"
COMMIT = "mlflow.source.git.commit"


@dataclass(frozen=True)
class ParentRecord:
    """Beginning of a transition.

    Parameters
    ----------
    name : str
        Cause of the run.
    experiment : str
        Name of the experiment; empty for that of the journal.
    part : str
        Name of the pipeline, unique among the parents of a journal.
    tags : mapping of str to str
        Tags of this run only.
    plan : mapping
        `Plan.as_dict` of the stages of the pipeline.
    params : mapping
        Params of the pipeline without secrets, by dotted key.
    command : str
        Command that repeats the run.
    changes : sequence of str
        Changes of params that the command needs on a clean checkout.
    """

    name: str
    experiment: str = ""
    part: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    changes: Sequence[str] = ()


@dataclass(frozen=True)
class ParentEnd:
    """End of a transition.

    Parameters
    ----------
    tags : mapping of str to str
        Further tags, such as the link to the flow run.
    metrics : mapping of str to float
        The headline metrics.
    schedule : mapping
        Predicted and actual seconds, in total and by stage.
    times : mapping of str to (float, float)
        Stage -> start and end in seconds since the first start.
    outcomes : mapping of str to str
        Stage -> ran, restored, done, skipped, failed or blocked.
    """

    failed: bool = False
    part: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, Sequence[float]] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)


def plan_markdown(parent: ParentRecord) -> str:
    """Return the plan as a page of Markdown: a table of the stages with their causes."""
    rows = [
        (address, stage["verdict"], _expected(stage.get("seconds")), _why(stage))
        for address, stage in parent.plan.get("stages", {}).items()
    ]
    return f"# {_text(parent.name)}\n\n" + _table(("stage", "verdict", "expected", "why"), rows)


def note(parent: ParentRecord, context: Mapping[str, str], end: ParentEnd | None = None) -> str:
    """Return the description of a run: command, flow run and stages.

    Parameters
    ----------
    context : mapping of str to str
        Tags of git.
    """
    link = {**parent.tags, **(end.tags if end else {})}.get("prefect.link")
    first = [_summary(end)] if end else []
    first += [f"[the run in Prefect]({link})"] if link else []
    head = ["; ".join(first), ""] if first else []
    if parent.command:
        # MLflow's page folds all but the first lines of a description.
        head += ["```console", *_repeat(parent, context), "```", ""]
    rows = _rows(parent, end)
    titles = ("stage", "outcome" if end else "plan", "seconds", "why")
    for shown in range(min(len(rows), MOST_ROWS), -1, -1):
        more = "" if shown == len(rows) else f"\n{len(rows) - shown} more in the artifact plan.md.\n"
        text = "\n".join([*head, _table(titles, rows[:shown])]) + more
        if len(text) <= LONGEST_NOTE:
            return text
    return "\n".join(head)[:LONGEST_NOTE]


def _rows(parent: ParentRecord, end: ParentEnd | None) -> list[tuple[str, str, str, str]]:
    """Return stage, plan or outcome, seconds and causes of each stage with work."""
    work = {a: stage for a, stage in parent.plan.get("stages", {}).items() if stage["verdict"] != "skip"}
    if end is None:
        return [
            (a, stage["verdict"], _expected(stage.get("seconds")), _why(stage)) for a, stage in work.items()
        ]
    return [
        (a, end.outcomes.get(a, "not started"), _seconds(end.times.get(a)), _why(stage))
        for a, stage in work.items()
    ]


def _repeat(parent: ParentRecord, context: Mapping[str, str]) -> list[str]:
    commit, dirty = context.get(COMMIT, ""), context.get(DIRTY) == "true"
    # A clean checkout has the params of the run; otherwise they may be in no commit.
    changes = [text for change in parent.changes for text in shlex.split(change)] if dirty else []
    lines = [f"git checkout {commit[:12]}"] if commit else []
    if dirty:
        lines = [f"{line}  # the run had changes that are in no commit" for line in lines]
    return [*lines, with_assignments(parent.command, changes)]


def with_assignments(command: str, changes: Iterable[str] = ()) -> str:
    """Return a command with one ``--set`` for each key.

    Of several values of a key the last one wins. Equal values of YAML, such as 3 and 3.0, are one value, in
    the spelling of the first.

    Parameters
    ----------
    command : str
        A command line, with or without ``--set``.
    changes : iterable of str
        Further arguments of ``--set``.
    """
    words: list[str | None] = []  # None stands for a `--set` of the user
    texts: list[str] = []
    given = iter(shlex.split(command))
    for word in given:
        if word == "--set":
            texts.append(next(given, ""))
        elif word.startswith("--set="):
            texts.append(word.removeprefix("--set="))
        else:
            words.append(word)
            continue
        words.append(None)
    chosen: dict[str, tuple[str, Any]] = {}
    for text in [*texts, *changes]:
        key, value = _assigned(text)
        if key not in chosen or chosen[key][1] != value:
            chosen[key] = text, value
    left = [text for text, _ in chosen.values()]
    parts = []
    for shown in words:
        if shown is not None:
            parts.append(shlex.quote(shown))
        elif left:
            parts.append(f"--set {shlex.quote(left.pop(0))}")
    return " ".join([*parts, *(f"--set {shlex.quote(text)}" for text in left)])


def _assigned(text: str) -> tuple[str, Any]:
    """Return the key of an assignment, and its value such that 1 differs from true."""
    try:
        key, value = parse_assignment(text)
    except WorkflowError:  # a masked value is not valid YAML
        key, _, value = text.partition("=")
    return key.removeprefix(f"{DEFAULT_FILE}:"), (isinstance(value, bool), value)


def _summary(end: ParentEnd) -> str:
    counts: dict[str, int] = {}
    for outcome in end.outcomes.values():
        counts[outcome] = counts.get(outcome, 0) + 1
    text = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    actual = end.schedule.get("actual")
    return (text or "nothing ran") + (f" in {actual:.1f} s" if actual else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(_text(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    for character in "\\`*<|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _why(stage: Mapping[str, Any]) -> str:
    texts = [reason["text"] for reason in stage.get("reasons", ())]
    return "; ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _seconds(times: Sequence[float] | None) -> str:
    return f"{times[1] - times[0]:.1f}" if times else ""


def _expected(seconds: Sequence[float] | None) -> str:
    return f"{seconds[0]:.1f} to {seconds[1]:.1f} s" if seconds else ""
