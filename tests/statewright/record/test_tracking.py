"""Records in MLflow, written by one process and by several."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toys import HERE, commit, make_repository

from statewright.record import history, runs, tracking
from statewright.record.artifacts import LARGEST_LOG, log_end_of, table_as_csv
from statewright.record.experiment import experiment_ids, open_record
from statewright.record.masking import mask_record
from statewright.record.outputs import LARGEST_TABLE, files_of
from statewright.record.parents import ParentEnd, ParentRecord
from statewright.record.store import local_uri
from statewright.record.tracking import StageRecord
from statewright.record.trials import trials_of
from statewright.record.values import valid_key
from statewright.repository.declaration import open_repository
from statewright.repository.metrics import stage_metrics, with_definitions
from statewright.workflow import Output, Stage, flatten

STAGE = Stage(
    "song-train",
    ("python train.py",),
    desc="Learns.",
    outs=(
        Output("score.json", "metric"),
        Output("history.csv", "plot", x="epoch"),
        Output("other.csv", "plot"),
        Output("page.html"),
        Output("table.parquet"),
        Output("broken.parquet"),
    ),
)
FILES = {
    "score.json": '{"rmse": {"joy": 0.5, "fear": 0.25}, "n": 3, "name": "x", "ok": true, "none": null}',
    "history.csv": "epoch,train loss,validation_loss,note\n0,1.5,2.5,a\n1,0.5,,b\n10,0.25,nan,c\n",
    "other.csv": "x,y\n1,2\n",
    "page.html": "<p>",
    "broken.parquet": "x",
    "train.log": "epoch 10\n",
}


def ranges(root: Path) -> dict[str, tuple[float, float]]:
    """Return the range of the next duration of each stage with past runs."""
    return {stage: history.widened_range(past) for stage, past in history.past_seconds(root).items()}


def record_of(root: Path, **more: Any) -> StageRecord:
    repository = open_repository(root)
    stage = with_definitions(repository, more.get("stage", STAGE))
    wrote = more.get("status", "ran") in ("ran", "restored")
    values: dict[str, Any] = {
        "stage": STAGE,
        "status": "ran",
        "started": 1000.0,
        "finished": 1012.5,
        "params": {"song.train": {"lr": 0.1, "sizes": [1, 2]}, "width": 3},
        "inputs": {"raw.parquet": "a" * 32},
        "outputs": {"score.json": "b" * 32},
        "reasons": ("song.train.lr 0.2 -> 0.1", "after song-clean"),
        "log": root / "train.log",
        "metrics": stage_metrics(repository, stage) if wrote else {},
        "files": files_of(root, stage) if wrote else (),
    }
    return StageRecord(**{**values, **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Any, Any]:
    """Repository with one recorded transition: root, commit, parent run, child run."""
    root = make_repository(tmp_path_factory.mktemp("tracking") / "songs", FILES)
    pd.DataFrame({"city": ["a, b", None], "right": [0.5, 1.0]}).to_parquet(root / "table.parquet")
    head = commit(root)
    record = open_record(root)
    plan = {"stages": {"song-train": {"verdict": "must"}}}
    tracking.start_parent(record, ParentRecord("toy", tags={"statewright.workflow": "w"}, plan=plan))
    assert record.parent_id is not None
    run_id = tracking.record_stage(record, record_of(root))
    metrics = {"score.json:n": 3.0, "score.json:bad": float("nan")}
    tracking.end_parent(record, "FINISHED", ParentEnd(tags={"statewright.state.after": "s"}, metrics=metrics))
    client = record.client
    return root, head, client.get_run(record.parent_id), client.get_run(run_id)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param([[1, 2], [3]], id="lists"),
        pytest.param([b"\xff", b"x"], id="bytes"),
        pytest.param(np.random.default_rng(0).random(LARGEST_TABLE // 8), id="too large"),
    ],
)
def test_a_table_that_csv_cannot_hold_is_skipped(tmp_path: Path, column: Any) -> None:
    pd.DataFrame({"column": column}).to_parquet(tmp_path / "other.parquet")
    pd.DataFrame({"n": [1]}).to_parquet(tmp_path / "small.parquet")
    stage = Stage("song-train", ("true",), outs=(Output("other.parquet"), Output("small.parquet")))
    tables = {Path(file.path).name: table_as_csv(Path(file.path)) for file in files_of(tmp_path, stage)}
    assert {name: table for name, table in tables.items() if table} == {"small.parquet": '"n"\n1\n'}


@pytest.mark.parametrize("size", [0, 1000, LARGEST_LOG, LARGEST_LOG + 1, 3 * LARGEST_LOG])
def test_at_most_the_end_of_a_log_is_recorded(tmp_path: Path, size: int) -> None:
    line = b"epoch 1 of 100\n"
    log = tmp_path / "train.log"
    log.write_bytes((line * (size // len(line) + 1))[:size])
    logged: list[bytes] = []

    class Client:
        def log_artifact(self, run_id: str, path: str) -> None:
            assert Path(path).name == "train.log"
            logged.append(Path(path).read_bytes())

    log_end_of(Client(), "r", log)  # type: ignore[arg-type]
    if size <= LARGEST_LOG:
        assert logged == ([log.read_bytes()] if size else [])
        return
    first, rest = logged[0].split(b"\n", 1)
    assert log.read_bytes().endswith(rest) and LARGEST_LOG - len(line) <= len(rest) <= LARGEST_LOG
    assert first == f"... {size - len(rest)} bytes before are in {log}".encode()
    assert rest.startswith(line)


def test_rows_of_a_search_become_params_and_metrics(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("param_lr,kind,loss,best\n0.1,a,2.5,2.5\n0.2,b,,1.5\n")
    (tmp_path / "other.csv").write_text("loss\n1\n")
    stage = Stage("song-search", ("true",), outs=(Output("trials.csv"), Output("other.csv")))
    files = files_of(tmp_path, stage)
    first, second = trials_of("trials.csv", files)
    assert first.params == {"lr": "0.1", "kind": "a"} and first.metrics == {"loss": 2.5, "best": 2.5}
    assert second.params == {"lr": "0.2", "kind": "b", "loss": ""} and second.metrics == {"best": 1.5}
    assert list(trials_of(None, files)) == []
    (tmp_path / "trials.csv").write_text("changed since\n1\n")
    assert list(trials_of("trials.csv", files)) == []


@pytest.mark.slow
class TestRecord:
    def test_the_parent_run_has_the_plan_and_the_resulting_state(self, store: Any) -> None:
        root, head, parent, _ = store
        assert parent.info.status == "FINISHED" and parent.info.run_name == "toy"
        assert parent.data.tags["statewright.kind"] == "transition"
        assert parent.data.tags["statewright.state.after"] == "s"
        assert parent.data.tags["mlflow.source.git.commit"] == head
        assert parent.data.metrics == {"score.json:n": 3.0}
        (plan,) = (root / ".statewright" / "mlflow" / "artifacts").rglob("plan.json")
        assert json.loads(plan.read_text()) == {"stages": {"song-train": {"verdict": "must"}}}

    def test_the_child_run_has_inputs_outputs_and_reasons(self, store: Any) -> None:
        _, head, parent, child = store
        tags = child.data.tags
        assert child.info.run_name == "song-train" and child.info.status == "FINISHED"
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["statewright.stage"] == "song-train" and tags["statewright.status"] == "ran"
        assert tags["statewright.reason"] == "song.train.lr 0.2 -> 0.1; after song-clean"
        assert tags["input:raw.parquet"] == "a" * 32 and tags["output:score.json"] == "b" * 32
        assert tags["mlflow.source.git.commit"] == head and tags["statewright.git.dirty"] == "false"
        assert tags["mlflow.note.content"] == "Learns."
        assert (child.info.start_time, child.info.end_time) == (1_000_000, 1_012_500)

    def test_each_trial_of_a_search_is_a_child_run_once(self, tmp_path: Path) -> None:
        root = make_repository(tmp_path / "songs", {"trials.csv": "param_lr,loss\n0.1,2.5\n0.2,nan\n"})
        meta = {"trials": "trials.csv", "password": "secret"}
        stage = Stage("song-search", ("true",), outs=(Output("trials.csv"),), meta=meta)
        values = {"stage": stage, "files": files_of(root, stage), "log": None}
        done = mask_record(record_of(root, **values))
        assert done.stage.meta == {"trials": "trials.csv"}
        record = open_record(root)
        first = tracking.record_stage(record, done, identity="journal/1")
        record = open_record(root)
        record.known = tracking.find_known(record, "journal")
        assert tracking.record_stage(record, done, identity="journal/1") == first  # killed before its end
        query = f"tags.`mlflow.parentRunId` = '{first}'"
        runs = record.client.search_runs([record.experiment_id], query, order_by=["attributes.run_name"])
        assert [run.info.run_name for run in runs] == ["song-search 1", "song-search 2"]
        assert {run.info.status for run in runs} == {"FINISHED"}
        assert {run.data.tags["statewright.kind"] for run in runs} == {"trial"}
        assert [run.data.params for run in runs] == [{"lr": "0.1"}, {"lr": "0.2"}]
        assert [run.data.metrics for run in runs] == [{"loss": 2.5}, {}]
        restored = record_of(root, **values, status="restored")
        again = tracking.record_stage(record, restored)
        query = f"tags.`mlflow.parentRunId` = '{again}'"
        assert not record.client.search_runs([record.experiment_id], query)

    def test_params_are_leaves_and_metrics_are_numbers(self, store: Any) -> None:
        child = store[3]
        assert child.data.params == {"song.train.lr": "0.1", "song.train.sizes": "[1, 2]", "width": "3"}
        assert child.data.metrics == {
            "rmse.joy": 0.5,
            "rmse.fear": 0.25,
            "n": 3.0,
            "seconds": 12.5,
            "train loss": 0.25,
            "validation_loss": 2.5,
        }

    def test_a_history_has_a_value_for_each_epoch_that_has_one(self, store: Any) -> None:
        root, *_, child = store
        client = open_record(root).client
        curve = client.get_metric_history(child.info.run_id, "train loss")
        assert [(point.step, point.value) for point in curve] == [(0, 1.5), (1, 0.5), (10, 0.25)]
        curve = client.get_metric_history(child.info.run_id, "validation_loss")
        assert [(point.step, point.value) for point in curve] == [(0, 2.5)]

    def test_the_log_figures_and_a_small_table_are_recorded(self, store: Any) -> None:
        root, *_, child = store
        client = open_record(root).client
        artifacts = {a.path for a in client.list_artifacts(child.info.run_id)}
        assert artifacts == {"train.log", "score.json", "history.csv", "other.csv", "page.html", "tables"}
        assert [a.path for a in client.list_artifacts(child.info.run_id, "tables")] == ["tables/table.csv"]
        path = client.download_artifacts(child.info.run_id, "tables/table.csv")
        assert Path(path).read_text() == '"city","right"\n"a, b",0.5\n,1\n'

    def test_git_ignores_the_store(self, store: Any) -> None:
        done = subprocess.run(
            ["git", "status", "--porcelain"], cwd=store[0], capture_output=True, text=True, check=True
        )
        assert "mlflow.db" not in done.stdout and "artifacts" not in done.stdout

    def test_a_failed_stage_is_recorded_without_metrics(self, store: Any) -> None:
        root = store[0]
        record = open_record(root)
        run = record.client.get_run(
            tracking.record_stage(record, record_of(root, status="failed", outputs={}))
        )
        assert run.info.status == "FAILED" and run.data.metrics == {}

    def test_durations_are_the_widened_range_of_the_latest_runs(self, store: Any, tmp_path: Path) -> None:
        root = make_repository(tmp_path / "songs", FILES)
        assert ranges(root) == {}
        record = open_record(root)
        assert ranges(root) == {}
        now = time.time()
        for age, seconds in [(100, 99.0), *((50 - n, 1.0 + n) for n in range(10))]:
            done = record_of(root, started=now - age, finished=now - age + seconds, log=None)
            tracking.record_stage(record, done)
        tracking.record_stage(record, record_of(root, status="restored", log=None))
        # the run of 99 s is the eleventh
        assert ranges(root) == {"song-train": (pytest.approx(1 / 1.1), pytest.approx(11.0))}

    def test_the_client_returns_the_same_durations_as_the_database(self, store: Any) -> None:
        root = store[0]
        uri = local_uri(root)
        assert (
            [(run.stage, run.seconds) for run in history._read_client(uri, root)]
            == [("song-train", seconds) for seconds in history.past_seconds(root)["song-train"]]
            == [("song-train", 12.5)]
        )

    def test_the_environment_names_another_store(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = make_repository(tmp_path / "songs", FILES)
        elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "all songs")
        tracking.record_stage(open_record(root), record_of(root))
        assert (tmp_path / "elsewhere.db").is_file() and not (root / ".statewright/mlflow/mlflow.db").exists()
        assert ranges(root) == {"song-train": (6.25, 25.0)}


@pytest.mark.slow
def test_a_folder_of_files_that_the_user_names_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "songs", FILES)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(root / "mlruns"))
    tracking.record_stage(open_record(root), record_of(root))
    assert ranges(root) == {"song-train": (6.25, 25.0)}
    (run,) = runs.open_run_history(root).runs("song-train")
    assert run.outputs == {"score.json": "b" * 32}
    assert not (root / ".statewright").exists()


RECORDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_tracking as t
root, me = Path(sys.argv[1]), sys.argv[2]
ready = Path(sys.argv[4])
(ready / f"ready-{me}").touch()
while len(list(ready.glob("ready-*"))) < 2:
    time.sleep(0.01)
record = t.open_record(root)
t.tracking.start_parent(record, t.ParentRecord(me))
for n in range(5):
    t.tracking.record_stage(record, t.record_of(root, params={"n": n, "me": me}))
t.tracking.end_parent(record, "FINISHED", t.ParentEnd(metrics={f"m{n}": float(n) for n in range(50)}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("repositories", [1, 2])
def test_two_concurrent_runs_in_a_new_store_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repositories: int
) -> None:
    root = make_repository(tmp_path / "songs", FILES)
    roots = {"one": root, "two": root}
    database = root / ".statewright/mlflow/mlflow.db"
    if repositories == 2:
        roots["two"] = make_repository(tmp_path / "other" / "songs", FILES)
        database = tmp_path / "shared.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    here = str(Path(__file__).parent)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDER, str(roots[me]), me, here, str(tmp_path)],
            cwd=HERE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE / "tests" / "statewright")]),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in ("one", "two")
    ]
    for process in running:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    record = open_record(root)
    runs = record.client.search_runs([record.experiment_id])
    assert len(record.client.search_experiments(filter_string="name = 'songs'")) == 1
    assert len(runs) == 12 and all(run.info.status == "FINISHED" for run in runs)
    for me in ("one", "two"):
        (parent,) = [run for run in runs if run.info.run_name == me]
        assert parent.data.metrics == {f"m{n}": float(n) for n in range(50)}
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        assert sorted(run.data.params["n"] for run in children) == list("01234")
        assert {run.data.params["me"] for run in children} == {me}
        assert all(run.data.metrics["rmse.joy"] == 0.5 for run in children)
    import sqlite3

    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# Without MLflow.


def test_a_server_that_does_not_answer_is_reported_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9 does not answer"):
        open_record(tmp_path)
    assert ranges(tmp_path) == {}
    assert time.monotonic() - started < 5


def test_flatten_returns_leaves() -> None:
    assert dict(flatten({"a": {"b": 1, "c": {}}, "d": [1]})) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_names_that_mlflow_refuses_are_replaced() -> None:
    assert valid_key("rmse (joy) é%") == "rmse _joy_ é_"
    assert [valid_key(name) for name in ("a/b", ".c", "/a", "a//b", "../a", "..", "")] == [
        *("a/b", ".c"),
        *("__a", "_a__b", "_.._a", "_..", "_"),
    ]


def test_a_metric_that_cannot_be_recorded_leaves_the_others(tmp_path: Path) -> None:
    """Record metric files of any JSON and plots with words as x (a confusion matrix)."""
    outs = (
        Output("words.json", "metric"),
        Output("number.json", "metric"),
        Output("huge.json", "metric"),
        Output("classes.csv", "plot", x="actual"),
        Output("gone.csv", "plot", x="epoch"),
        Output("score.json", "metric"),
        Output("history.csv", "plot", x="epoch"),
    )
    files = {
        "words.json": "rmse is 0.5\n",
        "number.json": "5\n",
        "huge.json": '{"n": 1' + "0" * 400 + "}",
        "classes.csv": "actual,predicted\ncat,dog\n",
        "gone.csv": "x,y\n1,2\n",
        "score.json": '{"rmse": 0.5, "//": 1}',
        "history.csv": "epoch,loss\n1,0.5\n",
    }
    root = make_repository(tmp_path, files)
    record = open_record(root)
    run_id = tracking.record_stage(record, record_of(root, stage=Stage("odd", ("x",), outs=outs), log=None))
    data = record.client.get_run(run_id).data
    assert data.metrics == {"number": 5.0, "rmse": 0.5, "___": 1.0, "loss": 0.5, "seconds": 12.5}
    assert data.params["width"] == "3"


@pytest.mark.slow
def test_the_experiments_of_a_repository_are_its_own(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "my_so'ngs", {})
    own = [open_record(root, experiment=name) for name in ("my_so'ngs", "my_so'ngs/fit")]
    for name in ("my-so'ngs/fit", "my_so'ngs2", "x/my_so'ngs/fit"):
        open_record(root, experiment=name)
    assert sorted(experiment_ids(own[0].client, root)) == sorted(record.experiment_id for record in own)
