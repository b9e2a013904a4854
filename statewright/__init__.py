"""Run a DVC pipeline as a state machine, ``S[t+1] = f(S[t], W[t], A[t])``.

The names in ``__all__`` are the public interface. Everything else may change between versions. A name is
loaded on first use, so ``import statewright`` is fast and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statewright.api import check, optimize_workflow, plan, run, trace, workflow_graph
    from statewright.contracts import (
        ContractError,
        Document,
        Feedback,
        Params,
        Patch,
        Shapes,
        Table,
        Tensors,
    )
    from statewright.planning.plan import Decision, Plan
    from statewright.request import Request
    from statewright.scheduling.optimization import Constraints, WorkflowGraph
    from statewright.scheduling.schedule import Schedule
    from statewright.workflow import Output, Stage, Workflow, WorkflowError

    __version__: str

_MODULES = {
    "statewright.api": ("check", "optimize_workflow", "plan", "run", "trace", "workflow_graph"),
    "statewright.contracts": (
        "ContractError",
        "Document",
        "Feedback",
        "Params",
        "Patch",
        "Shapes",
        "Table",
        "Tensors",
    ),
    "statewright.planning.plan": ("Decision", "Plan"),
    "statewright.request": ("Request",),
    "statewright.scheduling.optimization": ("Constraints", "WorkflowGraph"),
    "statewright.scheduling.schedule": ("Schedule",),
    "statewright.workflow": ("Output", "Stage", "Workflow", "WorkflowError"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [  # noqa: RUF022 -- by use: functions, plans, declarations, contracts
    "plan",
    "run",
    "check",
    "trace",
    "workflow_graph",
    "optimize_workflow",
    "Request",
    "Plan",
    "Decision",
    "WorkflowGraph",
    "Constraints",
    "Schedule",
    "Workflow",
    "Stage",
    "Output",
    "WorkflowError",
    "Table",
    "Params",
    "Document",
    "Tensors",
    "Shapes",
    "Feedback",
    "Patch",
    "ContractError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("statewright")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'statewright' has no attribute '{name}'")
    return getattr(import_module(_MODULE_OF[name]), name)
