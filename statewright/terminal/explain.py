"""The chain of causes of one stage: its reasons, those of the stages before it, down to the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from statewright.plan import MAY, SKIP, Plan
from statewright.planning.reasons import Reason
from statewright.terminal.display import COLOURS, span
from statewright.workflow import Workflow, overlaps

MEANING: Mapping[str, str] = {
    "must": "its command will run",
    "may": "whether its command runs is known once the stages before it are done",
    "restore": "its outputs come back from the cache, no command runs",
    "skip": "nothing of it has changed",
}


@dataclass(frozen=True)
class Cause:
    """A reason of a stage, and the stages that are behind the reason."""

    reason: Reason
    behind: tuple[str, ...] = ()


def causes(workflow: Workflow, plan: Plan, address: str) -> tuple[Cause, ...]:
    """The reasons of one stage; behind one that comes from another stage's work stands that stage."""
    return tuple(
        Cause(reason, _behind(workflow, plan, address, reason)) for reason in plan.decisions[address].reasons
    )


def _behind(workflow: Workflow, plan: Plan, address: str, reason: Reason) -> tuple[str, ...]:
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
    """Print the chain as a tree; a stage that stands in several places is unfolded in the first."""
    console.print(_tree(workflow, plan, address))


def _tree(workflow: Workflow, plan: Plan, address: str) -> Tree:
    unfolded: set[str] = set()

    def grow(branch: Tree, at: str) -> None:
        unfolded.add(at)
        for cause in causes(workflow, plan, at):
            if cause.reason.kind != "upstream":
                leaf = branch.add(Text(cause.reason.text))
            for stage in cause.behind:
                where = branch if cause.reason.kind == "upstream" else leaf
                seen = stage in unfolded
                below = where.add(_named(plan, stage, "after ", " (see above)" if seen else ""))
                if not seen:
                    grow(below, stage)

    tree = Tree(_named(plan, address, "", f": {_meaning(workflow, plan, address)}"), guide_style="dim")
    grow(tree, address)
    return tree


def _meaning(workflow: Workflow, plan: Plan, address: str) -> str:
    decision = plan.decisions[address]
    own = [r for r in decision.reasons if r.kind not in ("upstream", "remote") and "passing" not in r.kind]
    if decision.verdict == MAY and workflow.stages[address].frozen:
        return "it is frozen: what lies there is recorded, no command runs"
    if decision.verdict == MAY and own:
        return "its command runs unless the cache turns out to hold its outputs"
    return MEANING[decision.verdict]


def _named(plan: Plan, address: str, before: str, after: str) -> Text:
    decision = plan.decisions[address]
    return Text.assemble(
        before,
        (address, "bold"),
        " ",
        (decision.verdict, COLOURS[decision.verdict]),
        (f" {span(decision.seconds)}" if decision.seconds else "", "dim"),
        (after, "dim"),
    )
