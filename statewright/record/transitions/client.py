"""Read recorded runs through MLflow's client, from a server or another store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from statewright.record.experiment import connect, experiment_ids
from statewright.record.runs import PastRun, from_client
from statewright.record.transitions.model import (
    RECORDED,
    STAGE,
    STATES,
    STUDY,
    TRANSITION,
    TRIAL,
    Transition,
    TransitionStore,
    Values,
    nothing,
)

MOST_RUNS = 1000
"""Number of runs in one answer of the server; of each kind, the newest are read."""


def open_client(uri: str, root: Path) -> TransitionStore:
    """Open the repository's experiment at a URI."""
    client = connect(uri)
    experiments = experiment_ids(client, root)
    if not experiments:
        return nothing(f"{uri} has no experiment for this repository")

    def search(query: str) -> list[Any]:
        return list(
            client.search_runs(experiments, query, order_by=["start_time DESC"], max_results=MOST_RUNS)
        )

    def newest() -> list[Transition]:
        runs = [run for kind in (TRANSITION, STUDY, STAGE) for run in search(_of_kind(kind))]
        tops = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        rows = [_transition(run, uri) for run in tops]
        return sorted(rows, key=lambda row: row.started, reverse=True)

    def with_stages(rows: Sequence[Transition]) -> list[Transition]:
        return [_with_children(row, search(_of_parent(row)), uri) for row in rows]

    def results(until: float) -> dict[str, PastRun]:
        latest: dict[str, PastRun] = {}
        for run in search(f"{_of_kind(STAGE)} and attributes.start_time <= {int(until * 1000)}"):
            stage = from_client(run, uri)
            if stage.status in RECORDED:
                latest.setdefault(stage.stage, stage)
        return latest

    def values(ids: Collection[str]) -> dict[str, Values]:
        data = {run_id: client.get_run(run_id).data for run_id in ids}
        return {run_id: Values(dict(one.params), dict(one.metrics)) for run_id, one in data.items()}

    return TransitionStore(newest, with_stages, results, values)


def _of_kind(kind: str) -> str:
    return f"tags.`statewright.kind` = '{kind}'"


def _of_parent(row: Transition) -> str:
    return f"tags.`mlflow.parentRunId` = '{row.run.run_id}'"


def _transition(run: Any, uri: str) -> Transition:
    kind = run.data.tags.get("statewright.kind", TRANSITION)
    return Transition(
        kind, run.info.run_name or "", from_client(run, uri), STATES.get(run.info.status, "stopped")
    )


def _with_children(row: Transition, children: Sequence[Any], uri: str) -> Transition:
    kinds = [run.data.tags.get("statewright.kind") for run in children]
    stages = [from_client(run, uri) for run, kind in zip(children, kinds, strict=True) if kind == STAGE]
    stages.sort(key=lambda stage: stage.started or 0.0)
    alone = row.kind == STAGE
    return replace(row, stages=(row.run,) if alone else tuple(stages), trials=kinds.count(TRIAL))
