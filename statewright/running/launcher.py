"""Start commands through a supervisor, which ends them if this process dies.

This module is the client; `supervisor.py` is the process at the other end of the socket.
"""

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

from statewright.environment import SUPERVISOR, caller_environment
from statewright.running.supervisor import HEADER


@dataclass(frozen=True)
class Usage:
    """Resources used by the commands of a stage.

    Parameters
    ----------
    ram_gb : float
        Peak memory of the largest process, in GB.
    cpu_s : float
        Processor time, in seconds.
    host : str
        Name of the machine, if a cluster ran them.
    """

    ram_gb: float = 0.0
    cpu_s: float = 0.0
    host: str = ""


@dataclass
class Command:
    """A started command.

    Parameters
    ----------
    output, status : int
        Descriptors for reading the output, and the messages of the supervisor.
    group : int or None
        Process group; None until the supervisor has sent it.
    code : int or None
        Exit code; None until the command has ended.
    lost : bool
        Whether the supervisor died before it sent an exit code.
    pending : bytes
        Start of a message whose end has not arrived yet.
    """

    output: int
    status: int
    group: int | None = None
    code: int | None = None
    usage: Usage = Usage()
    lost: bool = False
    pending: bytes = b""

    def read_status(self) -> None:
        """Read the supervisor's messages: the command started, or it ended."""
        message = os.read(self.status, 4096)
        self.lost = not message and self.code is None
        *lines, self.pending = (self.pending + message).split(b"\n")
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
    def ended(self) -> bool:
        """True if the command has ended, or its supervisor has died."""
        return self.code is not None or self.lost

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the command; return whether it has ended."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.status, selectors.EVENT_READ)
            while not self.ended and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    self.read_status()
        return self.ended


class Launcher:
    """Client of the supervisor, which starts commands and ends those of a dead run.

    Parameters
    ----------
    preload : sequence of str
        Modules that the supervisor imports. It then forks for a ``python -m``, see `preloaded`.
    lock : Path, optional
        A lock file on which the supervisor holds a shared lock while it runs.
    """

    def __init__(self, preload: Sequence[str] = (), lock: Path | None = None) -> None:
        self.warm = bool(preload)
        self._mutex = threading.Lock()
        self._socket, remote = socket.socketpair()
        with remote:
            self._supervisor = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    SUPERVISOR,
                    str(remote.fileno()),
                    str(lock or ""),
                    *preload,
                ],
                stdin=subprocess.DEVNULL,
                env=caller_environment(os.environ),  # modules to preload see what a stage sees
                pass_fds=[remote.fileno()],
                start_new_session=True,
            )

    def start(self, arguments: list[str] | str, *, stdout: int | None = None, **keywords: Any) -> Command:
        """Start a command, given as to `Popen` with the keywords `cwd`, `env`, `shell`.

        Parameters
        ----------
        stdout : int, optional
            Descriptor of an open file for the output; by default it is read from `Command.output`.
        """
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
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        descriptors = [output_end if stdout is None else stdout, status_end]
        try:
            with self._mutex:
                socket.send_fds(self._socket, [HEADER.pack(len(body))], descriptors)
                self._socket.sendall(body)
        except OSError:
            os.close(output)
            os.close(status)
            raise
        finally:
            os.close(output_end)
            os.close(status_end)
        command = Command(output, status)
        while not command.group and not command.ended:
            command.read_status()
        return command

    def close(self) -> None:
        """Stop the supervisor, which ends the commands that still run."""
        self._socket.close()
        self._supervisor.wait()


def preloaded(arguments: list[str] | str, environment: Mapping[str, str]) -> list[str] | None:
    """Return ``[MODULE, ARGUMENT...]`` of a plain ``python -m MODULE``.

    The result is None for any other command: one of another environment, or one for which a shell
    does more than split words.
    """
    line = arguments if isinstance(arguments, str) else arguments[-1] if "-c" in arguments else ""
    if set(line) & set("\n;&|<>()$`\\\"'*?[]{}~#!"):
        return None
    words = line.split()
    if len(words) < 3 or words[1] != "-m" or words[0] not in ("python", "python3"):
        return None
    executable = shutil.which(words[0], path=environment.get("PATH"))
    folder = Path(sys.executable).parent
    return words[2:] if executable and Path(executable).parent == folder else None


@contextmanager
def open_launcher(preload: Sequence[str] = (), lock: Path | None = None) -> Iterator[Launcher]:
    """Yield a `Launcher` and close it after the block."""
    launcher = Launcher(preload, lock)
    try:
        yield launcher
    finally:
        launcher.close()
