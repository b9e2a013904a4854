"""The process that starts the commands of a run, and ends them when the run ends.

::

    run  --- request, output, status --->  supervisor  --- fork, exec --->  command (own session)
     |   <-------- pid, then exit code ------'
     '-- killed: the socket closes; the supervisor kills every remaining group, then exits

A killed process cannot clean up, so the supervisor does it. It holds a shared lock with the other
processes of a run, so the next run starts only after the last command of this run has ended.

With modules to preload, it imports them once and forks for a ``python -m MODULE``. The command
still has its own process, but does not import these modules again. This module imports only the
standard library, because every run waits for its start. `launcher.py` is the client.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import json
import os
import runpy
import selectors
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

    The first command-line argument is the descriptor of the socket, the second a lock file or an
    empty text. The others are modules to preload.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    lock = share_lock(sys.argv[2]) if sys.argv[2] else None
    # At the end, so that a file of the repository replaces no installed module.
    sys.path.append(os.getcwd())  # noqa: PTH109 -- pathlib takes longer to import
    request = serve(control, sys.argv[3:])
    if request is not None:
        if lock is not None:
            os.close(lock)
        run_child(request)


def share_lock(lock: str) -> int:
    """Hold a shared lock on a file until this process ends; return its descriptor."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def serve(control: socket.socket, preload: list[str]) -> dict[str, Any] | None:
    """Start commands until the run has ended; in a forked child, return its request.

    Modules are imported while the process is idle, so a command does not wait for all of them.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}
    # Not `select.select`: it fails if a descriptor is above 1023, and a long process can have so many.
    selector = selectors.PollSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(woken, selectors.EVENT_READ)
    while True:
        ready = {key.fd for key, _ in selector.select(0 if preload else None)}
        if not ready and preload:
            # If an import fails, the stage that needs the module reports that in its own log.
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
            # If the run has ended by now, the socket reports that in the next iteration.
            with suppress(BrokenPipeError):
                os.write(status, f"pid {pid}\n".encode())


def receive(control: socket.socket) -> tuple[dict[str, Any], int, int] | None:
    """Receive the next request and its two descriptors; None after the run has ended."""
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
    """Start a command in its own session and return its process id."""
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
    process.returncode = 0  # `report_ended` waits for the process and reads its usage, not Popen
    return process.pid


def fork() -> int:
    """Fork; the child leads its own session."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
    return pid


def run_child(request: dict[str, Any]) -> None:
    """Run ``python -m MODULE ARGUMENTS`` in a forked child, as requested."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(request["output"], 1)
    os.dup2(request["output"], 2)
    os.close(request["output"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [request["module"], *request["arguments"]]
    sys.path.insert(0, request["cwd"])
    exit_now(_run_module(request["module"]))


def _run_module(module: str) -> int:
    """Run a module as ``__main__`` and return its exit code."""
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


def exit_now(code: int) -> None:
    """Exit without the teardown of preloaded modules.

    The teardown takes longer than many stages.
    """
    # As the interpreter does: pools of threads and processes, such as joblib's, end their threads in a
    # callback of this function. Joining the threads without it would wait for a pool forever.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def report_ended(statuses: dict[int, int]) -> None:
    """Report each ended command: exit code, peak memory in bytes, processor seconds."""
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
    """Kill the group of every running command, and wait until the command has ended."""
    for pid in statuses:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    for pid in statuses:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
