"""The record in the background: complete, single and in order."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import wait_for
from toys import commit, make_repository, statewright

from statewright.record import journal
from statewright.record.experiment import open_record
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.record.tracking import StageRecord
from statewright.running import recorder, recording
from statewright.running.recorder import Recorder, resume, wait_until_recorded
from statewright.running.recording import record_all
from statewright.workflow import Output, Stage

pytestmark = pytest.mark.slow
STAGE = Stage("sing", ("true",), outs=(Output("score.json", "metric"), Output("page.html")))
SCHEDULE = {"predicted": 1.0, "actual": 2.0}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which no process records by itself."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = make_repository(tmp_path / "songs", {"score.json": '{"rmse": 0.5}', "page.html": "<p>"})
    commit(root)
    monkeypatch.setattr(recorder.Recorder, "_start_process", lambda self: None)
    return root


def stage_record(root: Path, started: float = 1000.0, **more: Any) -> StageRecord:
    values = {"status": "ran", "outputs": {"page.html": "a" * 32}, "metrics": {"rmse": 0.5}, **more}
    return StageRecord(STAGE, started=started, finished=started + 2, **values)


def run(root: Path, *, name: str = "toy", end: bool = True) -> str:
    """Write the journal of a run with two stages and return its name."""
    writer = Recorder(root)
    writer.start([ParentRecord(name, tags={"statewright.workflow": "w"}, params={"lr": 0.1})])
    writer.stage(stage_record(root))
    writer.stage(stage_record(root, 2000.0, status="restored"))
    if end:
        writer.end([ParentEnd(metrics={"rmse": 0.5}, schedule=SCHEDULE)])
    name_of_journal, _ = writer.close()
    assert name_of_journal is not None
    return name_of_journal


def recorded(root: Path, uri: str = "") -> list[Any]:
    """Return all runs in MLflow, the oldest record first."""
    record = open_record(root, uri=uri)
    runs = record.client.search_runs([record.experiment_id])
    return sorted(runs, key=lambda found: found.data.tags.get("statewright.record", ""))


def test_a_run_is_recorded_with_the_times_and_the_commit_of_the_run(root: Path) -> None:
    before = time.time()
    name = run(root)
    after = time.time()
    (root / "later.txt").touch()
    head = commit(root)  # later work must not appear in the record
    record_all(root)
    parent, *children = recorded(root)
    assert journal.pending(root) == [] and not list(journal.journal_folder(root).glob("*/"))
    assert parent.info.run_name == "toy" and parent.info.status == "FINISHED"
    assert before - 0.01 <= parent.info.start_time / 1000 <= parent.info.end_time / 1000 <= after
    assert parent.data.tags["mlflow.source.git.commit"] != head
    assert parent.data.metrics == {"rmse": 0.5, "seconds.predicted": 1.0, "seconds.actual": 2.0}
    assert [child.data.tags["statewright.status"] for child in children] == ["ran", "restored"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert all(child.data.metrics["rmse"] == 0.5 for child in children)
    assert all(child.data.tags["statewright.record"].startswith(f"{name}/") for child in children)
    assert (children[0].info.start_time, children[0].info.end_time) == (1_000_000, 1_002_000)


def test_a_journal_that_is_read_again_records_nothing_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the recorder die after each number of calls of MLflow, as after a kill."""
    from mlflow import MlflowClient

    class KilledError(BaseException):
        pass

    run(root)
    left = [0]
    for name in ("create_run", "log_batch", "log_artifact", "log_dict", "set_terminated"):
        method = getattr(MlflowClient, name)

        def counted(*arguments: Any, method: Any = method, **keywords: Any) -> Any:
            result = method(*arguments, **keywords)
            left[0] -= 1
            if left[0] == 0:
                raise KilledError
            return result

        monkeypatch.setattr(MlflowClient, name, counted)
    kills = 0
    for calls in range(1, 40):
        left[0] = calls
        try:
            record_all(root)
        except KilledError:
            kills += 1
        if not journal.pending(root):
            break
    assert kills > 5 and journal.pending(root) == []
    parent, *children = recorded(root)
    assert len(children) == 2
    assert {found.info.status for found in (parent, *children)} == {"FINISHED"}
    client = open_record(root).client
    for child in children:
        assert len(client.get_metric_history(child.info.run_id, "rmse")) == 1


def test_files_are_recorded_as_they_were(root: Path) -> None:
    run(root)
    for text in ("second", "third"):
        (root / "page.html").unlink()
        (root / "page.html").write_text(text)
    record_all(root)
    record = open_record(root)
    children = recorded(root)[1:]
    for child in children:
        path = record.client.download_artifacts(child.info.run_id, "page.html")
        assert Path(path).read_text() == "<p>"


def test_a_file_that_changed_in_the_journal_is_left_out_and_reported(root: Path) -> None:
    run(root)
    for path in journal.journal_folder(root).glob("*/*/page.html"):
        path.write_text("changed")
    record_all(root)
    problem = wait_until_recorded(root)
    assert problem is not None and "changed before they were recorded: page.html" in problem
    assert journal.pending(root) == []
    assert {found.info.status for found in recorded(root)} == {"FINISHED"}


def test_a_killed_run_ends_as_killed(root: Path) -> None:
    run(root, end=False)
    record_all(root)
    parent, *children = recorded(root)
    assert parent.info.status == "KILLED" and len(children) == 2


