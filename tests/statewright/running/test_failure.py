"""The text of a failed stage: the traceback's end and the log's path, once."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from statewright.running.failure import MOST_LINES, print_failure
from statewright.running.process import StageFailedError, run_commands

DEEP = """
def f(n):
    return f(n - 1) + 1 if n else open('no such song')


print('reading')
f({depth})
"""


def printed_failure(tmp_path: Path, script: str) -> tuple[list[str], Path]:
    """Run a Python script as the stage `toy`; return the printed lines and the log."""
    log, path = tmp_path / "toy.log", tmp_path / "script.py"
    path.write_text(script)
    with pytest.raises(StageFailedError) as error:
        run_commands("toy", [([sys.executable, str(path)], {"cwd": str(tmp_path)})], log)
    console = Console(file=io.StringIO(), width=60)
    print_failure(str(error.value), console)
    return console.file.getvalue().splitlines(), log  # type: ignore[attr-defined]


def test_a_traceback_is_printed_from_its_beginning(tmp_path: Path) -> None:
    lines, log = printed_failure(tmp_path, DEEP.format(depth=0))
    assert lines[0] == "stage 'toy' ended with status 1:"
    assert lines[1] == "  | Traceback (most recent call last):"
    assert lines[-2] == "  | FileNotFoundError: [Errno 2] No such file or directory: 'no such song'"
    assert lines[-1] == f"log: {log}"
    text = "\n".join(lines)
    assert "reading" not in text
    assert (text.count(str(log)), text.count("FileNotFoundError")) == (1, 1)
    # The block is exactly the end of the log, which Python itself has written.
    block = [line.removeprefix("  | ") for line in lines[1:-1]]
    assert [line.rstrip() for line in log.read_text().splitlines()][-len(block) :] == block


def test_of_a_long_output_the_end_is_printed(tmp_path: Path) -> None:
    lines, _ = printed_failure(tmp_path, "import sys\nfor i in range(100): print(i)\nsys.exit(3)")
    block = lines[1:-1]
    assert len(block) == MOST_LINES
    assert block[0] == f"  | ... {100 - MOST_LINES + 1} earlier lines are in the log"
    assert block[1:] == [f"  | {n}" for n in range(100 - MOST_LINES + 1, 100)]


def test_an_error_of_one_line_stays_one_line(tmp_path: Path) -> None:
    lines, log = printed_failure(tmp_path, "import sys; sys.exit('no [red]song')")
    assert lines == [f"stage 'toy' ended with status 1: no [red]song; log: {log}"]


def test_the_sentences_of_a_stage_function_stay_as_they_are(tmp_path: Path) -> None:
    script = "import sys; print('reading'); sys.exit(\"stage 'toy': a breaks B:\\n  pitch: 9\")"
    lines, log = printed_failure(tmp_path, script)
    assert lines == ["stage 'toy' ended with status 1: a breaks B:", f"  pitch: 9; log: {log}"]


def test_without_a_log_the_error_is_printed(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    print_failure(f"stage 'toy' was stopped; log: {tmp_path / 'none'}", console)
    assert console.file.getvalue() == f"stage 'toy' was stopped; log: {tmp_path / 'none'}\n"  # type: ignore[attr-defined]
