"""Stores of repositories that were moved or copied, opened again with MLflow."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from statewright.record import experiment
from statewright.record.experiment import Record, connect, open_record
from statewright.record.journal import Journal, messages, pending, read_held
from statewright.record.relocation import relocate_artifacts
from statewright.record.store import local_uri, store_folder

pytestmark = pytest.mark.slow
TABLES = ("experiments", "runs", "logged_models", "model_versions", "trace_tags")


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "music")


@pytest.fixture(scope="module", autouse=True)
def own_registry() -> Iterator[None]:
    """Forget the registry that the service has named to all of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.tracking._model_registry.utils._registry_uri", None)
        patch.delenv("MLFLOW_REGISTRY_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def made(own_registry: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose store has a run, a Logged Model and a registered model."""
    folder = tmp_path_factory.mktemp("made") / "it's ours"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "music")
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        root = folder / "music"
        root.mkdir(parents=True)
        record = open_record(root)
        run = log(record, "first")
        model = record.client.create_logged_model(record.experiment_id, "prices", source_run_id=run)
        described = tmp_path_factory.mktemp("model")
        (described / "MLmodel").write_text("{}")
        record.client.log_model_artifacts(model.model_id, str(described))
        record.client.finalize_logged_model(model.model_id, "READY")
        record.client.create_registered_model("prices")
        record.client.create_model_version("prices", model.artifact_location, run, model_id=model.model_id)
    return root


@pytest.fixture
def original(made: Path, tmp_path: Path) -> Path:
    """The repository, at a path without a history."""
    root = tmp_path / "it's ours" / "music"
    shutil.copytree(made, root)
    open_record(root)
    (backup,) = store_folder(root).glob("relocated-*.sql")
    backup.unlink()
    return root


def log(record: Record, text: str) -> str:
    """Record a run with a file, and return its id."""
    run: str = record.client.create_run(record.experiment_id).info.run_id
    record.client.log_text(run, text, "note.txt")
    return run


def notes(root: Path) -> list[str]:
    """Return the notes of all runs, read with MLflow's client only."""
    from mlflow.artifacts import load_text

    runs = connect(local_uri(root)).search_runs(["1"])
    return sorted(load_text(f"{run.info.artifact_uri}/note.txt") for run in runs)


def model_files(root: Path) -> list[Path]:
    """Return the description of the Logged Model and that of the registered model."""
    client = connect(local_uri(root))
    (model,) = client.search_logged_models(["1"])
    sources = (model.artifact_location, client.get_model_version("prices", "1").source)
    return [Path(url2pathname(urlsplit(source).path), "MLmodel") for source in sources]


def content(root: Path) -> tuple[list[Any], set[Path]]:
    """Return the rows and the files of a store."""
    store = store_folder(root)
    with closing(sqlite3.connect(store / "mlflow.db")) as connection:
        rows = [row for table in TABLES for row in connection.execute(f"SELECT * FROM {table}")]
    return rows, {path for path in store.rglob("*") if path.is_file()}