def test_a_store_that_is_down_keeps_the_journals_until_it_is_up(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    run(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    run(root, name="local")
    record_all(root)
    (waiting,) = journal.pending(root)  # the other run is recorded: it has another store
    assert [found.info.run_name for found in recorded(root)] == ["local", "sing", "sing"]
    problem = Recorder(root).close()[1]
    assert problem is not None and "http://127.0.0.1:9 does not answer" in problem
    assert "1 run waits" in problem and Recorder(root).close()[1] is None
    monkeypatch.setattr("statewright.record.experiment.answers", lambda uri: True)
    waiting.write_text(waiting.read_text().replace("http://127.0.0.1:9", f"sqlite:///{root}/other.db"))
    record_all(root)
    assert journal.pending(root) == []
    assert [found.info.run_name for found in recorded(root, f"sqlite:///{root}/other.db")] == [
        *("toy", "sing", "sing")
    ]


def test_the_recorder_waits_for_a_database_that_restarts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    run(root)
    (path,) = journal.pending(root)
    uri = f"sqlite:///{root}/server.db"  # stands for a server: is_passing sees the name of one
    path.write_text(path.read_text().replace('"uri": ""', f'"uri": "{uri}"'))
    create, tries = MlflowClient.create_run, [0]

    def restarting(*arguments: Any, **keywords: Any) -> Any:
        tries[0] += 1
        if tries[0] in (2, 3):
            raise MlflowException("the database is restarting")
        return create(*arguments, **keywords)

    monkeypatch.setattr(MlflowClient, "create_run", restarting)
    monkeypatch.setattr("statewright.record.experiment.database_path", lambda uri: None)
    monkeypatch.chdir(root)  # where MLflow puts the artifacts of a database that has no folder
    monkeypatch.setattr(recording, "PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(sys, "argv", ["recording", str(root)])
    monkeypatch.setattr(os, "nice", lambda _: 0)
    recording.main()
    assert journal.pending(root) == [] and tries[0] == 5
    assert [found.info.run_name for found in recorded(root, uri)] == ["toy", "sing", "sing"]


def test_a_password_is_not_written_to_the_journal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2@127.0.0.1:9")
    run(root)
    assert "hunter2" not in journal.pending(root)[0].read_text()
    record_all(root)
    problem = wait_until_recorded(root, timeout_s=30)
    assert problem is not None and "does not answer" in problem and "hunter2" not in problem


def test_a_round_is_recorded_on_its_transition(root: Path) -> None:
    for number in (1, 2):
        since = time.time()
        run(root, name=f"round {number}")
        writer = Recorder(root)
        writer.round((since, time.time()), {"statewright.round": str(number)}, {}, {"round.score": number})
        writer.close()
    writer = Recorder(root)
    writer.round((since + 1000, since + 1001), {"statewright.round": "3"}, {}, {"round.score": 3.0})
    writer.close()
    record_all(root)
    rounds = {
        found.data.tags["statewright.round"]: found
        for found in recorded(root)
        if "statewright.round" in found.data.tags
    }
    assert [rounds[n].info.run_name for n in "123"] == ["round 1", "round 2", "loop"]
    assert {found.info.status for found in rounds.values()} == {"FINISHED"}
    assert rounds["2"].data.metrics["round.score"] == 2


def test_a_full_disk_is_reported_and_stops_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.Journal, "append", full)
    writer = Recorder(root)
    writer.start([ParentRecord("toy")])
    writer.stage(stage_record(root))
    name, problem = writer.close()
    assert name is None and problem == "the journal cannot be written: [Errno 28] No space left on device"


def test_a_recorder_starts_where_none_is_at_work(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume(root)
    assert not journal.journal_folder(root).exists()
    run(root)
    journal.write_problem(root, "the store was down")
    resume(root)
    assert "MLflow record is incomplete: the store was down" in capsys.readouterr().err
    wait_for(lambda: not journal.pending(root))
    assert len(recorded(root)) == 3


def test_the_command_record_waits_and_reports(root: Path) -> None:
    run(root)
    done = statewright(root, "record")
    assert (done.returncode, done.stdout) == (0, "MLflow: every run is recorded\n")
    assert journal.pending(root) == [] and len(recorded(root)) == 3
    run(root)
    (path,) = journal.pending(root)
    path.write_text(path.read_text().replace('"uri": ""', '"uri": "http://127.0.0.1:9"'))
    done = statewright(root, "record")
    assert done.returncode == 1 and "http://127.0.0.1:9 does not answer" in done.stdout
    assert journal.pending(root) == [path]


def test_a_run_with_nothing_to_do_completes_the_record(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages: {sing: {cmd: 'echo la > song', outs: [song]}}\n")
    assert statewright(root, "run").returncode == 0
    assert wait_until_recorded(root) is None
    run(root)
    done = statewright(root, "run")
    assert "nothing to do" in done.stderr
    wait_for(lambda: not journal.pending(root))


def test_waiting_ends_when_the_recorder_cannot_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for a run that is active, nor start processes without end."""
    active = Recorder(root)
    active.start([ParentRecord("active")])
    assert wait_until_recorded(root, timeout_s=5) is None
    monkeypatch.setattr(sys, "executable", "/bin/false")
    run(root)
    assert wait_until_recorded(root, timeout_s=60) == "the recording process was killed"
    active.close()


def test_the_recorder_outlives_its_run_and_leaves_no_process(root: Path) -> None:
    before = {process.pid for process in psutil.Process(os.getpid()).children()}
    run(root)
    process = recorder.start_process(root)
    assert process.pid not in before and os.getsid(process.pid) == process.pid
    assert wait_until_recorded(root) is None
    assert process.wait(30) == 0
