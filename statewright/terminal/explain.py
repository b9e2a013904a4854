"""Chain of causes of one stage: its reasons, and the reasons of earlier stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from statewright.planning.plan import MAY, SKIP, Plan
from statewright.planning.reasons import Reason
from statewright.terminal.display import COLOURS
from statewright.terminal.words import fetching, span
from statewright.workflow import Workflow, overlaps

MEANING: Mapping[str, str] = {
    "must": "its command will run",
    "may": "earlier stages decide whether its command runs",
    "restore": "its outputs are restored from the cache, no command runs",
    "skip": "it is up to date",
}


@dataclass(frozen=True)
class Cause:
    """Reason of a stage, and the earlier stages that lead to it."""

    reason: Reason
    origins: tuple[str, ...] = ()


def causes(workflow: Workflow, plan: Plan, address: str) -> tuple[Cause, ...]:
    """Return the reasons of a stage, each with the earlier stages that lead to it."""
    return tuple(
        Cause(reason, _origins(workflow, plan, address, reason)) for reason in plan.decisions[address].reasons
    )


def _origins(workflow: Workflow, plan: Plan, address: str, reason: Reason) -> tuple[str, ...]:
    if reason.kind == "upstream":
        return (reason.subject,)
    if reason.kind != "dependency":
        return ()
    return tuple(
        up
        for up in workflow.upstream[address]
        if up in plan.decisions
        and plan.decisions[up].verdict != SKIP
        and any(overlaps(reason.subject, out.path) for out in workflow.stages[up].outs)
    )


def print_causes(workflow: Workflow, plan: Plan, address: str, console: Console) -> None:
    """Print the chain as a tree; a stage that occurs several times is expanded once."""
    console.print(_tree(workflow, plan, address))


def _tree(workflow: Workflow, plan: Plan, address: str) -> Tree:
    expanded: set[str] = set()

    def expand(branch: Tree, at: str) -> None:
        expanded.add(at)
        for cause in causes(workflow, plan, at):
            if cause.reason.kind != "upstream":
                leaf = branch.add(Text(cause.reason.text))
            for stage in cause.origins:
                parent = branch if cause.reason.kind == "upstream" else leaf
                repeated = stage in expanded
                child = parent.add(_label(plan, stage, "after ", " (see above)" if repeated else ""))
                if not repeated:
                    expand(child, stage)

    tree = Tree(_label(plan, address, "", f": {_meaning(workflow, plan, address)}"), guide_style="dim")
    expand(tree, address)
    return tree


def _meaning(workflow: Workflow, plan: Plan, address: str) -> str:
    decision = plan.decisions[address]
    own = [r for r in decision.reasons if r.kind not in ("upstream", "remote") and "passing" not in r.kind]
    if any(reason.kind == "missing data" for reason in decision.reasons):
        return "its data is missing, and no command writes it"
    if decision.fetch:
        return f"{fetching(decision.fetch)}, no command runs"
    if any(reason.kind == "pull" for reason in decision.reasons):
        return "its outputs are fetched from the remote storage, no command runs"
    if decision.verdict == MAY and workflow.stages[address].records_only:
        frozen = "it is frozen: " if workflow.stages[address].frozen else ""
        return f"{frozen}its current files are recorded, no command runs"
    if decision.verdict == MAY and own:
        return "its command runs unless the cache holds its outputs"
    return MEANING[decision.verdict]


def _label(plan: Plan, address: str, before: str, after: str) -> Text:
    decision = plan.decisions[address]
    return Text.assemble(
        before,
        (plan.label(address), "bold"),
        " ",
        (decision.words, COLOURS[decision.verdict]),
        (f" {span(decision.seconds)}" if decision.seconds else "", "dim"),
        (after, "dim"),
    )
