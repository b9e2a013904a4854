"""Commands of a stage: log, last line, time limit, the whole process group."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statewright.environment import set_default
from statewright.running import process
from statewright.running.launcher import Launcher, open_launcher
from statewright.running.process import StageFailedError, run_commands


def shell(*lines: str) -> list[tuple[str, dict[str, Any]]]:
    return [(line, {"shell": True}) for line in lines]


def run(tmp_path: Path, *lines: str, **more: Any) -> str:
    run_commands("toy", shell(*lines), tmp_path / "logs" / "toy.log", **more)
    return (tmp_path / "logs" / "toy.log").read_bytes().decode()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """A launcher whose supervisor is up, so that time limits cover only commands."""
    with open_launcher() as launcher:
        run_commands("start", shell("true"), tmp_path / "start.log", launcher=launcher)
        yield launcher


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Any, seconds: float = 10) -> bool:
    """Wait for a condition for a limited time; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def test_output_goes_to_the_log_and_line_by_line_to_the_callback(tmp_path: Path) -> None:
    lines: list[str] = []
    text = run(
        tmp_path,
        "echo one; echo two >&2; printf '10%%\\r90%%\\r\\n'",
        "printf 'no newline'",
        watch=lambda finished, unfinished: lines.extend(finished),
    )
    assert text == "one\ntwo\n10%\r90%\r\nno newline"
    # Of a progress bar, the last state is the line; the last line needs no end.
    assert lines == ["one", "two", "90%", "no newline"]


def test_of_a_progress_bar_only_the_last_state_is_a_line(tmp_path: Path) -> None:
    lines: list[str] = []
    command = "for n in $(seq 3000); do printf '\\r%d%%' $n; done; printf '\\r\\033[31mdone\\r\\n'"
    run(tmp_path, command, watch=lambda finished, unfinished: lines.extend(finished))
    assert lines == ["done"]


def test_a_long_binary_last_line_is_cut_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as error:
        run(tmp_path, "printf '\\033[31mred\\000\\377'; head -c 3000000 /dev/zero | tr '\\0' x; exit 1")
    assert len(str(error.value)) < 1000
    assert "\x1b" not in str(error.value) and "\0" not in str(error.value)


def test_a_log_of_a_long_output_has_its_beginning_and_its_end(tmp_path: Path) -> None:
    """Print 30 MB; the log has at most 12 MB."""
    text = run(tmp_path, "seq 1 4000000")
    assert len(text) < 13 * 2**20
    head, marker, tail = text.partition("\n[statewright: ")
    dropped = int(tail.partition(" ")[0].replace(",", ""))
    tail = tail.partition("\n")[2]
    everything = "".join(f"{n}\n" for n in range(1, 4000001))
    assert marker and everything.startswith(head) and everything.endswith(tail)
    assert len(head) + dropped + len(tail) == len(everything)


def test_large_output_is_complete(tmp_path: Path) -> None:
    text = run(tmp_path, "seq 1 200000")
    assert text.splitlines() == [str(n) for n in range(1, 200001)]


def test_output_that_is_not_utf8_is_accepted(tmp_path: Path) -> None:
    lines: list[str] = []
    run_commands("toy", shell("printf '\\377\\n'"), tmp_path / "log", watch=lambda new, _: lines.extend(new))
    assert (tmp_path / "log").read_bytes() == b"\xff\n"
    assert lines == ["\ufffd"]


def test_the_end_of_a_command_is_noticed_without_polling(tmp_path: Path, launcher: Launcher) -> None:
    """Polling every 0.2 s would take at least 4 s."""
    started = time.monotonic()
    run(tmp_path, *["true"] * 20, launcher=launcher)
    assert time.monotonic() - started < 2


def test_the_error_of_a_failed_command_names_cause_and_log_and_the_next_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as error:
        run(tmp_path, "echo reading; echo no such song; exit 3", f"touch {tmp_path}/next")
    log = tmp_path / "logs" / "toy.log"
    assert str(error.value) == f"stage 'toy' ended with status 3: no such song; log: {log}"
    assert not (tmp_path / "next").exists()


