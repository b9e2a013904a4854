"""A small repository whose stages can be made to fail in every way, and what must hold after each."""

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
# step STAGE OUTPUT INPUT...: writes in two halves; between them stands whatever a test has laid down
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
"""Of both sorts: DVC's run cache can hold `held`, `folder` and `join`; neither `source` nor `open`."""


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


@dataclass(frozen=True)
class Place:
    """The repository, and a folder outside of it in which its stages note what they do."""

    root: Path
    out: Path

    def environment(self, more: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """What processes of this place are started with; None takes a variable away."""
        settings = {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", "OUT": str(self.out), **(more or {})}
        return {key: value for key, value in {**os.environ, **settings}.items() if value is not None}

    def start(self, *arguments: str, more: Mapping[str, str | None] | None = None, **keywords: Any) -> Run:
        """Start ``statewright run``, or another command of Python's, and do not wait for it."""
        command = [sys.executable, "-m", *(arguments or ("statewright", "run"))]
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
        """Status and output of ``statewright run``."""
        return self.start(more=more, **keywords).end()

    def fault(self, stage: str, script: str) -> None:
        """Have a stage do something between its two halves."""
        (self.out / f"fault.{stage}").write_text(script + "\n")

    def hold(self, stage: str, then: str = "sleep 60") -> Path:
        """Have a stage say that it has come half of the way, and stop there."""
        self.fault(stage, f"touch $OUT/at.{stage}; {then}")
        return self.out / f"at.{stage}"

    def mend(self) -> None:
        """Let all stages be."""
        for path in [*self.out.glob("fault.*"), *self.out.glob("at.*")]:
            path.unlink()

    def started(self) -> Counter[str]:
        """How often each stage has been started."""
        return Counter(_lines(self.out / "started"))

    def finished(self) -> list[str]:
        """Stages in the order in which they came to their end."""
        return _lines(self.out / "finished")

    def recorded(self) -> dict[str, Any]:
        """Entries of `dvc.lock`."""
        path = self.root / "dvc.lock"
        return dict(yaml.safe_load(path.read_text())["stages"]) if path.exists() else {}

    def processes(self) -> list[psutil.Process]:
        """All processes that were started for this place and live."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def process(self, word: str) -> psutil.Process:
        """The process with a word in its command line."""
        (found,) = (p for p in self.processes() if word in command(p))
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("OUT") == str(self.out) and process.status() != "zombie"
        except psutil.Error:
            return False


@dataclass(frozen=True)
class Run:
    """A command that was started."""

    process: subprocess.Popen[str]

    def end(self, timeout: float = 120) -> tuple[int, str]:
        """Wait for its end: status, and what it said."""
        try:
            said, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, said

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.process.communicate()


def make_place(folder: Path) -> Place:
    """A fresh repository in which nothing has run."""
    out = folder / "out"
    out.mkdir(parents=True)
    (out / "step").write_text(STEP)
    (out / "step").chmod(0o755)
    root = make_repository(folder / "repo", {"dvc.yaml": STAGES})
    commit(root)
    return Place(root, out)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def assert_next_run_finishes(
    place: Place, lock: Mapping[str, Any], *done: str, more: Mapping[str, str | None] | None = None
) -> None:
    """The next run finishes the work, and starts none of the stages that were finished (`done` at least)."""
    recorded = set(place.recorded())
    assert set(done) <= recorded
    before = place.started()
    status, said = place.run(more)
    assert status == 0, said
    after = place.started()
    assert {stage: after[stage] for stage in recorded} == {stage: before[stage] for stage in recorded}
    assert all(after[stage] <= before[stage] + 1 for stage in lock)
    assert_sound(place, lock)


def assert_sound(place: Place, lock: Mapping[str, Any]) -> None:
    """All is done and recorded, as a plain ``dvc repro`` would have it; nothing and nobody is left behind."""
    assert {name: (place.root / name).read_text() for name in FILES} == FILES
    assert place.recorded() == lock
    assert_cache_is_true(place.root)
    assert_locks_are_free(place.root)
    assert place.processes() == []
    before = place.started()
    assert dvc_status(place.root) == {}
    assert dvc(place.root, "repro", "--quiet") == 0
    assert place.started() == before
    assert untracked(place.root) == []


def assert_cache_is_true(root: Path) -> None:
    """Whatever the cache has taken in lies there under its own hash."""
    held = [path for path in (root / ".dvc/cache/files/md5").glob("??/*") if path.suffix in ("", ".dir")]
    assert held
    for path in held:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert path.parent.name + path.name.removesuffix(".dir") == digest


def assert_locks_are_free(root: Path) -> None:
    """No lock of DVC's, nor of ours, is held."""
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
    """Files that git would take for a person's, but for what stages make."""
    command = ["git", "ls-files", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in found if name not in (*FILES, "dvc.lock") and Path(name).name != ".gitignore"]


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def command(process: psutil.Process) -> list[str]:
    """Its command line; empty if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
