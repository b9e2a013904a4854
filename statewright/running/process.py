"""Run the commands of a stage with a log, a callback for lines and a time limit."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from statewright.environment import caller_environment
from statewright.running.launcher import Command, Launcher, Usage, open_launcher

GRACE_S = 10.0
"""Seconds between the request to stop a stage and its kill."""


class StageFailedError(RuntimeError):
    """A command that failed; the message names stage, cause and log."""


def run_commands(
    address: str,
    commands: Iterable[tuple[list[str] | str, Mapping[str, Any]]],
    log: Path,
    *,
    launcher: Launcher | None = None,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[str], None] = lambda line: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Usage:
    """Run commands one after the other, each in a process group of its own.

    Parameters
    ----------
    commands : iterable of (arguments, keywords of `Popen`)
        As DVC starts them.
    log : Path
        File for all output.
    launcher : Launcher, optional
        Starts the commands; by default a new one.
    timeout_s : float, optional
        After this many seconds the whole group is stopped, and killed if it does not stop.
    watch : callable
        Called with each line of output; a progress bar's carriage return ends a line too.
    cancelled : callable
        Called several times a second; the group is stopped once it returns True.

    Raises
    ------
    StageFailedError
        If a command exits with a status other than 0, does not end in time, or is cancelled.
    """
    if launcher is None:
        with open_launcher() as launcher:
            return run_commands(
                address,
                commands,
                log,
                launcher=launcher,
                timeout_s=timeout_s,
                environment=environment,
                watch=watch,
                cancelled=cancelled,
            )
    deadline = time.monotonic() + timeout_s if timeout_s else None
    log.parent.mkdir(parents=True, exist_ok=True)
    total = Usage()
    with log.open("wb") as sink:
        for arguments, keywords in commands:
            env = {**caller_environment(keywords.get("env") or os.environ), **(environment or {})}
            command = launcher.start(arguments, **{**keywords, "env": env})
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
                # Its remaining child processes must not write during the next attempt.
                _signal(command.group, signal.SIGKILL)
                raise StageFailedError(_explain(address, command.code, log))
            used = command.usage
            total = Usage(max(total.ram_gb, used.ram_gb), total.cpu_s + used.cpu_s)
    return total


def _follow(
    command: Command,
    sink: Any,
    deadline: float | None,
    watch: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> bool:
    """Copy output until the command ends; return False if it must be stopped first."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(command.output, selectors.EVENT_READ)
        selector.register(command.status, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(timeout=0 if command.ended else 0.2)}
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
            elif command.ended:
                return True
            if command.status in ready and not command.ended:
                command.read_status()
                if command.ended:
                    selector.unregister(command.status)
            if not command.ended and (cancelled() or (deadline is not None and time.monotonic() > deadline)):
                return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: first SIGTERM, then SIGKILL."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        _signal(process.pid, signal.SIGKILL)  # also for children that outlive the first of the group
        process.wait()
    if process.stdout:
        process.stdout.close()


def end(command: Command) -> None:
    """End the group of a running command, as `stop` does, and close its descriptors."""
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
    # A stage function starts its error with its name; of other commands, the last line says most.
    begins = [number for number, line in enumerate(lines) if line.startswith(f"stage '{address}':")]
    cause = "\n".join(lines[begins[-1] :] if begins else lines[-1:]).strip()
    cause = cause.removeprefix(f"stage '{address}': ")
    return f"stage '{address}' {how}{': ' if cause else ''}{cause}; log: {log}"
