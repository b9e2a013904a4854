"""Studies in MLflow: each trial is one child run, also after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import commit, make_repository

from statewright.record import journal
from statewright.record.experiment import open_record
from statewright.record.studies import StudyRecord, TrialRecord
from statewright.running import recorder
from statewright.running.recorder import Recorder
from statewright.running.recording import record_all

pytestmark = pytest.mark.slow
STUDY = StudyRecord("songs-1000", "songs", {"target": "sing", "space.lr": "Float(0.1, 1)"}, 1000.0)
DONE = TrialRecord(0, "done", {"lr": 0.1}, 0.5, 1000.0, 1002.0, 2.0, {"score.json:loss": 0.5})
TRIALS = (
    DONE,
    replace(DONE, number=1, status="pruned", value=0.9, metrics={}, tags={"statewright.reason": "poor"}),
    replace(DONE, number=2, status="failed", value=None, metrics={}, params={"lr": 1.0, "api_key": "s3cret"}),
    replace(DONE, number=3, value=float("nan"), params={"lr": 0.2}),
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which no process records by itself."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = make_repository(tmp_path / "songs", {"page.html": "<p>"})
    commit(root)
    monkeypatch.setattr(recorder.Recorder, "_start_process", lambda self: None)
    return root


def send(root: Path, trials: tuple[TrialRecord, ...], *, end: bool) -> None:
    writer = Recorder(root)
    writer.study(STUDY)
    for trial in trials:
        writer.trial(STUDY.key, trial)
    if end:
        page = root / "page.html"
        writer.end_study({"best": 0.5, "default": float("inf")}, {"statewright.best": "0"}, [page])
    writer.close()


def runs_of(root: Path) -> tuple[Any, list[Any], Any]:
    record = open_record(root)
    runs = record.client.search_runs([record.experiment_id])
    (parent,) = (run for run in runs if run.data.tags["statewright.kind"] == "study")
    trials = [run for run in runs if run is not parent]
    return parent, sorted(trials, key=lambda run: int(run.data.tags["statewright.trial"])), record.client


def test_each_trial_is_a_child_run(root: Path) -> None:
    send(root, TRIALS, end=True)
    (root / "page.html").write_text("changed after the end")
    record_all(root)
    parent, trials, client = runs_of(root)
    assert parent.info.status == "FINISHED" and parent.data.params == STUDY.params
    assert parent.data.metrics == {"best": 0.5} and parent.data.tags["statewright.best"] == "0"
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["page.html"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert [run.info.status for run in trials] == ["FINISHED", "KILLED", "FAILED", "FINISHED"]
    assert [run.data.metrics.get("objective") for run in trials] == [0.5, None, None, None]
    assert trials[0].data.metrics == {"score.json:loss": 0.5, "seconds": 2.0, "objective": 0.5}
    assert trials[1].data.tags["statewright.reason"] == "poor"
    assert trials[2].data.params == {"lr": "1.0", "api_key": "***"}
    assert (trials[0].info.start_time, trials[0].info.end_time) == (1_000_000, 1_002_000)
    assert journal.pending(root) == []


def test_a_killed_study_is_continued_by_its_next_journal(root: Path) -> None:
    send(root, TRIALS[:2], end=False)  # a kill: no end
    record_all(root)
    parent, trials, _ = runs_of(root)
    assert parent.info.status == "KILLED" and len(trials) == 2
    send(root, TRIALS, end=True)
    record_all(root)
    again, all_trials, _ = runs_of(root)
    assert again.info.run_id == parent.info.run_id and again.info.status == "FINISHED"
    assert [run.info.run_id for run in all_trials[:2]] == [run.info.run_id for run in trials]
    assert len(all_trials) == 4


def test_two_studies_of_one_name_are_two_runs(root: Path) -> None:
    send(root, TRIALS[:1], end=True)
    record_all(root)
    writer = Recorder(root)
    writer.study(replace(STUDY, key="songs-2000"))
    writer.trial("songs-2000", DONE)
    writer.close()
    record_all(root)
    record = open_record(root)
    assert len(record.client.search_runs([record.experiment_id])) == 4
