"""One attempt at one stage: skip it, restore it, or run its command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from statewright.drift import Environments
from statewright.files import file_name
from statewright.planning.plan import Plan
from statewright.record.tracking import StageRecord
from statewright.repository import lock_writer
from statewright.repository.errors import explain
from statewright.running.launcher import Launcher, Usage
from statewright.running.process import StageFailedError, run_commands
from statewright.running.recorder import Recorder
from statewright.state import Hashes
from statewright.terminal.display import Board
from statewright.workflow import Stage, Workflow


@dataclass
class Work:
    """Everything that the stages of one transition share.

    Parameters
    ----------
    launcher, warm : Launcher
        Start commands; `warm` starts those of stages whose `meta:` names modules to preload.
    show_log : callable
        Called with the log of each finished attempt.
    """

    name: str
    writer: lock_writer.LockWriter
    workflow: Workflow
    plan: Plan
    board: Board
    logs: Path
    recorder: Recorder
    launcher: Launcher
    warm: Launcher
    show_log: Callable[[Path], None]
    flow_run: Mapping[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    environments: Environments = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the record of the environment in which the stages run."""
        self.environments = Environments(self.writer.repository.root)


@dataclass
class _Attempt:
    """An attempt in progress.

    Parameters
    ----------
    started : float
        Time of the start, in seconds of the epoch.
    began : float
        The same time on the monotonic clock, for the duration.
    """

    log: Path
    started: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)
    usage: Usage = field(default_factory=Usage)


def attempt(work: Work, address: str) -> str:
    """Bring one stage up to date; return ran, restored, done or skipped.

    Raises
    ------
    StageFailedError
        For every failure; the message names stage, cause and log.
    """
    if work.cancelled.is_set():
        raise StageFailedError(f"stage '{address}' was not started: the run was stopped")
    stage = work.workflow.stages[address]
    forced = any(reason.kind in ("forced", "environment") for reason in work.plan.decisions[address].reasons)
    work.board.update(address, "running", note="")
    current = _Attempt(work.logs / file_name(address, ".log"))
    try:
        status = lock_writer.begin(work.writer, address, force=forced)
        if status == "ready":
            _run(work, stage, current)
            status = "ran"
    except Exception as error:
        _record(work, stage, "failed", current)
        lock_writer.abandon(work.writer, address)
        if isinstance(error, StageFailedError):
            raise
        cause = explain(error) or type(error).__name__
        log = f"; log: {current.log}" if current.log.exists() else ""
        raise StageFailedError(f"stage '{address}': {cause}{log}") from error
    finally:
        work.show_log(current.log)
    if status != "skipped":
        _record(work, stage, status, current)
    work.board.update(address, status)
    return status


def _run(work: Work, stage: Stage, current: _Attempt) -> None:
    with lock_writer.hold_paths(work.writer, stage.address):
        current.usage = run_commands(
            stage.address,
            lock_writer.command_lines(work.writer.repository, stage.address),
            current.log,
            launcher=work.warm if stage.preload else work.launcher,
            timeout_s=stage.number("timeout_s", 0) or None,
            environment={"STATEWRIGHT_RECORDED": "1", "PYTHONUNBUFFERED": "1"},
            watch=lambda line: work.board.update(stage.address, note=line),
            cancelled=work.cancelled.is_set,
        )
        lock_writer.finish(work.writer, stage.address)


def _record(work: Work, stage: Stage, status: str, current: _Attempt) -> None:
    took = time.monotonic() - current.began
    work.times[stage.address] = (current.began, current.began + took)
    inputs, outputs, params = lock_writer.recorded_hashes(work.writer, stage.address)
    record = StageRecord(
        stage=stage,
        status=status,
        started=current.started,
        finished=current.started + took,
        params=params,
        inputs=inputs,
        outputs=outputs if status != "failed" else {},
        reasons=tuple(reason.text for reason in work.plan.decisions[stage.address].reasons),
        log=current.log if current.log.is_file() else None,
        tags={**work.flow_run, **(_environment(work, stage, outputs) if status == "ran" else {})},
        used={"ram_gb": current.usage.ram_gb, "cpu_seconds": current.usage.cpu_s} if status == "ran" else {},
    )
    work.recorder.stage(record)


def _environment(work: Work, stage: Stage, outputs: Hashes) -> dict[str, str]:
    """Record the environment that made the outputs, and return it as tags."""
    here = work.environments.here
    with suppress(OSError):  # a note is missing in the next plan, and nothing else
        work.environments.save(stage.address, outputs)
    return {"statewright.environment": here.digest, "statewright.python": here.python}
