"""Killed before any one of its changes to the disk, the engine leaves what the next run can go on from."""

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
from faults import FILES, Place, assert_cache_is_true, make_place
from toys import dvc_status, run_here, verdicts

from statewright.files import replacing

pytestmark = pytest.mark.slow
CHANGES = frozenset(
    {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
)
POINTS = int(os.environ.get("CRASH_POINTS", "8"))
"""How many of the moments are tried; each takes a second."""


def carry_out(place: Place, kill_at: int = 0) -> tuple[int, int]:
    """Do all the work in a child, killed before its change number `kill_at`: how it ended, changes made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.environ |= {"OUT": str(place.out), "PAUSE": "0"}
            made = _count_changes(str(place.root), kill_at)
            run_here(place.root)
            os.write(writing, str(made[0]).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as stream:
        made_in_all = int(stream.read() or 0)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), made_in_all


def _count_changes(root: str, kill_at: int) -> list[int]:
    made = [0]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        else:
            changes = event in CHANGES
        if changes and str(arguments[0]).startswith(root):
            made[0] += 1
            if made[0] == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, Any], int]:
    """What is recorded where nothing goes wrong, and after how many changes."""
    place = make_place(tmp_path_factory.mktemp("clean"))
    status, changes = carry_out(place)
    assert (status, place.started()) == (0, dict.fromkeys(place.recorded(), 1))
    assert changes > 40
    return place.recorded(), changes


@pytest.mark.parametrize("share", sorted(random.Random(3).random() for _ in range(POINTS)))
def test_killed_before_a_change(tmp_path: Path, clean: tuple[Mapping[str, Any], int], share: float) -> None:
    lock, changes = clean
    place = make_place(tmp_path)
    status, _ = carry_out(place, kill_at=1 + int(share * changes))
    assert status == -signal.SIGKILL
    recorded, before = place.recorded(), place.started()
    assert all(entry == lock[stage] for stage, entry in recorded.items())
    status, _ = carry_out(place)
    assert status == 0
    after = place.started()
    assert all(after[stage] == before[stage] == 1 for stage in recorded)
    assert sum(after.values()) <= len(lock) + 1
    assert {name: (place.root / name).read_text() for name in FILES} == FILES
    assert place.recorded() == lock
    assert_cache_is_true(place.root)
    assert dvc_status(place.root) == {}
    assert not [path for path in place.root.rglob("*.part") if ".dvc" not in path.parts]
    shutil.rmtree(place.root)


def test_a_run_cache_in_which_a_killed_process_left_no_entry(place: Place) -> None:
    """DVC makes the folder of an entry first, and cannot read one that is empty."""
    assert carry_out(place)[0] == 0
    for entry in (place.root / ".dvc" / "cache" / "runs").glob("*/*/*"):
        entry.unlink()
    (place.root / "dvc.lock").unlink()
    before = place.started()
    assert carry_out(place)[0] == 0
    assert place.started() - before == before
    assert dvc_status(place.root) == {}


@pytest.mark.parametrize("text", ["", "cmd: $OUT/step", "a: [b"])
def test_a_run_cache_in_which_a_killed_process_left_half_an_entry(place: Place, text: str) -> None:
    assert carry_out(place)[0] == 0
    for folder in (place.root / ".dvc" / "cache" / "runs").glob("*/*"):
        (folder / "tmp").write_text(text)
    (place.root / "source.txt").unlink()  # so that it is not known what the others will find
    assert verdicts(place.root)["source"] == "must"
    assert carry_out(place)[0] == 0
    assert place.started() == {"source": 2, "held": 1, "folder": 1, "open": 1, "join": 1}


def test_who_is_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
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
    with replacing(path) as temporary, replacing(path) as other:  # who lives is left alone
        temporary.write_text("new")
        other.write_text("newer")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
