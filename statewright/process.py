"""Run the commands of a stage: output to a log, the last line to whoever watches, an end in time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

GRACE_S = 10.0
"""How long a stage that was told to stop may take before it is killed."""


class StageFailedError(RuntimeError):
    """A command ended badly; the message names stage, cause and log."""


def run_commands(
    address: str,
    commands: Iterable[tuple[list[str] | str, Mapping[str, Any]]],
    log: Path,
    *,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Run commands one after the other, each in a process group of its own.

    Parameters
    ----------
    commands : iterable of (arguments, keywords of `Popen`)
        As DVC would start them.
    log : Path
        Takes all output.
    timeout_s : float, optional
        After this many seconds the whole group is stopped, and killed if it will not.
    watch : callable
        Gets each line of output; a progress bar's carriage return ends a line too.
    cancelled : callable
        Asked several times a second; once it says so, the group is stopped.

    Raises
    ------
    StageFailedError
        If a command exits with a status other than 0, does not end in time, or is cancelled.
    """
    deadline = time.monotonic() + timeout_s if timeout_s else None
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        for arguments, keywords in commands:
            settings = dict(keywords)
            settings["env"] = {**activated(settings.get("env") or os.environ), **(environment or {})}
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **settings,
            )
            try:
                ended = _follow(process, sink, deadline, watch, cancelled)
            finally:
                stop(process)
            if cancelled():
                raise StageFailedError(f"stage '{address}' was stopped; log: {log}")
            if not ended:
                raise StageFailedError(f"stage '{address}' did not end within {timeout_s:.0f} s; log: {log}")
            if process.returncode != 0:
                # What it had started must not write beside the next attempt.
                _signal(process, signal.SIGKILL)
                raise StageFailedError(_explain(address, process.returncode, log))


def _follow(
    process: subprocess.Popen[bytes],
    sink: Any,
    deadline: float | None,
    watch: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> bool:
    """Copy output until the process ends; False if the deadline or a cancellation comes first."""
    assert process.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.2):
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:  # nobody can write any more; the process may go on nevertheless
                    selector.unregister(process.stdout)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.2)
                        return True
                    continue
                sink.write(chunk)
                sink.flush()
                *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                for line in lines:
                    if line.strip():
                        watch(line.decode("utf-8", "replace").strip())
            elif process.poll() is not None:
                return True
            if cancelled() or (deadline is not None and time.monotonic() > deadline):
                return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: ask first, then kill."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        _signal(process, signal.SIGKILL)  # also for children that outlive the first of the group
        process.wait()
    if process.stdout:
        process.stdout.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _explain(address: str, code: int, log: Path) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").strip().splitlines()
    # A stage of ours begins its one error with its name; of other commands the last line says most.
    begins = [number for number, line in enumerate(lines) if line.startswith(f"stage '{address}':")]
    cause = "\n".join(lines[begins[-1] :] if begins else lines[-1:]).strip()
    cause = cause.removeprefix(f"stage '{address}': ")
    return f"stage '{address}' {how}{': ' if cause else ''}{cause}; log: {log}"


def activated(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with our virtual environment first in PATH, unless another is active."""
    result = dict(environment)
    ours = sys.prefix != sys.base_prefix
    if ours and not any(result.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")):
        result["VIRTUAL_ENV"] = sys.prefix
        result["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), result.get("PATH", os.defpath)])
    return result
