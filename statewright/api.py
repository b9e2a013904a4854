"""Public functions: the commands of the command line for notebooks and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from statewright.environment import quiet
from statewright.request import Request

if TYPE_CHECKING:
    from statewright.lineage.provenance import Trace
    from statewright.planning.plan import Plan
    from statewright.scheduling.optimization import Constraints, WorkflowGraph
    from statewright.scheduling.schedule import Schedule


def plan(
    directory: str | Path = ".",
    targets: Sequence[str] | Request = (),
    *,
    assignments: Sequence[str] = (),
    force: bool = False,
) -> Plan:
    """Return the plan of a repository: a verdict with reasons for every stage.

    No stage runs and no file changes.

    Parameters
    ----------
    directory : path
        A folder of a DVC repository.
    targets : sequence of str or Request
        Stages, files or pipelines (default: the `dvc.yaml` of the folder and what it needs, as
        ``dvc repro``). A `Request` has the other options of ``dvc repro``.
    assignments : sequence of str
        Values to plan with instead of those in the params files, such as ``train.lr=1e-3``.
    force : bool
        Plan to run every taken stage even if nothing changed.

    Raises
    ------
    WorkflowError
        If the repository or its declarations cannot be read.
    """
    quiet()
    from statewright.repository.declaration import find_root
    from statewright.session import open_session, with_settings

    request = with_settings(_request(targets, force), find_root(Path(directory)))
    return open_session(Path(directory), replace(request, push=False), assumed=assignments).plan


def run(
    directory: str | Path = ".",
    targets: Sequence[str] | Request = (),
    *,
    workers: int | str | None = None,
    assignments: Sequence[str] = (),
    force: bool = False,
    keep_going: bool = True,
    on: str | None = None,
) -> bool:
    """Run the stages that are not up to date and return whether all succeeded.

    Parameters
    ----------
    directory : path
        A folder of a DVC repository.
    targets : sequence of str or Request
        Stages, files or pipelines (default: the `dvc.yaml` of the folder and what it needs, as
        ``dvc repro``). A `Request` has the other options of ``dvc repro``.
    workers : int or str, optional
        Cores to use, or ``auto`` (default: the setting of the repository, see docs/reference/settings.md).
    assignments : sequence of str
        Values to write to the params files first, such as ``train.lr=1e-3``.
    force : bool
        Run every taken stage even if nothing changed.
    keep_going : bool
        After a failure, run the stages that do not need the failed one.
    on : str, optional
        Run the stages on a Dask cluster, such as ``dask`` or ``dask=tcp://HOST:8786``.

    Raises
    ------
    WorkflowError
        If the repository or its declarations cannot be read.
    """
    quiet()
    from statewright.session import run as run_session

    status = run_session(
        Path(directory),
        _request(targets, force),
        workers=workers,
        assignments=assignments,
        keep_going=keep_going,
        on=on,
    )
    return status == 0


def _request(targets: Sequence[str] | Request, force: bool) -> Request:
    request = targets if isinstance(targets, Request) else Request(tuple(targets))
    return replace(request, force=force or request.force)


def check(directory: str | Path = ".") -> list[str]:
    """Return a sentence for each conflict of dvc.yaml, params, files and functions.

    The list is empty if there is no conflict. No stage runs.
    """
    quiet()
    from statewright.functions.checks import faults
    from statewright.repository.declaration import declare, open_repository

    repository = open_repository(Path(directory))
    return faults(repository.root, declare(repository))


def trace(subject: str, directory: str | Path = ".") -> Trace:
    """Return the run and the inputs behind a file, and the stages that depend on it.

    Parameters
    ----------
    subject : str
        A file, a metric, a stage, or the start of an output's hash.
    directory : path
        A folder of a DVC repository.
    """
    quiet()
    from statewright.lineage.provenance import trace as trace_subject

    return trace_subject(Path(directory), subject)


def workflow_graph(directory: str | Path = ".", targets: Sequence[str] | Request = ()) -> WorkflowGraph:
    """Return the stages of a repository with seconds, precedence and demands.

    It is the graph of a full run: also a stage that is up to date is in it. The seconds are those of
    ``statewright durations``; a stage without past runs gets the median of the others.

    Parameters
    ----------
    directory : path
        A folder of a DVC repository.
    targets : sequence of str or Request
        Stages, files or pipelines, as for `plan`.

    Raises
    ------
    WorkflowError
        If the repository or its declarations cannot be read.
    """
    quiet()
    from statewright.scheduling.durations import expected_durations
    from statewright.scheduling.optimization import graph_of
    from statewright.session import open_session

    session = open_session(Path(directory), _request(targets, False))
    durations = expected_durations(session.repository.root, session.workflow)
    expected = {address: duration.expected for address, duration in durations.items()}
    return graph_of(session.workflow, session.plan.decisions, expected)


def optimize_workflow(
    graph: WorkflowGraph, constraints: Constraints | None = None, *, seconds: float = 10.0
) -> Schedule:
    """Return the schedule of minimum makespan that satisfies the constraints.

    No stage runs. OR-Tools (``pip install 'statewright[schedule]'``) searches and proves.

    Parameters
    ----------
    graph : WorkflowGraph
        Stages with seconds, precedence and demands; `workflow_graph` reads those of a repository.
    constraints : Constraints, optional
        Capacities, pairs apart and a deadline (default: none).
    seconds : float
        Time limit of the search; the result is never worse than list scheduling.

    Raises
    ------
    WorkflowError
        If graph and constraints contradict each other, or if no schedule that meets the deadline was
        found.
    """
    from statewright.scheduling.optimization import optimize_workflow as optimize

    return optimize(graph, constraints, seconds=seconds)
