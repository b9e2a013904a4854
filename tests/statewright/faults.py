"""A small repository with stages that can fail, and checks after each failure."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from toys import commit, dvc, dvc_status, make_repository

STEP = """#!/bin/sh
# step STAGE OUTPUT INPUT...: write the output in two halves, and between them run the fault of a test
stage=$1; to=$2; shift 2
echo $stage >> $OUT/started
mkdir -p "$(dirname $to)"
cat /dev/null "$@" > $to; echo "$stage begins" >> $to
sleep ${PAUSE:-0.2}
if [ -e $OUT/fault.$stage ]; then . $OUT/fault.$stage; fi
echo "$stage ends" >> $to
echo $stage >> $OUT/finished
"""
STAGES = """
stages:
  source: {cmd: $OUT/step source source.txt, outs: [source.txt]}
  held: {cmd: $OUT/step held held.txt source.txt, deps: [source.txt], outs: [held.txt], meta: {timeout_s: 60}}
  folder: {cmd: $OUT/step folder folder/part source.txt && true, deps: [source.txt], outs: [folder]}
  open:
    cmd: $OUT/step open open.txt source.txt
    deps: [source.txt]
    outs: [open.txt: {cache: false}]
    meta: {timeout_s: 60}
  join:
    cmd:
    - $OUT/step join join.txt held.txt folder/part open.txt
    - 'echo "{\\"lines\\": $(wc -l < join.txt)}" > join.json'
    deps: [held.txt, folder, open.txt]
    outs: [join.txt]
    metrics: [join.json: {cache: false}]
"""
"""DVC's run cache can hold `held`, `folder` and `join`, but neither `source` nor `open`."""


def _made(stage: str, *inputs: str) -> str:
    return "".join(inputs) + f"{stage} begins\n{stage} ends\n"


SOURCE = _made("source")
_MIDDLE = [_made(stage, SOURCE) for stage in ("held", "folder", "open")]
FILES = {
    "source.txt": SOURCE,
    **dict(zip(("held.txt", "folder/part", "open.txt"), _MIDDLE, strict=True)),
    "join.txt": _made("join", *_MIDDLE),
    "join.json": '{"lines": 14}\n',
}


RECORDER, REPORTER = "statewright.running.recording", "statewright.running.prefect_reporter"


