"""A process that runs generated programs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

WORKER = """
import pathlib, sys, traceback
for line in sys.stdin:
    path, data, out = line.rstrip("\\n").split("\\t")
    try:
        program = {"__name__": "program"}
        exec(compile(pathlib.Path(path).read_text(encoding="utf-8"), path, "exec"), program)
        program["main"](["--data", data, "--out", out])
        print("done", flush=True)
    except BaseException:
        print(repr(traceback.format_exc()), flush=True)
"""


class Worker:
    """A process that runs one program after another.

    Imports of the engines cost most of the time.

    It is a process of its own because the tests' process may fork, which polars does not survive.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )

    def run(self, program: str, data: Path, out: Path) -> str:
        """Run a program; return "done" or the error."""
        assert self.process.stdin is not None and self.process.stdout is not None
        path = self.folder / "program.py"
        path.write_text(program, encoding="utf-8")
        self.process.stdin.write(f"{path}\t{data}\t{out}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        return line if line == "done" else str(ast.literal_eval(line))

    def close(self) -> None:
        """End the process."""
        self.process.communicate()
