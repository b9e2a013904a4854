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
from toys import dvc_status, run_here

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