@dataclass(frozen=True)
class Sandbox:
    """A repository, and a folder outside of it in which its stages write a protocol."""

    root: Path
    out: Path

    def environment(self, more: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the environment of a process; None in `more` removes a variable."""
        settings = {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", "OUT": str(self.out), **(more or {})}
        return {key: value for key, value in {**os.environ, **settings}.items() if value is not None}

    def start(self, *arguments: str, more: Mapping[str, str | None] | None = None, **keywords: Any) -> Run:
        """Start ``statewright run``, or another Python module, without waiting for it."""
        command = [sys.executable, "-m", *(arguments or ("statewright", "run", "--workers", "2"))]
        return Run(
            subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment(more),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                **keywords,
            )
        )

    def run(self, more: Mapping[str, str | None] | None = None, **keywords: Any) -> tuple[int, str]:
        """Run ``statewright run`` and return its status and output."""
        return self.start(more=more, **keywords).end()

    def fault(self, stage: str, script: str) -> None:
        """Let a stage run a script between its two halves."""
        (self.out / f"fault.{stage}").write_text(script + "\n")

    def hold(self, stage: str, then: str = "sleep 60") -> Path:
        """Let a stage stop half-way, and return the file that it creates there."""
        self.fault(stage, f"touch $OUT/at.{stage}; {then}")
        return self.out / f"at.{stage}"

    def clear_faults(self) -> None:
        """Remove all faults."""
        for path in [*self.out.glob("fault.*"), *self.out.glob("at.*")]:
            path.unlink()

    def started(self) -> Counter[str]:
        """Return how often each stage has been started."""
        return Counter(_lines(self.out / "started"))

    def finished(self) -> list[str]:
        """Return the stages in the order in which they ended."""
        return _lines(self.out / "finished")

    def recorded(self) -> dict[str, Any]:
        """Return the entries of `dvc.lock`."""
        path = self.root / "dvc.lock"
        return dict(yaml.safe_load(path.read_text())["stages"]) if path.exists() else {}

    def processes(self) -> list[psutil.Process]:
        """Return the processes of this repository that are alive.

        Those that tell MLflow and Prefect of a run are not among them: they may outlive it.
        """
        alive = [process for process in psutil.process_iter() if self._is_ours(process)]
        return [process for process in alive if not {RECORDER, REPORTER} & {*command(process)}]

    def recorders(self) -> list[psutil.Process]:
        """Return the processes that write to MLflow."""
        alive = [process for process in psutil.process_iter() if self._is_ours(process)]
        return [process for process in alive if RECORDER in command(process)]

    def process(self, word: str) -> psutil.Process:
        """Return the process with a word in its command line."""
        (process,) = (p for p in self.processes() if word in command(p))
        return process

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("OUT") == str(self.out) and process.status() != "zombie"
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Run:
    """A started command."""

    process: subprocess.Popen[str]

    def end(self, timeout: float = 120) -> tuple[int, str]:
        """Wait for its end and return status and output."""
        try:
            output, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, output

    def kill(self) -> None:
        """Kill the command with SIGKILL and wait for its end."""
        self.process.kill()
        self.process.communicate()


def make_sandbox(folder: Path) -> Sandbox:
    """Create a repository in which no stage has run."""
    out = folder / "out"
    out.mkdir(parents=True)
    (out / "step").write_text(STEP)
    (out / "step").chmod(0o755)
    root = make_repository(folder / "repo", {"dvc.yaml": STAGES})
    commit(root)
    return Sandbox(root, out)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until a condition holds, and fail after a time limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.01)


def assert_next_run_finishes(
    sandbox: Sandbox, lock: Mapping[str, Any], *done: str, more: Mapping[str, str | None] | None = None
) -> None:
    """Check that the next run completes the work and repeats no finished stage.

    The stages `done`, and maybe others, are finished.
    """
    recorded = set(sandbox.recorded())
    assert set(done) <= recorded
    before = sandbox.started()
    status, output = sandbox.run(more)
    assert status == 0, output
    after = sandbox.started()
    assert {stage: after[stage] for stage in recorded} == {stage: before[stage] for stage in recorded}
    assert all(after[stage] <= before[stage] + 1 for stage in lock)
    assert_sound(sandbox, lock)


def assert_sound(sandbox: Sandbox, lock: Mapping[str, Any]) -> None:
    """Check that files and records are those of ``dvc repro``, with no leftovers."""
    assert {name: (sandbox.root / name).read_text() for name in FILES} == FILES
    assert sandbox.recorded() == lock
    assert_cache_is_true(sandbox.root)
    assert_locks_are_free(sandbox.root)
    assert sandbox.processes() == []
    before = sandbox.started()
    assert dvc_status(sandbox.root) == {}
    assert dvc(sandbox.root, "repro", "--quiet") == 0
    assert sandbox.started() == before
    assert untracked(sandbox.root) == []


def assert_cache_is_true(root: Path) -> None:
    """Check that each file of the cache is stored under its own hash."""
    files = [path for path in (root / ".dvc/cache/files/md5").glob("??/*") if path.suffix in ("", ".dir")]
    assert files
    for path in files:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert path.parent.name + path.name.removesuffix(".dir") == digest


def assert_locks_are_free(root: Path) -> None:
    """Check that no lock of DVC or of the engine is held."""
    rwlock = root / ".dvc/tmp/rwlock"
    assert not rwlock.exists() or not any(json.loads(rwlock.read_text()).values())
    for path in (
        root / ".dvc/tmp/lock",
        root / ".statewright/run.lock",
        root / ".statewright/working.lock",
    ):
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def untracked(root: Path) -> list[str]:
    """Return the untracked files that are not outputs of stages."""
    command = ["git", "ls-files", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in names if name not in (*FILES, "dvc.lock") and Path(name).name != ".gitignore"]


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def command(process: psutil.Process) -> list[str]:
    """Return the command line of a process; empty if it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
