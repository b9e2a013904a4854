"""Run the commands of a stage with a log, a callback for lines and a time limit."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from statewright.environment import caller_environment
from statewright.running.launcher import Command, Launcher, Usage, open_launcher
from statewright.running.output import BoundedLog, LineReader, end_of_log
from statewright.terminal.words import shortened

GRACE_S = 10.0
"""Seconds between the request to stop a stage and its kill."""

LONGEST_CAUSE = 500
"""Maximum width of the last line of output in the message of a failure."""

LOG = "; log: "
"""Text between a failure and the path of its log."""

Watch = Callable[[Sequence[str], str], None]
"""Function that gets finished lines of output, and the text of the unfinished line."""


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
    watch: Watch = lambda lines, unfinished: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Usage:
    """Run commands one after the other, each in a process group of its own.

    Parameters
    ----------
    commands : iterable of (arguments, keywords of `Popen`)
        As DVC starts them.
    log : Path
        File for the output; of a long output, its beginning and its end.
    launcher : Launcher, optional
        Starts the commands; by default a new one.
    timeout_s : float, optional
        After this many seconds the whole group is stopped, and killed if it does not stop.
    watch : callable
        Called with the lines that a piece of output finishes, and with the unfinished line.
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
    total = Usage()
    with BoundedLog(log) as sink:
        for arguments, keywords in commands:
            env = {**caller_environment(keywords.get("env") or os.environ), **(environment or {})}
            command = launcher.start(arguments, **{**keywords, "env": env})
            try:
                ended = _follow(command, sink, deadline, watch, cancelled)
            finally:
                end(command)
            if cancelled():
                raise StageFailedError(f"stage '{address}' was stopped{LOG}{log}")
            if not ended:
                raise StageFailedError(f"stage '{address}' did not end within {timeout_s:.0f} s{LOG}{log}")
            if command.code is None:
                raise StageFailedError(f"stage '{address}': the process that started it was killed{LOG}{log}")
            if command.code != 0:
                # Its remaining child processes must not write during the next attempt.
                _signal(command.group, signal.SIGKILL)
                raise StageFailedError(_explain(address, command.code, log))
            used = command.usage
            total = Usage(max(total.ram_gb, used.ram_gb), total.cpu_s + used.cpu_s)
    return total


def _follow(
    command: Command,
    sink: BoundedLog,
    deadline: float | None,
    watch: Watch,
    cancelled: Callable[[], bool],
) -> bool:
    """Copy output until the command ends; return False if it must be stopped first."""
    reader = LineReader()
    try:
        return _copy(
            command, sink, deadline, lambda chunk: watch(reader.feed(chunk), reader.unfinished), cancelled
        )
    finally:
        if reader.unfinished:
            watch(reader.feed(b"\n"), "")


def _copy(
    command: Command,
    sink: BoundedLog,
    deadline: float | None,
    pass_on: Callable[[bytes], None],
    cancelled: Callable[[], bool],
) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(command.output, selectors.EVENT_READ)
        selector.register(command.status, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(timeout=0 if command.ended else 0.2)}
            if command.output in ready:
                chunk = os.read(command.output, 65536)
                if chunk:
                    sink.write(chunk)
                    pass_on(chunk)
                else:
                    selector.unregister(command.output)
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
    lines = end_of_log(log)
    # A stage function starts its error with its name; of other commands, the last line says most.
    begins = [number for number, line in enumerate(lines) if line.startswith(f"stage '{address}':")]
    cause = "\n".join(lines[begins[-1] :] if begins else [shortened(lines[-1], LONGEST_CAUSE)]).strip()
    cause = cause.removeprefix(f"stage '{address}': ")
    return f"stage '{address}' {how}{': ' if cause else ''}{cause}{LOG}{log}"
