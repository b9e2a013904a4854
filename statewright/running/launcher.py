"""Have commands started by a process that outlives a kill of this one: `warden.py`, the other end."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statewright.running.supervisor import HEADER


@dataclass(frozen=True)
class Usage:
    """What the commands of a stage used: peak memory in GB (of the largest), processor seconds."""

    ram_gb: float = 0.0
    cpu_s: float = 0.0


@dataclass
class Command:
    """A command that runs: descriptors of its output and of its status, and its process group."""

    output: int
    status: int
    group: int | None = None
    code: int | None = None
    usage: Usage = Usage()
    lost: bool = False
    heard: bytes = b""

    def listen(self) -> None:
        """Take in what the warden says of the command: that it started, that it ended."""
        said = os.read(self.status, 4096)
        self.lost = not said and self.code is None
        *lines, self.heard = (self.heard + said).split(b"\n")
        for line in lines:
            word, _, rest = line.decode().partition(" ")
            if word == "pid":
                self.group = int(rest)
            elif word == "ended":
                code, peak, seconds = rest.split()
                self.code, self.usage = int(code), Usage(int(peak) / 2**30, float(seconds))
            else:
                raise OSError(rest)

    @property
    def over(self) -> bool:
        """Whether it has ended, or nobody can tell any more."""
        return self.code is not None or self.lost

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.status, selectors.EVENT_READ)
            while not self.over and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    self.listen()
        return self.over


class Launcher:
    """Has commands started by a warden, which ends them if this process dies.

    Parameters
    ----------
    preload : sequence of str
        Modules that the warden imports; it forks for a ``python -m``, see `preloaded`.
    lock : Path, optional
        A lock file that the warden shares while it lives.
    """

    def __init__(self, preload: Sequence[str] = (), lock: Path | None = None) -> None:
        self.warm = bool(preload)
        self._mutex = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._warden = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "statewright.running.supervisor",
                    str(theirs.fileno()),
                    str(lock or ""),
                    *preload,
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, arguments: list[str] | str, **keywords: Any) -> Command:
        """Start a command, given as to `Popen`: `cwd`, `env`, `shell` are understood."""
        environment = dict(keywords.get("env") or os.environ)
        module = preloaded(arguments, environment) if self.warm else None
        request = {
            "arguments": module[1:] if module else arguments,
            "module": module[0] if module else None,
            "shell": bool(keywords.get("shell")),
            "cwd": str(keywords.get("cwd") or Path.cwd()),
            "environment": environment,
        }
        body = json.dumps(request).encode()
        output, theirs = os.pipe()
        status, their_status = os.pipe()
        try:
            with self._mutex:
                socket.send_fds(self._socket, [HEADER.pack(len(body))], [theirs, their_status])
                self._socket.sendall(body)
        except OSError:
            os.close(output)
            os.close(status)
            raise
        finally:
            os.close(theirs)
            os.close(their_status)
        command = Command(output, status)
        while not command.group and not command.over:
            command.listen()
        return command

    def close(self) -> None:
        """Let the warden go; it ends what still runs."""
        self._socket.close()
        self._warden.wait()


def preloaded(arguments: list[str] | str, environment: Mapping[str, str]) -> list[str] | None:
    """``[MODULE, ARGUMENT...]`` if a command is a plain ``python -m MODULE`` of this environment.

    Anything that a shell would do more than split words makes it another command.
    """
    line = arguments if isinstance(arguments, str) else arguments[-1] if "-c" in arguments else ""
    if set(line) & set("\n;&|<>()$`\\\"'*?[]{}~#!"):
        return None
    words = line.split()
    if len(words) < 3 or words[1] != "-m" or words[0] not in ("python", "python3"):
        return None
    found = shutil.which(words[0], path=environment.get("PATH"))
    here = Path(sys.executable).parent
    return words[2:] if found and Path(found).parent == here else None


@contextmanager
def open_launcher(preload: Sequence[str] = (), lock: Path | None = None) -> Iterator[Launcher]:
    """A `Launcher` for the length of the block."""
    found = Launcher(preload, lock)
    try:
        yield found
    finally:
        found.close()
