"""The process that starts the commands of a run, and ends them when the run ends, however it ends.

::

    run  --- request, output, status --->  warden  --- fork, exec --->  command (a session of its own)
     |   <-------- pid, then exit code ------'
     '-- killed: the socket closes; the warden kills every group that lives, then exits

A process that is killed cannot clean up after itself: this one does it. It shares a lock with
whatever else works for a run, so the next run starts when the last command of this one is dead.

With modules to preload it imports them once, and forks for a ``python -m MODULE``: the command
has a process of its own as before, but does not pay for its imports again. Only the standard
library is imported here, since every run waits for it. `process.py` is the other end.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

HEADER = struct.Struct("!I")


def main() -> None:
    """Serve a socket.

    The first argument is its descriptor, the second a lock file to share (or nothing); the others
    are modules to preload.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    held = share(sys.argv[2]) if sys.argv[2] else None
    request = serve(control, sys.argv[3:])
    if request is not None:
        if held is not None:
            os.close(held)
        become(request)


def share(lock: str) -> int:
    """Share a lock file for as long as this process lives."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def serve(control: socket.socket, preload: list[str]) -> dict[str, Any] | None:
    """Start commands until the run is gone; in a forked child, return what it is to become.

    Modules are imported while there is nothing else to do: a command need not wait for all of them.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [], 0 if preload else None)
        if not ready and preload:
            # What a stage cannot import it will say itself, in its own log.
            with suppress(Exception):
                importlib.import_module(preload.pop(0))
        if woken in ready:
            os.read(woken, 4096)
            report_ended(statuses)
        if control.fileno() in ready:
            received = receive(control)
            if received is None:
                kill_all(statuses)
                return None
            request, output, status = received
            try:
                pid = fork() if request["module"] else spawn(request, output)
            except OSError as error:
                os.write(status, f"error {error}\n".encode())
                os.close(output)
                os.close(status)
                continue
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number in (control.detach(), woken, wake, status, *statuses.values()):
                    os.close(number)
                return {**request, "output": output}
            os.close(output)
            statuses[pid] = status
            # The run may have gone by now: then the socket says so next.
            with suppress(BrokenPipeError):
                os.write(status, f"pid {pid}\n".encode())


def receive(control: socket.socket) -> tuple[dict[str, Any], int, int] | None:
    """The next request with its two descriptors; None once nobody can send any."""
    try:
        head, descriptors, _, _ = socket.recv_fds(control, HEADER.size, 2)
        if not head:
            return None
        size = HEADER.unpack(head + _exactly(control, HEADER.size - len(head)))[0]
        return json.loads(_exactly(control, size)), descriptors[0], descriptors[1]
    except (EOFError, ConnectionError):
        return None


def _exactly(control: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = control.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def spawn(request: dict[str, Any], output: int) -> int:
    """Start a command in a session of its own and return its process id."""
    process = subprocess.Popen(
        request["arguments"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        shell=request["shell"],
        cwd=request["cwd"],
        env=request["environment"],
    )
    process.returncode = 0  # waited for in `report_ended`, with what it used; not by Popen
    return process.pid


def fork() -> int:
    """Fork; the child leads a session of its own."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
    return pid


def become(request: dict[str, Any]) -> None:
    """In a forked child: be ``python -m MODULE ARGUMENTS`` in its folder, with its environment."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(request["output"], 1)
    os.dup2(request["output"], 2)
    os.close(request["output"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [request["module"], *request["arguments"]]
    sys.path.insert(0, request["cwd"])
    leave(_status_of(request["module"]))


def _status_of(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> None:
    """Exit without taking apart what was preloaded, which takes longer than many a stage."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report_ended(statuses: dict[int, int]) -> None:
    """Tell of every command that has ended: exit code, peak memory in bytes, processor seconds."""
    for pid in list(statuses):
        ended, code, used = os.wait4(pid, os.WNOHANG)
        if not ended:
            continue
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        seconds = used.ru_utime + used.ru_stime
        status = statuses.pop(pid)
        with suppress(BrokenPipeError):
            os.write(status, f"ended {os.waitstatus_to_exitcode(code)} {peak} {seconds:.3f}\n".encode())
        os.close(status)


def kill_all(statuses: dict[int, int]) -> None:
    """Kill the group of every command that lives, and wait until it is dead."""
    for pid in statuses:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    for pid in statuses:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
