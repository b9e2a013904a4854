"""Contents of Prefect's pages: names, tags and parameters, plan and result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.files import file_name
from statewright.git import git
from statewright.masking import mask_text, mask_value
from statewright.planning.cause import cause
from statewright.planning.pipelines import REPOSITORY, parts
from statewright.planning.plan import SKIP, Plan
from statewright.planning.reasons import for_json
from statewright.request import Request
from statewright.running.live_log import last_lines
from statewright.running.process import LOG
from statewright.terminal.plan_table import closing_sentence, first_cause
from statewright.terminal.words import about, clock, one_line
from statewright.workflow import Workflow

UNNAMED = "statewright"
"""Name of a run that the user has not named."""
MOST_ROWS = 300
"""Number of stages in a table."""
LARGEST_PARAMETERS = 200_000
"""Bytes of JSON above which the params are left out: Prefect refuses 512 kB."""

_REFUSED = re.compile("[/%&<>]")
"""Characters that Prefect refuses in the name of a flow."""
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&])")


@dataclass(frozen=True)
class Artifact:
    """Markdown text on the page of a flow run.

    Parameters
    ----------
    key : str
        Name that the artifacts of all runs of a flow share.
    reports : mapping of str to str
        HTML file -> stage that wrote it; links to them follow the first sentence, `head`.
    """

    key: str
    description: str
    head: str
    text: str
    reports: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Description:
    """Description of a flow run.

    Parameters
    ----------
    flow : str
        Repository, and the pipeline or the name that the user gave.
    run : str
        Cause of the run.
    """

    flow: str
    run: str
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def describe(root: Path, workflow: Workflow, plan: Plan, request: Request, name: str) -> Description:
    """Return names, tags and parameters of the run of a plan.

    Parameters
    ----------
    name : str
        Name of the run; with `UNNAMED`, the flow has the name of the pipeline.
    """
    divided = parts(workflow, plan.work)
    pipeline = (next(iter(divided)) if len(divided) == 1 else REPOSITORY) if name == UNNAMED else name
    flow = _REFUSED.sub("-", f"{root.name}: {pipeline}" if pipeline else root.name)
    tags = [f"repository: {root.name}", *(f"target: {target}" for target in request.targets)]
    return Description(flow, cause(plan, workflow), tuple(tags), _parameters(workflow, plan, request))


def branch_tags(root: Path) -> list[str]:
    """Return a tag with the branch of git, if there is one."""
    branch = git(root, "branch", "--show-current", timeout_s=5).strip()
    return [f"branch: {branch}"] if branch else []


def _parameters(workflow: Workflow, plan: Plan, request: Request) -> dict[str, Any]:
    """Return the targets, the options and the params of the planned stages."""
    usual = vars(Request())
    options = {key: value for key, value in vars(request).items() if value != usual[key] and key != "targets"}
    # A params file that a stage writes holds hashes of code.
    written = {out.path for stage in workflow.stages.values() for out in stage.outs}
    params: dict[str, dict[str, Any]] = {}
    for address in plan.decisions:
        for file, keys in workflow.stages[address].params.items():
            if file in written:
                continue
            values = workflow.params.get(file, {})
            wanted = {key: values[key] for key in (keys or values) if key in values}
            masked = {key: for_json(mask_value(key, value)) for key, value in wanted.items()}
            params.setdefault(file, {}).update(masked)
    chosen = {"targets": list(request.targets), "options": options, "params": params}
    if len(json.dumps(chosen, default=str)) > LARGEST_PARAMETERS:
        chosen["params"] = "too large to show here; see MLflow"
    return {key: value for key, value in chosen.items() if value}


def plan_artifact(flow: str, plan: Plan) -> Artifact:
    """Return the plan as a table, those with work first."""
    ordered = [*plan.work, *(a for a, decision in plan.decisions.items() if decision.verdict == SKIP)]
    rows = [
        (
            plan.label(address),
            plan.decisions[address].verdict,
            about(plan.decisions[address].seconds),
            first_cause(plan.decisions[address]),
        )
        for address in ordered
    ]
    table = _table(("stage", "plan", "expected", "why"), rows)
    return Artifact(_key(flow, "plan"), "Plan before the run", markdown(closing_sentence(plan)), table)


@dataclass(frozen=True)
class Outcome:
    """Outcome of the stages of a run, see `transition.Result`."""

    outcomes: Mapping[str, str]
    errors: Mapping[str, str]
    times: Mapping[str, tuple[float, float]]
    seconds: float
    logs: Path


def result_artifact(flow: str, workflow: Workflow, plan: Plan, done: Outcome) -> Artifact:
    """Return the outcome of each stage, and the end of the log of failed ones."""
    states = {address: done.outcomes.get(address, "not started") for address in plan.work}
    states |= {a: "up to date" for a, decision in plan.decisions.items() if decision.verdict == SKIP}
    rows = []
    for address, state in states.items():
        took = done.times.get(address)
        error = one_line(done.errors.get(address, "").partition(LOG)[0])
        note = error.removeprefix(f"stage '{address}' ") or first_cause(plan.decisions[address])
        rows.append((plan.label(address), state, clock(took[1] - took[0]) if took else "", note))
    counts = {state: list(states.values()).count(state) for state in states.values()}
    sentence = ", ".join(f"{number} {state}" for state, number in counts.items())
    texts = [_table(("stage", "outcome", "took", "why"), rows)]
    for address in done.errors:
        log = done.logs / file_name(address, ".log")
        if lines := last_lines(log):
            texts += [f"### The last lines of {markdown(plan.label(address))}", _code(lines), f"Log: `{log}`"]
    head = f"{sentence} in {clock(done.seconds)}"
    reports = _reports(workflow, done)
    return Artifact(_key(flow, "result"), "Result of the run", head, "\n\n".join(texts), reports)


def _reports(workflow: Workflow, done: Outcome) -> dict[str, str]:
    """Return the HTML files that the stages of a run wrote."""
    return {
        out.path: address
        for address, outcome in done.outcomes.items()
        if outcome in ("ran", "restored")
        for out in workflow.stages[address].outs
        if out.path.endswith(".html")
    }


def markdown(text: str) -> str:
    """Return a text as one line of Markdown that shows it literally."""
    return _MARKUP.sub(r"\\\1", mask_text(one_line(text)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *(map(markdown, row) for row in rows[:MOST_ROWS])]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table + (f"\n\nand {len(rows) - MOST_ROWS} more stages" if len(rows) > MOST_ROWS else "")


def _code(lines: Iterable[str]) -> str:
    """Return lines as a block of code that no line of it can end."""
    text = "\n".join(lines)
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _key(flow: str, kind: str) -> str:
    """Return a key of small letters, digits and hyphens, as Prefect demands."""
    return f"{re.sub('[^a-z0-9]+', '-', flow.lower()).strip('-') or UNNAMED}-{kind}"