def copied(root: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(root, target)
    return target


def test_a_store_in_its_place_is_left_alone(original: Path) -> None:
    before = content(original)
    assert relocate_artifacts(original) == []
    link = original.parent / "link"
    link.symlink_to(original)
    assert relocate_artifacts(link) == []
    assert content(original) == before


@pytest.mark.parametrize("target", ["new name", "new parent/music"])
def test_a_moved_store_keeps_its_files(original: Path, tmp_path: Path, target: str) -> None:
    here = tmp_path / target
    here.parent.mkdir(exist_ok=True)
    original.rename(here)
    log(open_record(here), "second")
    assert notes(here) == ["first", "second"]
    assert all(path.is_file() and path.is_relative_to(here) for path in model_files(here))
    assert not original.exists()


@pytest.mark.parametrize("target", ["copy", "it's ours/music/nested"])
def test_a_copy_does_not_write_into_the_original(original: Path, tmp_path: Path, target: str) -> None:
    here = copied(original, tmp_path / target)
    before = content(original)
    log(open_record(here), "second")
    assert content(original) == before
    shutil.rmtree(store_folder(original))
    assert notes(here) == ["first", "second"]
    assert all(path.is_file() and path.is_relative_to(here) for path in model_files(here))


def test_a_copy_and_the_original_are_used_at_once(original: Path, tmp_path: Path) -> None:
    roots = [original, copied(original, tmp_path / "copy")]

    def work(root: Path) -> None:
        for number in range(3):
            log(open_record(root), f"{root.name} {number}")

    threads = [threading.Thread(target=work, args=(root,)) for root in roots for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for root in roots:
        assert notes(root) == sorted(["first", *(f"{root.name} {n}" for n in range(3) for _ in range(2))])
        assert len(list(store_folder(root).rglob("note.txt"))) == 7
    assert [len(list(store_folder(root).glob("relocated-*"))) for root in roots] == [0, 1]


def test_files_that_an_earlier_release_left_in_the_original_are_found(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = copied(original, tmp_path / "copy")
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "relocate_artifacts", lambda _: [])
        log(open_record(here), "left behind")
    assert len(list(store_folder(original).rglob("note.txt"))) == 2
    log(open_record(here), "here")
    assert notes(here) == ["first", "here", "left behind"]
    assert len(list(store_folder(original).rglob("note.txt"))) == 2


def test_other_locations_are_kept(original: Path, tmp_path: Path) -> None:
    client = connect(local_uri(original))
    team = tmp_path / "team" / ".statewright" / "mlflow" / "artifacts"
    team.mkdir(parents=True)  # a folder of artifacts that has no database
    kept = {"team": team.as_uri(), "other": (tmp_path / "data").as_uri(), "cloud": "s3://bucket/artifacts"}
    for name, location in kept.items():
        client.create_experiment(name, artifact_location=location)
    here = copied(original, tmp_path / "copy")
    open_record(here)
    client = connect(local_uri(here))
    assert {name: client.get_experiment_by_name(name).artifact_location for name in kept} == kept


def test_the_backup_restores_the_former_locations(original: Path, tmp_path: Path) -> None:
    here = copied(original, tmp_path / "copy")
    before, _ = content(here)
    (done,) = relocate_artifacts(here)
    assert content(here)[0] != before and done.changed == 5
    assert str(original) in str(done) and done.backup.name in str(done)
    with closing(sqlite3.connect(store_folder(here) / "mlflow.db")) as connection:
        connection.executescript(done.backup.read_text())
    assert content(here)[0] == before


def test_a_failure_in_the_middle_changes_nothing(original: Path, tmp_path: Path) -> None:
    here = copied(original, tmp_path / "copy")
    before, _ = content(here)
    with closing(sqlite3.connect(store_folder(here) / "mlflow.db")) as connection:
        connection.execute(
            "CREATE TRIGGER stop BEFORE UPDATE ON logged_models BEGIN SELECT RAISE(ABORT, 'stopped'); END"
        )
        with pytest.raises(sqlite3.IntegrityError, match="stopped"):
            relocate_artifacts(here)
        assert content(here)[0] == before
        connection.execute("DROP TRIGGER stop")
    assert len(relocate_artifacts(here)) == 1 and relocate_artifacts(here) == []


def test_files_that_wait_for_their_record_move_along(tmp_path: Path) -> None:
    root, here = tmp_path / "music", tmp_path / "copy"
    root.mkdir()
    (root / "out.txt").write_text("as it was")
    writer = Journal(root, {"uri": ""})
    writer.append({"do": "stage", "file": asdict(writer.hold(root / "out.txt"))})
    writer.close()
    shutil.copytree(root, here, copy_function=shutil.copy)  # with new times, as `cp -r`
    shutil.rmtree(root)
    (path,) = pending(here)
    _, message = messages(path, follow=False)
    held = read_held(message["file"], path)
    assert held.is_unchanged() and Path(held.path).read_text() == "as it was"
    assert Path(held.path).is_relative_to(here)
