"""Execute a generated program in its own process, with limits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks.tuner.generator import measure

DONE, FAILED, TIMEOUT, MEMORY = "done", "failed", "timeout", "memory"
GRACE_S = 30.0
"""Seconds beyond the limit after which the measuring process itself is killed."""


@dataclass(frozen=True)
class Limits:
    """Limits of a program.

    Attributes
    ----------
    seconds : float
        Wall time, above 0; the CPU time may be `threads` times as much.
    memory_mb : int
        Address space in MiB, which is more than the memory that is used.
    file_mb : int
        Size of each file that it writes, in MiB.
    threads : int
        Threads of the numerical libraries.
    """

    seconds: float = 60.0
    memory_mb: int = 16_384
    file_mb: int = 4_096
    threads: int = 1


@dataclass(frozen=True)
class Execution:
    """Result of one execution.

    Attributes
    ----------
    status : str
        "done", "failed", "timeout" or "memory".
    error : str
        Last lines of the program's errors; empty if it is done.
    wall_s, cpu_s : float
        Of the whole process, with the start of Python and all imports.
    import_wall_s, import_cpu_s : float
        Of the program's first layer, its imports; 0 if it did not end.
    run_wall_s, run_cpu_s : float
        Of the function `main`; 0 if it did not end.
    peak_mb : float
        Largest resident memory in MiB, of the process alone.
    """

    status: str
    error: str
    wall_s: float
    cpu_s: float
    import_wall_s: float
    import_cpu_s: float
    run_wall_s: float
    run_cpu_s: float
    peak_mb: float


def execute(program: str, data: Path, out: Path, limits: Limits | None = None) -> Execution:
    """Run a program in a fresh folder and return what it used.

    The process inherits no variable of this one but `PATH`, and warnings are errors.

    Parameters
    ----------
    program : str
        Text of the program, from `generate`.
    data : Path
        Folder of the input files.
    out : Path
        File to write, only if the program is done.
    limits : Limits, optional
        Time, memory and file size.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="program-") as name:
        folder = Path(name)
        script, starter, report = folder / "program.py", folder / "starter.py", folder / "report.json"
        script.write_text(program, encoding="utf-8")
        starter.write_text(measure.STARTER, encoding="utf-8")
        (folder / "work").mkdir()
        result = folder / f"result{out.suffix}"
        words = ["--data", str(data.resolve()), "--out", str(result)]
        request = {
            "command": [sys.executable, "-W", "error", str(starter), str(script), str(report), *words],
            "environment": _environment(folder / "work", limits.threads),
            "folder": str(folder / "work"),
            "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"),
            "seconds": limits.seconds,
            "memory_mb": limits.memory_mb,
            "file_mb": limits.file_mb,
            "threads": limits.threads,
        }
        usage = _measure(request, limits.seconds + GRACE_S)
        error = (folder / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:]
        status = _status(usage, error, report.exists() and result.exists())
        if status == DONE:
            phases = json.loads(report.read_text())
            shutil.move(result, out)
        else:
            phases = [0.0] * 4
    message = "" if status == DONE else error.strip() or f"exit code {usage['code']:.0f}"
    return Execution(
        status=status,
        error=message,
        wall_s=usage["wall_s"],
        cpu_s=usage["cpu_s"],
        import_wall_s=phases[0],
        import_cpu_s=phases[1],
        run_wall_s=phases[2],
        run_cpu_s=phases[3],
        peak_mb=usage["peak_mb"],
    )


def _measure(request: dict[str, object], seconds: float) -> dict[str, float]:
    command = [sys.executable, "-I", "-S", measure.__file__, json.dumps(request)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        text, _ = process.communicate(timeout=seconds)
    except BaseException:
        # Also when this process is told to stop: on SIGTERM the measuring process ends the program.
        process.terminate()
        process.wait()
        raise
    usage: dict[str, float] = json.loads(text)
    return usage


def _environment(folder: Path, threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **dict.fromkeys(names, str(threads)),
    }


def _status(usage: dict[str, float], error: str, complete: bool) -> str:
    if usage["timed_out"]:
        return TIMEOUT
    if usage["code"] == 0 and complete:
        return DONE
    words = (
        "MemoryError",
        "OutOfMemory",
        "Out of Memory",
        "memory allocation",
        "bad_alloc",
        "failed to allocate",
    )
    if any(word.lower() in error.lower() for word in words):
        return MEMORY
    return FAILED
