"""Findings of `statewright doctor` and their remedies."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest
from toys import make_repository

from statewright.doctor import Finding, examine


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(
        tmp_path_factory.mktemp("doctor") / "repo",
        {"dvc.yaml": "stages:\n  one: {cmd: echo 1 > one, outs: [one]}\n"},
    )
    (root / "data").mkdir()
    return root


def by_subject(directory: Path) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(directory)}


def test_a_healthy_repository_passes_every_check(repo: Path) -> None:
    findings = by_subject(repo)
    assert all(finding.ok for finding in findings.values()), findings
    assert findings["dvc.yaml"].text == "1 stage"
    assert findings["prefect"].text == importlib.metadata.version("prefect")
    assert {"./", ".dvc/", "data/"} <= set(findings)
    assert findings["MLflow"].text == "SQLite under .statewright/mlflow/"


def test_a_folder_without_a_repository_is_reported(tmp_path: Path) -> None:
    finding = by_subject(tmp_path)["dvc.yaml"]
    assert not finding.ok and "dvc init" in finding.text


def test_a_package_that_is_missing_or_too_new_is_reported(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "mlflow-skinny":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"fastapi": "0.151.0"}.get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    findings = by_subject(repo)
    assert not findings["mlflow-skinny"].ok and "uv tool install" in findings["mlflow-skinny"].text
    assert not findings["fastapi"].ok and "fastapi<0.151" in findings["fastapi"].text


def test_a_server_that_answers_and_one_that_does_not(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
        assert by_subject(repo)["Prefect"] == Finding(True, "Prefect", f"http://127.0.0.1:{port}/api answers")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    finding = by_subject(repo)["MLflow"]
    assert not finding.ok and "does not answer" in finding.text


def test_a_folder_that_is_not_writable_is_reported(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    finding = by_subject(repo)["data/"]
    assert not finding.ok and "is not writable" in finding.text
