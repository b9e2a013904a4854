"""One attempt at one stage: skip it, restore it, or run its command."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from statewright.environment import referenced_variables
from statewright.files import file_name
from statewright.masking import mask_text, secret_values
from statewright.record.masking import mask_log, mask_record
from statewright.record.tracking import StageRecord
from statewright.repository import lock_writer
from statewright.repository.artifacts import artifact_tags
from statewright.repository.errors import explain
from statewright.repository.metrics import stage_metrics, with_definitions
from statewright.running.changed_inputs import (
    LONGEST_REPLAY_S,
    error_text,
    own_change_text,
    signatures,
)
from statewright.running.data import datasets_of, models_of
from statewright.running.launcher import Usage
from statewright.running.observation import Observation
from statewright.running.process import LOG, StageFailedError, run_commands
from statewright.running.work import AGAIN, StaleInputError, Work
from statewright.state import Hashes
from statewright.terminal.question import confirm
from statewright.workflow import Stage

DEFAULT_RETRY_DELAY_S = 5.0


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
    """Bring one stage up to date; return ran, restored, done or skipped, or `AGAIN`.

    Raises
    ------
    StageFailedError
        For every failure; the message names stage, cause and log.
    """
    if work.cancelled.is_set():
        raise StageFailedError(f"stage '{address}' was not started: the run was stopped")
    stage = work.workflow.stages[address]
    forced = _is_forced(work, address)
    work.board.update(address, "running", note="")
    current = _Attempt(work.logs / file_name(address, ".log"))
    outcome = "failed"
    if work.sharing and not forced:
        work.sharing.prepare(work.writer, address, partial(_say, work, address))
    if work.watch:
        work.watch.prepare(address)
    try:
        outcome = _bring_up_to_date(work, stage, current, forced)
    finally:
        if work.watch:
            failed = outcome == "failed" and not work.request.ignore_errors
            work.watch.finish(address, failed=failed, again=outcome == AGAIN)
        work.live.end(address, current.log, failed=outcome == "failed")
        if work.sharing:
            work.sharing.finish(work.writer, address, outcome)
    work.board.update(address, "waiting" if outcome == AGAIN else outcome)
    return outcome


def _say(work: Work, address: str, sentence: str) -> None:
    """Show a sentence about a stage that waits."""
    work.board.output(address, [sentence])
    work.live.output(address, [sentence])


def _is_forced(work: Work, address: str) -> bool:
    """Return whether a stage runs even if nothing has changed."""
    if any(reason.kind in ("forced", "environment") for reason in work.plan.decisions[address].reasons):
        return True
    if not work.request.force_downstream or work.request.only_targets:
        return False
    # As in DVC, a stage that was restored or recorded counts as one that ran.
    return any(work.outcomes.get(up) in ("ran", "restored", "done") for up in work.workflow.upstream[address])


def _bring_up_to_date(work: Work, stage: Stage, current: _Attempt, forced: bool) -> str:
    address = stage.address
    try:
        # In the journal before it is in `dvc.lock`: no stage is there without a record, even after a kill.
        announce = partial(_record, work, stage, current)
        ask = partial(_ask, work, address)
        status = lock_writer.begin(work.writer, address, force=forced, announce=announce, confirm=ask)
        if status == "ready":
            _run(work, stage, current)
            status = "ran"
    except StaleInputError as error:
        lock_writer.abandon(work.writer, address)
        work.stale[address] = error
        return AGAIN
    except Exception as error:
        _record(work, stage, current, "failed")
        lock_writer.abandon(work.writer, address)
        if isinstance(error, StageFailedError):
            raise
        cause = mask_text(explain(error) or type(error).__name__)
        log = f"{LOG}{current.log}" if current.log.exists() else ""
        raise StageFailedError(f"stage '{address}': {cause}{log}") from error
    return status


def _ask(work: Work, address: str) -> None:
    """Stop a stage that the user does not want to run."""
    question = f"Run stage '{work.plan.label(address)}'?"
    if work.request.interactive and not confirm(question, work.cancelled.is_set):
        raise StageFailedError(f"stage '{address}' was not started: the answer was no")


def _run(work: Work, stage: Stage, current: _Attempt) -> None:
    with lock_writer.hold_paths(work.writer, stage.address):
        observation = Observation()
        # What a stage reads on another machine is not observed, so nothing is concluded from it.
        watch = None if work.travels(stage.address) else work.watch
        if watch:
            work.recorder.settle()
            watch.start(stage.address)
        root = work.writer.repository.root
        before = signatures(root, stage)
        try:
            current.usage = _run_commands(work, stage, current.log)
        except StageFailedError as error:
            observation = watch.end(stage.address) if watch else observation
            if observation.is_doubtful and not work.cancelled.is_set():
                raise _stale_input(work, stage, observation) from error
            raise
        finally:
            # Its outputs may hold what it has moved: a second run would remove them.
            if signatures(root, stage) != before:
                work.unrepeatable.add(stage.address)
        observation = watch.end(stage.address) if watch else observation
        if observation.is_doubtful:
            raise _stale_input(work, stage, observation)
        announce = partial(_record, work, stage, current)
        try:
            try:
                lock_writer.finish(work.writer, stage.address, stage.rewrites, announce=announce)
            except lock_writer.DependencyChangedError as error:
                if not _is_own_change(work, stage, current, error.before):
                    raise
                # Another edit since then is noticed here.
                lock_writer.finish(work.writer, stage.address, stage.rewrites, announce=announce)
        except lock_writer.DependencyChangedError as error:
            raise StageFailedError(error_text(stage, str(error))) from error
        if observation.exact:
            passed_on = observation.passed_on
            work.reads.add(stage, observation.reads, own=observation.own, passed_on=bool(passed_on))
            for writer, path in passed_on.items():
                work.notices.append(
                    f"{stage.address} reads {path}, which {writer} writes, and no stage declares it: "
                    f"{stage.address} runs alone until it is in outs of {writer} and deps of {stage.address}"
                )


def _run_commands(work: Work, stage: Stage, log: Path) -> Usage:
    """Run the commands of a stage; mask secrets in output, log and error."""
    params = _params(work, stage)
    variables = {f"{name} token": os.environ.get(name) for name in referenced_variables(params)}
    secrets = secret_values(os.environ, params, variables)

    def show(lines: Sequence[str], unfinished: str) -> None:
        masked = mask_text("\n".join(lines), secrets).split("\n") if lines else []
        work.board.output(stage.address, masked, mask_text(unfinished, secrets))
        work.live.output(stage.address, masked)

    try:
        if work.elsewhere and work.travels(stage.address):
            return work.elsewhere.run(stage, log, show, work.cancelled.is_set)
        return run_commands(
            stage.address,
            lock_writer.command_lines(work.writer.repository, stage.address),
            log,
            launcher=work.warm if stage.preload else work.launcher,
            timeout_s=stage.number("timeout_s", 0) or None,
            watch=show,
            cancelled=work.cancelled.is_set,
        )
    except StageFailedError as error:
        # Not `from error`: Prefect logs the cause with its text.
        raise StageFailedError(mask_text(str(error), secrets)) from None
    finally:
        mask_log(log, secrets)  # MLflow and Prefect get a copy


def _stale_input(work: Work, stage: Stage, observation: Observation) -> StaleInputError:
    if not observation.stale:
        producer, output = next(iter(observation.unseen.items()))
        work.board.update(stage.address, note=f"may have read {output} before {producer} had finished")
        return StaleInputError(
            f"{stage.address} ran while {producer} made {output} faster than its files could be watched, and "
            "may have read them, so its outputs were not recorded"
        )
    producer, output = next(iter(observation.stale.items()))
    work.board.update(stage.address, note=f"opened {output} before {producer} had finished")
    return StaleInputError(
        f"{stage.address}, or another program at the same time, opened {output} before {producer} "
        "had finished, so its outputs were not recorded"
    )


def _is_own_change(work: Work, stage: Stage, current: _Attempt, before: Mapping[str, Any]) -> bool:
    """Return whether the command itself changes these dependencies."""
    if work.replay is None or time.monotonic() - current.began > LONGEST_REPLAY_S:
        return False
    work.board.update(stage.address, note=f"{', '.join(before)} changed; runs once more in a scratch copy")
    if not work.replay(work.writer.repository, stage, before, work.cancelled.is_set):
        return False
    work.notices.append(own_change_text(stage, before))
    return True


def _params(work: Work, stage: Stage) -> dict[str, Any]:
    """Return the values of the params that a stage declares."""
    return {
        key: value
        for file, keys in stage.params.items()
        for key, value in work.workflow.params.get(file, {}).items()
        if key in keys or not keys
    }


def _record(work: Work, stage: Stage, current: _Attempt, status: str) -> None:
    repository = work.writer.repository
    stage = with_definitions(repository, stage)
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
        tags={
            **work.flow_run,
            **artifact_tags(repository, stage),
            **(_environment(work, stage, outputs) if status == "ran" else {}),
            **(_host(work, current) if status == "ran" else {}),
        },
        metrics=stage_metrics(repository, stage) if status in ("ran", "restored") else {},
        used={"ram_gb": current.usage.ram_gb, "cpu_seconds": current.usage.cpu_s} if status == "ran" else {},
    )
    with work.recorder.noting_problems():
        models = models_of(work, stage, outputs) if status in ("ran", "restored") else ()
        record = replace(record, datasets=datasets_of(work, inputs), models=models)
    work.recorder.stage(mask_record(record))


def _host(work: Work, current: _Attempt) -> dict[str, str]:
    """Return the machine that ran a stage as a tag, in a run on a cluster."""
    return {"statewright.host": current.usage.host or socket.gethostname()} if work.elsewhere else {}


def _environment(work: Work, stage: Stage, outputs: Hashes) -> dict[str, str]:
    """Record the environment that made the outputs, and return it as tags."""
    here = work.environments.here
    with suppress(OSError):  # a note is missing in the next plan, and nothing else
        work.environments.save(stage.address, outputs)
    return {"statewright.environment": here.digest, "statewright.python": here.python}
