"""The location of the MLflow store, and the lock of its database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from statewright.record.store import database_lock, note_on_user_store, store_folder, tracking_uri

FORMER = Path("mlflow", "mlflow.db")


@pytest.fixture(autouse=True)
def no_named_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def write_tags(database: Path, *keys: str) -> None:
    """Create the table of MLflow's schema that tells whose runs a database holds."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE tags (key, value, run_uuid)")
        connection.executemany("INSERT INTO tags VALUES (?, 'x', 'r')", [(key,) for key in keys])
        connection.commit()


def test_the_store_is_in_the_control_folder_unless_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/.statewright/mlflow/mlflow.db"
    (tmp_path / ".statewright.toml").write_text('store = "runs/mlflow"\n')
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/runs/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert tracking_uri(tmp_path) == "http://elsewhere"
    assert list(tmp_path.iterdir()) == [tmp_path / ".statewright.toml"]


def test_a_folder_mlflow_of_the_user_is_not_the_store(tmp_path: Path) -> None:
    write_tags(tmp_path / FORMER, "mlflow.user")
    assert store_folder(tmp_path) == tmp_path / ".statewright" / "mlflow"
    (tmp_path / FORMER).write_text("not a database")
    assert store_folder(tmp_path) == tmp_path / ".statewright" / "mlflow"


def test_the_store_of_the_first_release_keeps_its_history(tmp_path: Path) -> None:
    write_tags(tmp_path / FORMER, "mlflow.user", "statewright.kind")
    assert store_folder(tmp_path) == tmp_path / "mlflow"
    (tmp_path / ".statewright.toml").write_text('store = ".statewright/mlflow"\n')
    assert store_folder(tmp_path) == tmp_path / ".statewright" / "mlflow"


def test_a_new_store_is_kept_if_an_older_one_appears(tmp_path: Path) -> None:
    """Restoring an old checkout of `mlflow/` must not split the history."""
    (tmp_path / ".statewright" / "mlflow").mkdir(parents=True)
    (tmp_path / ".statewright" / "mlflow" / "mlflow.db").touch()
    write_tags(tmp_path / FORMER, "statewright.kind")
    assert store_folder(tmp_path) == tmp_path / ".statewright" / "mlflow"


@pytest.mark.parametrize(
    ("file", "uri"), [("mlflow.db", "sqlite:///mlflow.db"), ("mlruns/0/meta.yaml", "mlruns")]
)
def test_a_store_of_the_stages_is_named_until_runs_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, uri: str
) -> None:
    assert note_on_user_store(tmp_path) is None
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    note = note_on_user_store(tmp_path)
    assert note is not None and note.endswith(f": export MLFLOW_TRACKING_URI={uri}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert note_on_user_store(tmp_path) is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / ".statewright" / "mlflow").mkdir(parents=True)
    (tmp_path / ".statewright" / "mlflow" / "mlflow.db").touch()
    assert note_on_user_store(tmp_path) is None


HOLDER = """
import sys
from statewright.record.store import database_lock
with database_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_lock_of_a_database_excludes_other_processes(tmp_path: Path, kind: str) -> None:
    """Name the same database in two ways, one of them through a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    same = f"postgresql://nobody@nowhere/{tmp_path.name}"
    names = [f"sqlite:///{tmp_path}/{folder}/runs.db" for folder in ("real", "link")]
    uris = names if kind == "sqlite" else [same, same]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, uris[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    entered = threading.Event()

    def enter() -> None:
        with database_lock(uris[1]):
            entered.set()

    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    waiting = threading.Thread(target=enter)
    waiting.start()
    assert not entered.wait(0.3)
    holder.communicate("")
    assert entered.wait(30)
    waiting.join()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
