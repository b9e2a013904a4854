"""A Dask cluster of separate processes on loopback, and a TCP proxy that can be slow or cut."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from statewright.running.process import stop
from tests.conftest import free_port

SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s",
    "DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "10 minutes",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
}
"""A lost worker is noticed after seconds, not minutes."""


@dataclass
class Processes:
    """A scheduler and its workers, each with a folder of its own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Address of the scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self, number: int) -> Processes:
        """Start what is missing of a scheduler and `number` workers."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.close()
            self.port = free_port()
            options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
            self.scheduler = self._spawn("scheduler", "dask_scheduler", *options)
        for name, process in list(self.workers.items()):
            if process.poll() is not None:
                del self.workers[name]
        while len(self.workers) < number:
            self.add_worker(f"worker-{time.monotonic_ns()}")
        self._wait(number)
        return self

    def add_worker(self, name: str, folder: Path | None = None, resources: str = "cpu=1") -> None:
        """Start a worker with one thread."""
        folder = folder or self.folder / name
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name, "--host", "127.0.0.1"]
        options += ["--local-directory", str(folder), "--resources", resources, "--memory-limit", "0"]
        self.workers[name] = self._spawn(name, "dask_worker", self.address, *options)

    def running(self, pid: int) -> subprocess.Popen[bytes]:
        """Return the worker whose supervisor started the process `pid`."""
        supervisor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        parent = int(Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()[1])
        return next(process for process in self.workers.values() if process.pid == parent)

    def close(self) -> None:
        """End all processes."""
        for process in (*self.workers.values(), *([self.scheduler] if self.scheduler else [])):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            stop(process)
        self.workers.clear()

    def _wait(self, number: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=60) as client:
            client.wait_for_workers(number, timeout=60)

    def _spawn(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                env={**os.environ, **SETTINGS, **self.environment},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class Proxy:
    """Forward connections to a port of loopback; `cut` ends them, and refuses new ones.

    Parameters
    ----------
    delay : float
        Seconds before each piece of data is passed on.
    """

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self._target, self._delay, self._pairs = port, delay, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        for end in (self._listener, *self._pairs):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self._delay)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
