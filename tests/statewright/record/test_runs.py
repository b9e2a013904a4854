"""Recorded runs: the one that wrote a version of a file, and stores without runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from statewright.record.runs import PastRun, RunHistory, maker, open_run_history

MADE = {"song.txt": "1"}


def run(run_id: str, status: str, outputs: Mapping[str, str], inputs: Mapping[str, str]) -> PastRun:
    tags = {
        "statewright.status": status,
        **{f"output:{path}": value for path, value in outputs.items()},
        **{f"input:{path}": value for path, value in inputs.items()},
    }
    return PastRun(run_id, "0", 1.0, 2.0, tags, dict)


def history(*runs: PastRun) -> RunHistory:
    return RunHistory(lambda stage: runs, lambda prefix: ())


def ids(pair: tuple[PastRun | None, PastRun | None]) -> tuple[str | None, str | None]:
    made, restored = pair
    return made.run_id if made else None, restored.run_id if restored else None


def test_the_newest_run_with_the_same_outputs_is_the_maker() -> None:
    past = history(
        run("other", "ran", {"song.txt": "2"}, {}),
        run("failed", "failed", MADE, {}),
        run("newest", "ran", MADE, {"raw": "b"}),
        run("oldest", "ran", MADE, {"raw": "a"}),
    )
    assert ids(maker(past, "sing", MADE)) == ("newest", None)
    assert ids(maker(past, "sing", {})) == (None, None)


def test_a_run_with_the_same_inputs_is_preferred() -> None:
    past = history(run("newest", "ran", MADE, {"raw": "b"}), run("oldest", "ran", MADE, {"raw": "a"}))
    assert ids(maker(past, "sing", MADE, {"raw": "a"})) == ("oldest", None)
    assert ids(maker(past, "sing", MADE, {"raw": "c"})) == ("newest", None)


def test_a_later_restore_is_reported_with_the_run_that_wrote_the_outputs() -> None:
    past = history(run("restore", "restored", MADE, {}), run("ran", "ran", MADE, {}))
    assert ids(maker(past, "sing", MADE)) == ("ran", "restore")
    past = history(run("ran", "ran", MADE, {}), run("restore", "restored", MADE, {}))
    assert ids(maker(past, "sing", MADE)) == ("ran", None)


def test_a_store_without_runs_gives_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert open_run_history(tmp_path).absent == "no run was recorded in MLflow yet"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert open_run_history(tmp_path).absent == "http://127.0.0.1:9 does not answer"
    (tmp_path / "bad.db").write_text("not a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/bad.db")
    absent = open_run_history(tmp_path).absent
    assert absent is not None and absent.startswith(f"{tmp_path}/bad.db cannot be read: ")


def test_a_local_store_is_read_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the part of MLflow's schema that the queries use."""
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE runs (run_uuid, experiment_id, start_time, end_time, lifecycle_stage);
            CREATE TABLE tags (run_uuid, key, value);
            CREATE TABLE params (run_uuid, key, value);
            INSERT INTO runs VALUES ('r1', 1, 1000, 3500, 'active'), ('r2', 1, 9000, NULL, 'active'),
                ('r3', 1, 5000, 6000, 'deleted');
            INSERT INTO tags VALUES ('r1', 'statewright.stage', 'sing'), ('r1', 'output:song.txt', 'abc'),
                ('r2', 'statewright.stage', 'sing'), ('r3', 'statewright.stage', 'sing'),
                ('r3', 'output:song.txt', 'abd');
            INSERT INTO params VALUES ('r1', 'width', '3');
            """
        )
    database.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    past = open_run_history(tmp_path)
    newest, oldest = past.runs("sing")
    assert (newest.run_id, newest.started, newest.seconds) == ("r2", 9.0, None)
    assert (oldest.run_id, oldest.started, oldest.seconds) == ("r1", 1.0, 2.5)
    assert oldest.outputs == {"song.txt": "abc"} and oldest.params() == {"width": "3"}
    assert list(past.versions("ab")) == [("sing", "song.txt", "abc")]
