"""Small repositories for tests, and a run without Prefect and MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from statewright.planning.plan import Plan, decide
from statewright.repository import declaration as engine
from statewright.repository import lock_writer
from statewright.repository.observation import observe
from statewright.repository.pulling import fetch_run_cache
from statewright.repository.scope import select, targets
from statewright.request import EVERYTHING, Request
from statewright.running.process import run_commands
from statewright.workspace import control_folder

HERE = Path(__file__).parents[2]


def make_repository(root: Path, files: Mapping[str, str]) -> Path:
    """Create a git and DVC repository with `files`, nothing committed."""
    from dvc.repo import Repo

    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    Repo.init(str(root)).close()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    write(root, files)
    return root


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write `files`, each dedented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")


def commit(root: Path) -> str:
    """Commit everything and return the commit's hash."""
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "add", "--all"], cwd=root, check=True)
    subprocess.run(["git", *author, "commit", "--quiet", "-m", "toy"], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True)
    return head.stdout.strip()


def plan_of(root: Path, names: Sequence[str] = ()) -> Plan:
    """Return the plan for the current state of a repository."""
    repository = engine.open_repository(root)
    workflow = engine.declare(repository)
    return decide(workflow, observe(repository, workflow), targets(repository, names))


def verdicts(root: Path, names: Sequence[str] = ()) -> dict[str, str]:
    """Return the planned verdict of each stage."""
    return {address: decision.verdict for address, decision in plan_of(root, names).decisions.items()}


def run_here(
    root: Path, *, force: Sequence[str] = (), request: Request = EVERYTHING, track: bool = False
) -> dict[str, str]:
    """Run the planned stages one by one, as `transition` does; return the outcomes."""
    repository = engine.open_repository(root, request)
    control_folder(root / ".statewright")
    workflow = engine.declare(repository)
    if request.pull and request.run_cache:
        fetch_run_cache(repository)
    order = select(repository, request).order
    force = order if request.force else force
    plan = decide(workflow, observe(repository, workflow), order=order, force=force)
    writer = lock_writer.open_lock_writer(repository, list(dict.fromkeys([*order, *workflow.stages])))
    outcomes = {}
    for address in plan.work:
        outcomes[address] = status = lock_writer.begin(writer, address, force=address in force)
        if status == "ready":
            with lock_writer.hold_paths(writer, address):
                log = root / ".statewright" / f"{address.replace('/', '_')}.log"
                run_commands(address, lock_writer.command_lines(repository, address), log)
                lock_writer.finish(writer, address)
            outcomes[address] = "ran"
    if track:
        lock_writer.track_changes(repository)
    return outcomes


def dvc(root: Path, *arguments: str) -> int:
    """Run DVC's command line in this process and return the exit status."""
    from dvc.cli import main

    with inside(root):
        return int(main([*arguments]))


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Change to `folder` in the block; DVC names stages by the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def dvc_status(root: Path, *, check_updates: bool = True) -> dict[str, Any]:
    """Return the report of ``dvc status``; empty if all is up to date."""
    from dvc.repo import Repo

    with inside(root), Repo(str(root)) as repo:
        return dict(repo.status(check_updates=check_updates))


def statewright(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run ``statewright`` in the folder `root` as a new process."""
    settings = {**os.environ, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
    return subprocess.run(
        [sys.executable, "-m", "statewright", *arguments],
        cwd=root,
        env=settings,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def lock_files(root: Path) -> dict[str, bytes]:
    """Return the bytes of each `dvc.lock`."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("dvc.lock"))}
