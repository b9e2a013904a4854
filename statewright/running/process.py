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

from statewright.running.launcher import Command, Launcher, Usage, open_launcher

GRACE_S = 10.0
"""How long a stage that was told to stop may take before it is killed."""


class StageFailedError(RuntimeError):
    """A command ended badly; the message names stage, cause and log."""


def run_commands(
    address: str,
    commands: Iterable[tuple[list[str] | str, Mapping[str, Any]]],
    log: Path,
    *,
    using: Launcher | None = None,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Usage:
    """Run commands one after the other, each in a process group of its own.

    Parameters
    ----------
    commands : iterable of (arguments, keywords of `Popen`)
        As DVC would start them.
    log : Path
        Takes all output.
    using : Launcher, optional
        Starts them; one of its own if none is given.
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
    if using is None:
        with open_launcher() as using:
            return run_commands(
                address,
                commands,
                log,
                using=using,
                timeout_s=timeout_s,
                environment=environment,
                watch=watch,
                cancelled=cancelled,
            )
    deadline = time.monotonic() + timeout_s if timeout_s else None
    log.parent.mkdir(parents=True, exist_ok=True)
    most = Usage()
    with log.open("wb") as sink:
        for arguments, keywords in commands:
            env = {**activated(keywords.get("env") or os.environ), **(environment or {})}
            command = using.start(arguments, **{**keywords, "env": env})
            try:
                ended = _follow(command, sink, deadline, watch, cancelled)
            finally:
                end(command)
            if cancelled():
                raise StageFailedError(f"stage '{address}' was stopped; log: {log}")
            if not ended:
                raise StageFailedError(f"stage '{address}' did not end within {timeout_s:.0f} s; log: {log}")
            if command.code is None:
                raise StageFailedError(
                    f"stage '{address}': the process that started it was killed; log: {log}"
                )
            if command.code != 0:
                # What it had started must not write beside the next attempt.
                _signal(command.group, signal.SIGKILL)
                raise StageFailedError(_explain(address, command.code, log))
            used = command.usage
            most = Usage(max(most.ram_gb, used.ram_gb), most.cpu_s + used.cpu_s)
    return most


def _follow(
    command: Command,
    sink: Any,
    deadline: float | None,
    watch: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> bool:
    """Copy output until the command ends; False if the deadline or a cancellation comes first."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(command.output, selectors.EVENT_READ)
        selector.register(command.status, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(timeout=0 if command.over else 0.2)}
            if command.output in ready:
                chunk = os.read(command.output, 65536)
                if not chunk:
                    selector.unregister(command.output)
                sink.write(chunk)
                sink.flush()
                *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
                for line in lines:
                    if line.strip():
                        watch(line.decode("utf-8", "replace").strip())
            elif command.over:
                return True
            if command.status in ready and not command.over:
                command.listen()
                if command.over:
                    selector.unregister(command.status)
            if not command.over and (cancelled() or (deadline is not None and time.monotonic() > deadline)):
                return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: ask first, then kill."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        _signal(process.pid, signal.SIGKILL)  # also for children that outlive the first of the group
        process.wait()
    if process.stdout:
        process.stdout.close()


def end(command: Command) -> None:
    """End the group of a command that still runs, as `stop` does, and let go of its descriptors."""
    if command.code is None:
        _signal(command.group, signal.SIGTERM)
        command.wait(GRACE_S)
        _signal(command.group, signal.SIGKILL)
        command.wait(GRACE_S)
    os.close(command.output)
    os.close(command.status)


def _signal(group: int | None, number: signal.Signals) -> None:
    if group is not None:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


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
