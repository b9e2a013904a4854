"""Run a command under limits and report what it used.

A script of the standard library: ``python -I -S measure.py REQUEST`` starts the command of the JSON text
REQUEST and prints one line of JSON. It is a process of its own: the peak memory of a child starts at that
of the process that starts it, which here is a few megabytes, and a stage may hold a gigabyte. It also
imports no library that breaks when a process forks.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import time
from typing import Any

# Runs in the child, before the program: imports and computation are timed apart.
STARTER = """
import json, sys, time
clocks = lambda: (time.perf_counter(), time.process_time())
path, report, words = sys.argv[1], sys.argv[2], sys.argv[3:]
started = clocks()
import importlib.util
spec = importlib.util.spec_from_file_location("program", path)
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
imported = clocks()
program.main(words)
ended = clocks()
with open(report, "w") as file:
    json.dump([*(b - a for a, b in zip(started, imported)), *(b - a for a, b in zip(imported, ended))], file)
"""


def limit(request: dict[str, Any]) -> None:
    """Set the limits of this process, which its child inherits."""
    memory = request["memory_mb"] * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    seconds = int(request["seconds"] * request["threads"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    size = request["file_mb"] * 2**20
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start(request: dict[str, Any]) -> int:
    """Start the command in a process group of its own and return its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        limit(request)
        files = ((0, os.devnull, os.O_RDONLY), (1, request["stdout"], os.O_WRONLY | os.O_CREAT))
        for number, path, flags in (*files, (2, request["stderr"], os.O_WRONLY | os.O_CREAT)):
            os.dup2(os.open(path, flags, 0o600), number)
        os.chdir(request["folder"])
        os.execve(request["command"][0], request["command"], request["environment"])
    finally:
        os._exit(127)


def wait(child: int, seconds: float) -> tuple[int, resource.struct_rusage, float]:
    """Wait for the child and return status, usage and seconds.

    Its group is killed when its time is over.
    """
    started = time.perf_counter()
    signal.signal(signal.SIGALRM, lambda *_: kill(child))
    signal.signal(signal.SIGTERM, lambda *_: kill(child))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status, usage = os.wait4(child, 0)
    used = time.perf_counter() - started
    signal.setitimer(signal.ITIMER_REAL, 0)
    # A program that left processes behind: they end with it.
    kill(child)
    return status, usage, used


def kill(group: int) -> None:
    """Kill every process of the group, if there is one left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Run the command of the request and print what it used."""
    request = json.loads(sys.argv[1])
    status, usage, seconds = wait(start(request), request["seconds"])
    report = {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": seconds,
        "timed_out": seconds >= request["seconds"],
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