def test_the_error_of_a_stage_function_is_quoted_from_its_first_line(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("reading\nstage 'toy': tune.parquet breaks Song:\n  pitch: 9\n")
    with pytest.raises(StageFailedError) as error:
        run(tmp_path, f"cat {output}; exit 1")
    log = tmp_path / "logs" / "toy.log"
    assert str(error.value) == (
        f"stage 'toy' ended with status 1: tune.parquet breaks Song:\n  pitch: 9; log: {log}"
    )


def test_children_of_a_failed_command_end_with_it(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError):
        run(tmp_path, f"(sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/child); exit 1")
    child = int((tmp_path / "child").read_text())
    assert wait_until(lambda: not is_alive(child))


def test_the_error_of_a_killed_command_names_the_signal(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError, match="stage 'toy' was killed by signal 9"):
        run(tmp_path, "kill -9 $$")


def test_a_command_has_empty_input_and_the_given_environment(tmp_path: Path) -> None:
    assert run(tmp_path, "cat; echo $SONG", environment={"SONG": "la"}) == "la\n"


def test_the_time_limit_ends_the_whole_group(tmp_path: Path, launcher: Launcher) -> None:
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, f"sleep 100 & echo $! > {tmp_path}/pid; sleep 100", timeout_s=1, launcher=launcher)
    assert 0.9 < time.monotonic() - started < 8
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_alive(pid))


def test_the_time_limit_holds_for_a_command_that_closes_its_output(
    tmp_path: Path, launcher: Launcher
) -> None:
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, "exec >&- 2>&-; sleep 100", timeout_s=1, launcher=launcher)
    assert time.monotonic() - started < 8


def stubborn(tmp_path: Path) -> str:
    """Return a command that ignores SIGTERM and writes its process id to a file."""
    return (
        f"trap '' TERM; echo $$ > {tmp_path}/pid.part; mv {tmp_path}/pid.part {tmp_path}/pid; "
        "while true; do sleep 0.1; done"
    )


def test_a_child_that_ignores_sigterm_ends_with_its_parent(tmp_path: Path) -> None:
    child = stubborn(tmp_path).replace("$", chr(92) + "$")
    with pytest.raises(StageFailedError, match="stage 'toy' was stopped"):
        run(tmp_path, f'sh -c "{child}" & sleep 100', timeout_s=60, cancelled=(tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_alive(pid))


def test_the_time_limit_covers_all_commands_together(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError, match="did not end within 1 s"):
        run(tmp_path, "sleep 0.7", "sleep 0.7", timeout_s=1)


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    with pytest.raises(StageFailedError, match="stage 'toy' was stopped"):
        run(tmp_path, stubborn(tmp_path), timeout_s=60, cancelled=(tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    assert wait_until(lambda: not is_alive(pid))


def test_a_cancelled_stage_is_stopped(tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(StageFailedError, match="stage 'toy' was stopped"):
        run(tmp_path, "sleep 100", cancelled=cancelled.is_set)
    assert time.monotonic() - started < 8


def test_a_stage_ends_although_a_background_child_holds_its_output_open(tmp_path: Path) -> None:
    started = time.monotonic()
    run(tmp_path, f"sleep 30 & echo $! > {tmp_path}/pid")
    assert time.monotonic() - started < 8
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_command_sees_the_caller_s_environment_and_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIRS", "1")
    monkeypatch.delenv("OURS_ALONE", raising=False)
    set_default("OURS_ALONE", "1")
    set_default("THEIRS", "2")
    try:
        log = tmp_path / "log"
        run_commands("stage", [("env", {"shell": True})], log)
        lines = log.read_text().splitlines()
        assert "THEIRS=1" in lines
        assert not [line for line in lines if line.startswith("OURS_ALONE")]
        assert f"PATH={os.environ['PATH']}" in lines
    finally:
        os.environ.pop("OURS_ALONE")


def test_a_process_with_many_open_files_starts_commands(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 < hard < 1200:
        pytest.skip(f"at most {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        assert run(tmp_path, "echo done") == "done\n"
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
