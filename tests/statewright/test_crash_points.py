"""The next run resumes after a kill before any single change of the disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from faults import FILES, Sandbox, assert_cache_is_true, make_sandbox
from toys import dvc_status, run_here, verdicts

from statewright.files import replacing

pytestmark = pytest.mark.slow
CHANGES = frozenset(
    {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
)
POINTS = int(os.environ.get("CRASH_POINTS", "8"))
"""Number of moments that are tested; each takes a second."""


def carry_out(sandbox: Sandbox, kill_at: int = 0) -> tuple[int, int]:
    """Run all stages in a child process that is killed before change `kill_at`.

    Returns
    -------
    int, int
        The exit status of the child, and its number of changes; 0 if it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ |= {"OUT": str(sandbox.out), "PAUSE": "0"}
            count = _count_changes(str(sandbox.root), kill_at)
            run_here(sandbox.root)
            os.write(writing, str(count[0]).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as stream:
        changes = int(stream.read() or 0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), changes


def _count_changes(root: str, kill_at: int) -> list[int]:
    """Count the changes below `root` in this process, in a list of one number."""
    count = [0]

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        else:
            changes = event in CHANGES
        if changes and str(arguments[0]).startswith(root):
            count[0] += 1
            if count[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    return count


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return make_sandbox(tmp_path)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, Any], int]:
    """The record of a run without a kill, and its number of changes."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("clean"))
    status, changes = carry_out(sandbox)
    assert (status, sandbox.started()) == (0, dict.fromkeys(sandbox.recorded(), 1))
    assert changes > 40
    return sandbox.recorded(), changes


@pytest.mark.parametrize("share", sorted(random.Random(3).random() for _ in range(POINTS)))
def test_the_next_run_resumes_after_a_kill_before_a_change(
    tmp_path: Path, clean: tuple[Mapping[str, Any], int], share: float
) -> None:
    lock, changes = clean
    sandbox = make_sandbox(tmp_path)
    status, _ = carry_out(sandbox, kill_at=1 + int(share * changes))
    assert status == -signal.SIGKILL
    recorded, before = sandbox.recorded(), sandbox.started()
    assert all(entry == lock[stage] for stage, entry in recorded.items())
    status, _ = carry_out(sandbox)
    assert status == 0
    after = sandbox.started()
    assert all(after[stage] == before[stage] == 1 for stage in recorded)
    assert sum(after.values()) <= len(lock) + 1
    assert {name: (sandbox.root / name).read_text() for name in FILES} == FILES
    assert sandbox.recorded() == lock
    assert_cache_is_true(sandbox.root)
    assert dvc_status(sandbox.root) == {}
    assert not [path for path in sandbox.root.rglob("*.part") if ".dvc" not in path.parts]
    shutil.rmtree(sandbox.root)


def test_an_empty_folder_of_the_run_cache_is_ignored(sandbox: Sandbox) -> None:
    """Ignore the folder that a killed DVC leaves, and that DVC cannot read."""
    assert carry_out(sandbox)[0] == 0
    for entry in (sandbox.root / ".dvc" / "cache" / "runs").glob("*/*/*"):
        entry.unlink()
    (sandbox.root / "dvc.lock").unlink()
    before = sandbox.started()
    assert carry_out(sandbox)[0] == 0
    assert sandbox.started() - before == before
    assert dvc_status(sandbox.root) == {}


@pytest.mark.parametrize("text", ["", "cmd: $OUT/step", "a: [b"])
def test_an_incomplete_entry_of_the_run_cache_is_ignored(sandbox: Sandbox, text: str) -> None:
    assert carry_out(sandbox)[0] == 0
    for folder in (sandbox.root / ".dvc" / "cache" / "runs").glob("*/*"):
        (folder / "tmp").write_text(text)
    (sandbox.root / "source.txt").unlink()  # so that the inputs of the other stages are unknown
    assert verdicts(sandbox.root)["source"] == "must"
    assert carry_out(sandbox)[0] == 0
    assert sandbox.started() == {"source": 2, "held": 1, "folder": 1, "open": 1, "join": 1}


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text("old")
    child = os.fork()
    if child == 0:
        with replacing(path) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with replacing(path) as temporary, replacing(path) as second:  # the file of a live process is not removed
        temporary.write_text("new")
        second.write_text("newer")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
