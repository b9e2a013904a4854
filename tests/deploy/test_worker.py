"""The script of the worker: clone once, update, deploy, start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.composition import DEPLOY

COMMIT = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "text"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A repository to clone, and a `prefect` that writes down how it is called."""
    upstream = tmp_path / "upstream"
    subprocess.run(["git", "init", "-q", "-b", "main", upstream], check=True)
    add(upstream, "first")
    program = tmp_path / "bin" / "prefect"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$PWD: $*" >> {tmp_path}/calls\n[ "$2" != inspect ]\n')
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "WORK_FOLDER": str(tmp_path),
        "REPOSITORY_URL": str(upstream),
        "REPOSITORY_BRANCH": "main",
        "GIT_TOKEN": "token-of-this-test",
        "WORK_POOL": "local",
    }


def add(repository: Path, name: str) -> None:
    (repository / name).touch()
    subprocess.run(["git", "add", name], cwd=repository, check=True)
    subprocess.run(COMMIT, cwd=repository, check=True)


def start(environment: dict[str, str]) -> str:
    script = DEPLOY / "settings" / "worker.sh"
    done = subprocess.run([script], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_flows_are_deployed_and_the_worker_starts(tmp_path: Path, environment: dict[str, str]) -> None:
    start(environment)
    checkout = tmp_path / "repository"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        f"{checkout}: work-pool inspect local",
        f"{checkout}: work-pool create local --type process",
        f"{checkout}: --no-prompt deploy --all",
        f"{checkout}: worker start --pool local --type process --with-healthcheck",
    ]
    for file in (*checkout.glob(".git/*"), *(tmp_path / "home").glob(".*")):
        assert not file.is_file() or environment["GIT_TOKEN"] not in file.read_text(errors="replace")
    asked = subprocess.run(
        ["git", "credential", "fill"],
        input="protocol=https\nhost=example.org\n\n",
        env=environment,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"password={environment['GIT_TOKEN']}" in asked.stdout.splitlines()


def test_a_restart_updates_the_checkout_and_keeps_changes(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    start(environment)
    add(tmp_path / "upstream", "second")
    assert start(environment) == ""
    assert (tmp_path / "repository" / "second").exists()
    add(tmp_path / "repository", "own")
    add(tmp_path / "upstream", "third")
    assert "the checkout is not updated; push or reset its changes" in start(environment)
    assert (tmp_path / "repository" / "own").exists()
