"""One attempt at one stage: skip it, restore it, or run its command."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from statewright.files import file_name
from statewright.masking import mask_text, secret_values
from statewright.planning.plan import Plan
from statewright.record.masking import mask_log, mask_record
from statewright.record.tracking import StageRecord
from statewright.repository import lock_writer
from statewright.repository.errors import explain
from statewright.running.launcher import Launcher, Usage
from statewright.running.process import StageFailedError, run_commands
from statewright.running.recorder import Recorder
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
    forced = any(reason.kind == "forced" for reason in work.plan.decisions[address].reasons)
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
        cause = mask_text(explain(error) or type(error).__name__)
        log = f"; log: {current.log}" if current.log.exists() else ""
        raise StageFailedError(f"stage '{address}': {cause}{log}") from error
    finally:
        work.show_log(current.log)
    if status != "skipped":
        _record(work, stage, status, current)
    work.board.update(address, status)
    return status


def _run(work: Work, stage: Stage, current: _Attempt) -> None:
    secrets = secret_values(os.environ, _params(work, stage))
    with lock_writer.hold_paths(work.writer, stage.address):
        try:
            current.usage = run_commands(
                stage.address,
                lock_writer.command_lines(work.writer.repository, stage.address),
                current.log,
                launcher=work.warm if stage.preload else work.launcher,
                timeout_s=stage.number("timeout_s", 0) or None,
                watch=lambda line: work.board.update(stage.address, note=mask_text(line, secrets)),
                cancelled=work.cancelled.is_set,
            )
        except StageFailedError as error:
            # Not `from error`: Prefect logs the cause with its text.
            raise StageFailedError(mask_text(str(error), secrets)) from None
        finally:
            mask_log(current.log, secrets)  # MLflow and Prefect get a copy
        lock_writer.finish(work.writer, stage.address)


def _params(work: Work, stage: Stage) -> dict[str, Any]:
    """Return the values of the params that a stage declares."""
    return {
        key: value
        for file, keys in stage.params.items()
        for key, value in work.workflow.params.get(file, {}).items()
        if key in keys or not keys
    }


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
        tags=work.flow_run,
        used={"ram_gb": current.usage.ram_gb, "cpu_seconds": current.usage.cpu_s} if status == "ran" else {},
    )
    work.recorder.stage(mask_record(record))
