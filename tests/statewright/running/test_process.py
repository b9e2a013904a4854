"""Commands of a stage: log, last line, time limit, the whole process group."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from statewright.running import process
from statewright.running.process import StageFailedError, activated, run_commands


def shell(*lines: str) -> list[tuple[str, dict[str, Any]]]:
    return [(line, {"shell": True}) for line in lines]


def run(tmp_path: Path, *lines: str, **more: Any) -> str:
    run_commands("toy", shell(*lines), tmp_path / "logs" / "toy.log", **more)
    return (tmp_path / "logs" / "toy.log").read_bytes().decode()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Any, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_all_output_goes_to_the_log_and_line_by_line_to_the_watcher(tmp_path: Path) -> None:
    seen: list[str] = []
    text = run(
        tmp_path,
        "echo one; echo two >&2; printf '10%%\\r90%%\\r\\n'",
        "printf 'no newline'",
        watch=seen.append,
    )
    assert text == "one\ntwo\n10%\r90%\r\nno newline"
    assert seen[:4] == ["one", "two", "10%", "90%"]


def test_much_output_is_kept_whole(tmp_path: Path) -> None:
    text = run(tmp_path, "seq 1 200000")
    assert text.splitlines() == [str(n) for n in range(1, 200001)]


def test_output_that_is_not_utf8_is_no_obstacle(tmp_path: Path) -> None:
    seen: list[str] = []
    run_commands("toy", shell("printf '\\377\\n'"), tmp_path / "log", watch=seen.append)
    assert (tmp_path / "log").read_bytes() == b"\xff\n"
    assert seen == ["\ufffd"]


def test_the_end_of_a_command_is_seen_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    run(tmp_path, *["true"] * 20)
    assert time.monotonic() - started < 2


def test_a_command_that_fails_is_named_with_cause_and_log_and_the_next_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as error:
        run(tmp_path, "echo reading; echo no such song; exit 3", f"touch {tmp_path}/next")
    log = tmp_path / "logs" / "toy.log"
    assert str(error.value) == f"stage 'toy' ended with status 3: no such song; log: {log}"
    assert not (tmp_path / "next").exists()


def test_a_stage_of_ours_is_quoted_from_where_its_error_begins(tmp_path: Path) -> None:
    said = tmp_path / "said"
    said.write_text("reading\nstage 'toy': tune.parquet breaks Song:\n  pitch: 9\n")
    with pytest.raises(StageFailedError) as error:
        run(tmp_path, f"cat {said}; exit 1")
    log = tmp_path / "logs" / "toy.log"
    assert str(error.value) == (
        f"stage 'toy' ended with status 1: tune.parquet breaks Song:\n  pitch: 9; log: {log}"
    )


def test_what_a_failed_command_had_started_ends_with_it(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError):
        run(tmp_path, f"(sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/child); exit 1")
    child = int((tmp_path / "child").read_text())
    assert wait_until(lambda: not is_alive(child))


def test_a_command_that_is_killed_says_by_what(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError, match="stage 'toy' was killed by signal 9"):
        run(tmp_path, "kill -9 $$")


def test_a_command_gets_no_input_and_the_environment_given(tmp_path: Path) -> None:
    assert run(tmp_path, "cat; echo $SONG", environment={"SONG": "la"}) == "la\n"


def test_the_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, f"sleep 100 & echo $! > {tmp_path}/pid; sleep 100", timeout_s=1)
    assert 0.9 < time.monotonic() - started < 8
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_alive(pid))


def test_the_time_limit_holds_for_who_has_closed_the_output(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, "exec >&- 2>&-; sleep 100", timeout_s=1)
    assert time.monotonic() - started < 8


def test_a_child_that_does_not_listen_ends_with_its_parent(tmp_path: Path) -> None:
    child = f"trap '' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.1; done"
    with pytest.raises(StageFailedError, match="did not end"):
        run(tmp_path, f'sh -c "{child.replace("$", chr(92) + "$")}" & sleep 100', timeout_s=0.5)
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_alive(pid))


def test_the_time_limit_counts_over_all_commands(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, "sleep 0.7", "sleep 0.7", timeout_s=1)


def test_who_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    with pytest.raises(StageFailedError, match="did not end"):
        run(
            tmp_path, f"trap '' TERM; echo $$ > {tmp_path}/pid; while true; do sleep 0.1; done", timeout_s=0.5
        )
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_stage_that_was_cancelled_is_stopped(tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="stage 'toy' was stopped"):
        run(tmp_path, "sleep 100", cancelled=cancelled.is_set)
    assert time.monotonic() - started < 8


def test_a_child_left_behind_does_not_hold_the_stage_up(tmp_path: Path) -> None:
    """It has the pipe open still; the stage has ended nevertheless."""
    started = time.monotonic()
    run(tmp_path, f"sleep 30 & echo $! > {tmp_path}/pid")
    assert time.monotonic() - started < 8
    os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="needs a virtual environment")
def test_our_environment_is_found_first_unless_another_is_active() -> None:
    ours = activated({"PATH": "/usr/bin"})
    assert ours["PATH"].split(os.pathsep) == [str(Path(sys.prefix) / "bin"), "/usr/bin"]
    assert ours["VIRTUAL_ENV"] == sys.prefix
    other = {"PATH": "/usr/bin", "CONDA_PREFIX": "/opt/conda"}
    assert activated(other) == other
