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


def screen_after(command: list[str], folder: Path) -> list[str]:
    """Return the lines that stand on a terminal's screen when a command has ended."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(HERE)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    screen = pyte.Screen(COLUMNS, LINES)
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
    lines = [line.rstrip() for line in screen.display]
    assert process.wait(60) == 0, "\n".join(lines)
    return [line for line in lines if line]


@pytest.mark.end_to_end
def test_the_table_is_all_that_a_run_leaves(tmp_path: Path, prefect_server: str) -> None:
    root = make_repository(tmp_path, {"dvc.yaml": DECLARATION})
    lines = screen_after([sys.executable, "-m", "statewright", "run"], root)
    text = "\n".join(lines)
    # The plan and the table: three stages, a heading and a closing line each.
    assert len(lines) <= 2 * (3 + 2), text
    assert "file/s" not in text
    assert "it/s" not in text
    assert "3 ran" in lines[-1]
