"""The cause of a run in a few words, which name it in Prefect and MLflow.

::

    train.lr 0.2 -> 0.7        code of songs-train        first run        raw.csv changed

A run has the reasons of all its stages. Its cause is what is left without those that follow from
another one: a stage after a stage that runs, and a file that a stage of the run rewrites.
"""

from __future__ import annotations

from statewright.planning.plan import Plan
from statewright.planning.reasons import Reason
from statewright.workflow import Workflow, overlaps

LONGEST = 100
"""Maximum number of characters of a cause."""
MOST = 3
"""Maximum number of changes, or of stages with the same change, that a cause names."""

_OF_STAGES = {
    "code": "code of",
    "command": "command of",
    "new": "first run of",
    "environment": "other software for",
    "always": "every run:",
    "forced": "forced:",
}
"""Kinds of reasons that are told by the names of their stages."""
_CONSEQUENCES = ("upstream", "forced downstream", "passing dependency", "passing param")


def cause(plan: Plan, workflow: Workflow) -> str:
    """Return why a plan has work, in one short line without secrets.

    Parameters
    ----------
    plan : Plan
        Plan with work, with addresses as in `workflow`.
    workflow : Workflow
        The declared stages; a file that one of them writes in this run causes nothing.
    """
    if _is_first(plan, workflow):
        return "first run"
    texts: list[str] = []
    stages: dict[str, list[str]] = {}
    for address, reason in _causes(plan, workflow):
        if reason.kind in _OF_STAGES:
            stages.setdefault(reason.kind, []).append(address)
        else:
            # Without the name of the params file, which most repositories have only one of.
            texts.append(Reason(reason.kind, reason.subject, reason.was, reason.now).brief)
    texts += [f"{_OF_STAGES[kind]} {_counted(names)}" for kind, names in stages.items()]
    text = " ".join(_counted(texts).split()) or "changed inputs"
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _is_first(plan: Plan, workflow: Workflow) -> bool:
    """Return whether no stage of the plan with a command has run before."""
    kinds = [
        {reason.kind for reason in decision.reasons}
        for address, decision in plan.decisions.items()
        if workflow.stages[address].cmd
    ]
    return bool(kinds) and all("new" in each for each in kinds)


def _causes(plan: Plan, workflow: Workflow) -> list[tuple[str, Reason]]:
    """Return the reasons that do not follow from another one, with the stage of each."""
    written = [out.path for address in plan.work for out in workflow.stages[address].outs]
    own = [
        (address, reason)
        for address in plan.work
        for reason in plan.decisions[address].reasons
        if reason.kind not in _CONSEQUENCES
        and not (reason.kind == "dependency" and any(overlaps(reason.subject, path) for path in written))
    ]
    # A failed attempt leaves a stage without outputs, which is not why the next run starts.
    changes = [(address, reason) for address, reason in own if reason.kind != "output"]
    return changes or own


def _counted(texts: list[str]) -> str:
    """Return the first `MOST` different texts and the number of the others."""
    different = list(dict.fromkeys(texts))
    more = len(different) - MOST
    return ", ".join(different[:MOST]) + (f" and {more} more" if more > 0 else "")
