"""Recorded runs: read from the database, by MLflow's client, and from journals."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from statewright.record import journal
from statewright.record.journal import Journal
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.record.tracking import StageRecord
from statewright.record.transitions.client import open_client
from statewright.record.transitions.database import open_database
from statewright.record.transitions.lookup import find, open_transitions
from statewright.record.transitions.model import Transition, TransitionStore, merged
from statewright.record.values import valid_key
from statewright.running.recording import Outcome, record_journal
from statewright.workflow import Output, Stage, WorkflowError

FIT = Stage("fit", ("python fit.py",), outs=(Output("model.txt"),))
REPORT = Stage("report", ("python report.py",), outs=(Output("page.html"),))


def done(stage: Stage, status: str, at: float, **more: Any) -> StageRecord:
    values = {"params": {"fit": {"lr": 0.1}}, "inputs": {"raw.csv": "a" * 32}, "reasons": ("lr 1 -> 2",)}
    return StageRecord(stage, status, at, at + 2, **{**values, **more})


def write_journal(
    root: Path, at: float, stages: list[StageRecord], *, ended: bool = True, failed: bool = False
) -> None:
    """Write the journal of a run, as `Recorder` does."""
    written = Journal(root, {"experiment": root.name})
    context = {"statewright.command": "/x/statewright run", "mlflow.source.git.commit": "c" * 40}
    parent = ParentRecord("lr 1 -> 2", command="statewright run fit")
    start = {"do": "start", "part": "", "parent": asdict(parent), "at": at, "context": context}
    written.append(start)
    for stage in stages:
        written.append({"do": "stage", "part": "", "done": asdict(stage)})
    if ended:
        end = ParentEnd(failed=failed, metrics={"score.json:n": 3.0})
        written.append({"do": "end", "part": "", "at": at + 9, "parent": asdict(end)})
    written.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with three recorded runs, the second of which failed."""
    path = tmp_path_factory.mktemp("songs")
    write_journal(
        path, 1000.0, [done(FIT, "ran", 1001, outputs={"model.txt": "1" * 32}, metrics={"rmse": 0.5})]
    )
    write_journal(path, 2000.0, [done(FIT, "failed", 2001)], failed=True)
    write_journal(
        path,
        3000.0,
        [
            done(FIT, "restored", 3001, outputs={"model.txt": "2" * 32}, params={"fit": {"lr": 0.3}}),
            done(REPORT, "ran", 3004, outputs={"page.html": "3" * 32}, params={}, reasons=("after fit",)),
        ],
    )
    for written in journal.pending(path):
        assert record_journal(path, written) == Outcome()
        journal.remove(written)
    return path


def plain(store: TransitionStore, rows: list[Transition]) -> list[dict[str, Any]]:
    """Return runs as plain values, without what only a server knows."""
    keys = ("statewright.", "input:", "output:", "mlflow.source.git")
    return [
        {
            "id": row.id,
            "kind": row.kind,
            "name": row.name,
            "state": row.state,
            "times": (row.run.started, row.run.seconds),
            "tags": {k: v for k, v in row.run.tags.items() if k.startswith(keys)},
            "stages": [(s.stage, s.status, s.started, s.seconds, s.inputs, s.outputs) for s in row.stages],
            "values": [asdict(store.values([run_id])[run_id]) for run_id in row.run_ids],
        }
        for row in rows
    ]


def test_the_database_and_the_client_of_mlflow_agree(root: Path) -> None:
    uri = f"sqlite:///{root}/.statewright/mlflow/mlflow.db"
    direct, client = open_database(root / ".statewright/mlflow/mlflow.db"), open_client(uri, root)
    read = [plain(store, store.with_stages(store.newest())) for store in (direct, client)]
    assert read[0] == read[1]
    assert [row["state"] for row in read[0]] == ["finished", "failed", "finished"]
    assert [(s[0], s[1]) for s in read[0][0]["stages"]] == [("fit", "restored"), ("report", "ran")]
    for until in (999, 1500, 2500, 9999):
        assert direct.results(until).keys() == client.results(until).keys()
        assert {a: r.run_id for a, r in direct.results(until).items()} == {
            a: r.run_id for a, r in client.results(until).items()
        }


def test_the_results_of_a_time_are_the_latest_that_were_recorded(root: Path) -> None:
    store = open_transitions(root)
    assert store.results(1000.5) == {}
    assert store.results(2500)["fit"].outputs == {"model.txt": "1" * 32}  # a failure changes no result
    assert {a: r.outputs for a, r in store.results(9999).items()} == {
        "fit": {"model.txt": "2" * 32},
        "report": {"page.html": "3" * 32},
    }


def test_a_run_is_found_by_its_place_and_by_the_beginning_of_an_id(root: Path) -> None:
    store = open_transitions(root)
    newest = store.newest()
    assert find(store, "last").id == newest[0].id
    assert find(store, "last~2").id == newest[2].id
    assert find(store, newest[1].id[:6]).id == newest[1].id
    assert find(store, newest[1].run.run_id[:12]).id == newest[1].id
    with pytest.raises(WorkflowError, match="last~3: only 3 runs are recorded; `statewright history`"):
        find(store, "last~3")
    with pytest.raises(WorkflowError, match=f"the last one is {newest[0].id}"):
        find(store, "zzzz")


def test_a_run_has_the_same_id_and_values_before_mlflow_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    stage = done(FIT, "ran", 1001, outputs={"model.txt": "1" * 32}, metrics={"rmse(a)": 0.5})
    write_journal(tmp_path, 1000.0, [stage])
    before = open_transitions(tmp_path)
    assert before.absent == "no run is recorded here yet; `statewright run` makes the first"
    pending = before.with_stages(before.newest())
    assert [row.is_recorded for row in pending] == [False]
    first = plain(before, pending)[0]
    record_journal(tmp_path, journal.pending(tmp_path)[0])
    both = open_transitions(tmp_path)  # the journal is still there: the run is listed once
    assert [row.id for row in both.newest()] == [first["id"]]
    journal.remove(journal.pending(tmp_path)[0])
    after = open_transitions(tmp_path)
    recorded = after.with_stages(after.newest())
    assert [row.is_recorded for row in recorded] == [True]
    last = plain(after, recorded)[0]
    for key in ("id", "kind", "name", "state", "times", "stages"):
        assert last[key] == first[key], key
    metrics = after.values([recorded[0].stages[0].run_id])[recorded[0].stages[0].run_id].metrics
    assert metrics[valid_key("rmse(a)")] == 0.5
    assert (
        before.values([pending[0].stages[0].run_id])[pending[0].stages[0].run_id].metrics.items()
        <= metrics.items()
    )


def test_a_killed_run_is_stopped_and_an_active_one_is_running(tmp_path: Path) -> None:
    write_journal(tmp_path, 1000.0, [done(FIT, "ran", 1001)], ended=False)
    active = Journal(tmp_path, {})
    start = {"do": "start", "part": "", "parent": asdict(ParentRecord("x")), "context": {}}
    active.append({**start, "at": time.time()})
    assert [row.state for row in open_transitions(tmp_path).newest()] == ["running", "stopped"]
    active.close()


def test_the_runs_of_several_pipelines_are_one(root: Path) -> None:
    rows = open_database(root / ".statewright/mlflow/mlflow.db").newest()
    whole = merged([rows[0], rows[1]])
    assert (whole.started, whole.run.seconds) == (2000.0, 3009.0 - 2000.0)
    assert whole.state == "failed"
    assert whole.run_ids == (rows[0].run.run_id, rows[1].run.run_id)
