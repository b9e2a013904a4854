"""Open the recorded runs of a repository, and find one by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from statewright.record.runs import PastRun
from statewright.record.store import answers, database_path, tracking_uri
from statewright.record.transitions.database import open_database
from statewright.record.transitions.model import (
    NO_RUN,
    RECORDED,
    Transition,
    TransitionStore,
    Values,
    merged,
    nothing,
)
from statewright.record.transitions.pending import PendingRun, pending_transitions
from statewright.workflow import WorkflowError

LAST = "last"


def open_transitions(root: Path) -> TransitionStore:
    """Open the recorded runs of a repository; those in journals are a part of them.

    If MLflow's store is absent, damaged or does not answer, only the journals are read, and `absent`
    holds the reason.
    """
    pending = pending_transitions(root)
    recorded = _grouped(_open_store(root))
    return _joined(pending, recorded) if pending else recorded


def _open_store(root: Path) -> TransitionStore:
    uri = tracking_uri(root)
    path = database_path(uri)
    if path is not None:
        return open_database(path) if path.is_file() else nothing(NO_RUN)
    if not answers(uri):
        return nothing(f"{uri} does not answer")
    from statewright.record.transitions.client import open_client

    return open_client(uri, root)


def _grouped(store: TransitionStore) -> TransitionStore:
    """Return a store in which the runs of one journal are one."""

    def newest() -> list[Transition]:
        groups: dict[str, list[Transition]] = {}
        for row in store.newest():
            groups.setdefault(row.id, []).append(row)
        return [merged(group) for group in groups.values()]

    def with_stages(wanted: Sequence[Transition]) -> list[Transition]:
        groups = [row.parts or (row,) for row in wanted]
        read = iter(store.with_stages([part for group in groups for part in group]))
        return [merged([next(read) for _ in group]) for group in groups]

    return replace(store, newest=newest, with_stages=with_stages)


def _joined(pending: Sequence[PendingRun], recorded: TransitionStore) -> TransitionStore:
    rows = {run.transition.id: run.transition for run in pending}
    here = {run_id: values for run in pending for run_id, values in run.values.items()}

    def newest() -> list[Transition]:
        # A journal is complete; what MLflow has of it may not be.
        both = [*rows.values(), *(row for row in recorded.newest() if row.id not in rows)]
        return sorted(both, key=lambda row: row.started, reverse=True)

    def with_stages(wanted: Sequence[Transition]) -> list[Transition]:
        others = recorded.with_stages([row for row in wanted if row.id not in rows])
        whole = {**{row.id: row for row in others}, **rows}
        return [whole[row.id] for row in wanted]

    def results(until: float) -> dict[str, PastRun]:
        latest = recorded.results(until)
        for stage in (stage for run in pending for stage in run.transition.stages):
            before = latest.get(stage.stage)
            if stage.status not in RECORDED or (stage.started or 0.0) > until:
                continue
            if before is None or (before.started or 0.0) <= (stage.started or 0.0):
                latest[stage.stage] = stage
        return latest

    def values(ids: Collection[str]) -> dict[str, Values]:
        return {
            **recorded.values([run_id for run_id in ids if run_id not in here]),
            **{run_id: here[run_id] for run_id in ids if run_id in here},
        }

    return TransitionStore(newest, with_stages, results, values, recorded.absent)


def local_runs(root: Path) -> list[Transition]:
    """Return the runs that are known here without a server, the newest first.

    A store on a server is not asked: a shell that completes a word must not wait for it.
    """
    path = database_path(tracking_uri(root))
    local = open_database(path) if path is not None and path.is_file() else nothing(NO_RUN)
    return _joined(pending_transitions(root), _grouped(local)).newest()


def is_relative(name: str) -> bool:
    """Return whether a name is ``last`` or ``last~N``."""
    first, tilde, number = name.partition("~")
    return first == LAST and (number.isdecimal() if tilde else True)


def find(store: TransitionStore, name: str) -> Transition:
    """Return the run that `name` means: ``last``, ``last~N``, or a part of an id.

    Raises
    ------
    WorkflowError
        If no run or several runs have the name; the message lists what there is.
    """
    rows = store.newest()
    if not rows:
        raise WorkflowError(store.absent or NO_RUN)
    if is_relative(name):
        back = int(name.partition("~")[2] or 0)
        if back >= len(rows):
            recorded = "1 run is" if len(rows) == 1 else f"{len(rows)} runs are"
            raise WorkflowError(f"{name}: only {recorded} recorded; `statewright history` lists them")
        return store.with_stages([rows[back]])[0]
    matching = matches(rows, name)
    if len(matching) == 1:
        return store.with_stages(matching)[0]
    if matching:
        names = ", ".join(row.id for row in matching[:4])
        raise WorkflowError(f"{name}: {len(matching)} runs begin with it: {names}")
    raise WorkflowError(
        f"{name}: no recorded run has this id; the last one is {rows[0].id}, "
        "and `statewright history` lists all"
    )


def matches(rows: Sequence[Transition], name: str) -> list[Transition]:
    """Return the runs whose id, here or in MLflow, begins with `name`."""
    return [row for row in rows if name and any(one.startswith(name) for one in (row.id, *row.run_ids))]
