"""Number of lines in a real terminal: about N + 2 for N stages."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyte
import pytest
from toys import HERE, make_repository

LINES, COLUMNS = 200, 120
DECLARATION = """
    stages:
      folder:
        cmd: mkdir many && for i in $(seq 300); do echo $i > many/$i; done
        outs: [many]
      large:
        cmd: head -c 30000000 /dev/zero > large
        outs: [large]
      counted:
        cmd: ls many | wc -l > counted
        deps: [many, large]
        outs: [counted]
    """


FAILING = """
    stages:
      talks:
        cmd: >-
          for i in 1 2 3; do echo ":smile: [red]$i"; done; printf '10%%\\r20%%\\r'; echo 1 > talks
        outs: [talks]
      fails:
        cmd: echo reading; echo no such song >&2; exit 3
        deps: [talks]
        outs: [never]
      needs:
        cmd: cp never needs
        deps: [never]
        outs: [needs]
    """


def screen_after(command: list[str], folder: Path, *, status: int = 0, height: int = LINES) -> list[str]:
    """Return the lines that a command leaves on a terminal's screen and above it."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", height, COLUMNS, 0, 0))
    # A caller's LINES and COLUMNS would win over the size of the terminal.
    environment = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
    environment |= {"TERM": "xterm", "PYTHONPATH": str(HERE)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    screen = pyte.HistoryScreen(COLUMNS, height, history=1000)
    stream = pyte.ByteStream(screen)
    while True:
        try:
            printed = os.read(outer, 65536)
        except OSError:  # Linux ends the reading of a terminal so
            break
        if not printed:
            break
        stream.feed(printed)
    os.close(outer)
    above = ["".join(line[column].data for column in range(COLUMNS)) for line in screen.history.top]
    lines = [line.rstrip() for line in (*above, *screen.display)]
    assert process.wait(60) == status, "\n".join(lines)
    return [line for line in lines if line]


@pytest.mark.end_to_end
def test_the_table_is_all_that_a_run_leaves(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(tmp_path, {"dvc.yaml": DECLARATION})
    lines = screen_after([sys.executable, "-m", "statewright", "run"], root)
    text = "\n".join(lines)
    # One line of the plan; the table of three stages with a heading; a closing line.
    assert len(lines) <= 1 + (3 + 1) + 1, text
    assert lines[0] == "3 stages will run: nothing has been run here before"
    assert "file/s" not in text
    assert "it/s" not in text
    assert "3 ran" in lines[-1]


@pytest.mark.end_to_end
@pytest.mark.parametrize("verbose", [False, True])
def test_an_error_is_printed_once(tmp_path: Path, verbose: bool) -> None:
    root = make_repository(tmp_path, {"dvc.yaml": FAILING, ".statewright.toml": 'prefect = "never"\n'})
    options = ["-v"] if verbose else []
    lines = screen_after([sys.executable, "-m", "statewright", "run", *options], root, status=1)
    text = "\n".join(lines)
    assert text.count("ended with status 3") == 1, text
    assert text.count("no such song") == 1 + verbose, text
    output = [line for line in lines if line.startswith(("talks | ", "fails | "))]
    expected = [*(f"talks | :smile: [red]{n}" for n in (1, 2, 3)), "talks | 20%"]
    assert output == ([*expected, "fails | reading", "fails | no such song"] if verbose else []), text
    # The plan; the table and its heading; counts, error, its two lines of output, log (wrapped) and advice.
    others = [line for line in lines if line not in output]
    assert len(others) <= 1 + (3 + 1) + 8, text
    error = text[text.index("stage 'fails' ended") :]
    assert error.startswith("stage 'fails' ended with status 3:\n  | reading\n  | no such song\nlog: ")
    assert error.count(".log") == 1
    log = error.replace("\n", "").partition("log: ")[2].partition(".log")[0] + ".log"
    assert Path(log).read_text() == "reading\nno such song\n"


@pytest.mark.end_to_end
def test_a_quiet_run_prints_errors_only(tmp_path: Path) -> None:
    root = make_repository(tmp_path, {"dvc.yaml": FAILING, ".statewright.toml": 'prefect = "never"\n'})
    command = [sys.executable, "-m", "statewright", "run", "-q"]
    assert screen_after([*command, "talks"], root) == []
    text = "".join(screen_after(command, root, status=1))
    assert text.startswith("stage 'fails' ended with status 3:  | reading  | no such songlog: ")
    assert text.count("log: ") == 1 and text.endswith(".log")


@pytest.mark.end_to_end
def test_a_table_that_is_longer_than_the_screen_is_left_once(tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(15)]
    stages = "".join(f"  {name}: {{cmd: echo 1 > {name}; sleep 0.1, outs: [{name}]}}\n" for name in names)
    root = make_repository(
        tmp_path, {"dvc.yaml": f"stages:\n{stages}", ".statewright.toml": 'prefect = "never"\n'}
    )
    lines = screen_after([sys.executable, "-m", "statewright", "run", "--workers", "2"], root, height=8)
    text = "\n".join(lines)
    assert [line.split()[:2] for line in lines[2:-1]] == [[name, "ran"] for name in names], text
    assert len(lines) == 15 + 3, text


@pytest.mark.end_to_end
def test_a_failed_run_is_listed_and_shown_with_its_log_once(tmp_path: Path) -> None:
    """Nothing waits for MLflow: the journal of the run is read."""
    root = make_repository(tmp_path, {"dvc.yaml": FAILING, ".statewright.toml": 'prefect = "never"\n'})
    program = [sys.executable, "-m", "statewright"]
    screen_after([*program, "run", "-q"], root, status=1)
    listed = screen_after([*program, "history"], root)
    assert listed[0].split() == ["run", "when", "stages", "took", "cause"]
    assert "1 ran, 1 failed" in listed[1] and listed[1].endswith("first run"), listed
    assert len(listed) == 2, listed
    shown = "\n".join(screen_after([*program, "show", listed[1].split()[0]], root))
    assert shown.startswith(f"run {listed[1].split()[0]}  first run"), shown
    assert shown.replace("\n", "").count("fails.log") == 1, shown
    assert "end of the output of fails\n  | reading\n  | no such song\n" in shown, shown
    assert "repeat  statewright run -q" in shown, shown
    for kind in ("svg", "html"):
        message = "\n".join(screen_after([*program, "graph", f"--{kind}"], root, status=2))
        assert f"graph --{kind} writes a file, not text for a terminal" in message.replace("\n", " ")
        command = [*program, "graph", f"--{kind}", "-o", f".statewright/graph.{kind}"]
        assert screen_after(command, root) == [
            f".statewright/graph.{kind}: 3 stages: 1 failed last time, 1 will run, 1 up to date"
        ]
    changed = subprocess.run(
        ["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True
    )
    assert "graph" not in changed.stdout
