"""The transition `f`: carry a plan out through Prefect; the only impure step.

One Prefect task a stage, named as the stage. A stage is submitted when all it depends on is
done and its `cpu` and `ram_gb` are free; at its turn it is looked at again, since its inputs may
have turned out unchanged. A stage that fails stops its descendants only.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from statewright import ledger, tracking
from statewright import repository as dvc
from statewright.display import Board, new_board, showing
from statewright.plan import Plan
from statewright.process import StageFailedError, run_commands
from statewright.servers import use_running_server
from statewright.state import State
from statewright.workflow import Stage, Workflow

DEFAULT_RETRY_DELAY_S = 5.0


def installed_ram_gb() -> float:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


@dataclass(frozen=True)
class Limits:
    """What may be used at once: `workers` counts cores, and thereby stages side by side.

    A stage that wants more than there is, or a GPU where none is counted, runs alone.
    """

    workers: int = 2
    ram_gb: float = field(default_factory=installed_ram_gb)
    gpu: float = 0


@dataclass
class Result:
    """What came of a transition.

    Parameters
    ----------
    outcomes : mapping of str to str
        Address -> ran, restored, done, skipped, failed or blocked.
    errors : mapping of str to str
        Address -> what went wrong.
    unrecorded : str or None
        Why MLflow has no, or not the whole, record of it.
    """

    state: State
    outcomes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    unrecorded: str | None = None

    @property
    def failed(self) -> bool:
        """Whether any stage failed."""
        return bool(self.errors)


@dataclass
class _Work:
    """Everything that the tasks of one transition share."""

    repository: dvc.Repository
    workflow: Workflow
    plan: Plan
    board: Board
    name: str
    logs: Path
    record: tracking.Record | None = None
    unrecorded: str | None = None
    flow_run: Mapping[str, str] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)


class TransitionFailedError(RuntimeError):
    """Stages failed; the message names each with its cause and log."""


def transition(
    repository: dvc.Repository,
    workflow: Workflow,
    state: State,
    plan: Plan,
    limits: Limits,
    *,
    name: str = "statewright",
    board: Board | None = None,
) -> Result:
    """Carry `plan` out and return the state that it led to.

    Inside a Prefect flow the stages become tasks of that flow, otherwise a flow `name` is made.
    With nothing to do, no flow starts.

    Raises
    ------
    WorkflowError
        If `meta:` of a stage says something that cannot be followed.
    """
    for address in plan.work:
        _check_meta(workflow.stages[address])
    if not plan.work:
        return Result(state)
    use_running_server()
    from prefect import flow
    from prefect.context import FlowRunContext
    from prefect.task_runners import ThreadPoolTaskRunner

    board = board or new_board(plan)
    control = tracking.control_folder(repository.root / ".statewright")
    logs = control / "logs" / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    work = _Work(repository, workflow, plan, board, name, logs)
    known_before = ledger.recorded_names(repository)
    result = Result(state)

    def carry_out() -> None:
        _carry_out(work, limits, result)

    in_flow = FlowRunContext.get() is not None
    with showing(board):
        try:
            if in_flow:
                carry_out()
            else:
                runner: Any = ThreadPoolTaskRunner(max_workers=max(1, limits.workers))
                flow(name=name, task_runner=runner, validate_parameters=False)(carry_out)()
        except TransitionFailedError:
            if in_flow:
                raise
        finally:
            ledger.settle_lock(repository, list(workflow.stages), known_before)
    result.state = dvc.observe(repository, workflow)
    result.unrecorded = work.unrecorded
    return result


def _check_meta(stage: Stage) -> None:
    for key in ("cpu", "ram_gb", "gpu", "retries", "retry_delay_s", "timeout_s"):
        stage.number(key, 0)


def _carry_out(work: _Work, limits: Limits, result: Result) -> None:
    """The body of the flow: open the record, dispatch, close the record."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        work.flow_run = _flow_tags(str(context.flow_run.id))
    _recording(work, lambda: _open_record(work, result.state))
    try:
        _dispatch(work, limits, result)
    except BaseException:
        # An interrupt must reach the stages, which run in threads and process groups of their own.
        work.cancelled.set()
        raise
    finally:
        state = dvc.observe(work.repository, work.workflow)
        failed = result.failed or work.cancelled.is_set()
        if work.record is not None:
            record = work.record
            tags = {"statewright.state.after": state.digest}
            _recording(
                work,
                lambda: tracking.end_parent(record, failed=failed, tags=tags, metrics=state.metrics),
            )
    if result.failed:
        raise TransitionFailedError("\n".join(result.errors.values()))


def _recording(work: _Work, write: Any) -> None:
    """Write to MLflow; a store out of reach does not stop the work, and is said at the end."""
    try:
        write()
    except Exception as error:
        work.unrecorded = f"{type(error).__name__}: {error}".splitlines()[0]


def _open_record(work: _Work, state: State) -> None:
    work.record = tracking.open_record(work.repository.root)
    tags = {
        "statewright.state.before": state.digest,
        "statewright.workflow": work.workflow.digest,
        **work.flow_run,
    }
    tracking.start_parent(work.record, work.name, tags, work.plan.as_dict())


def _flow_tags(flow_run_id: str) -> dict[str, str]:
    from prefect.settings import PREFECT_UI_URL

    tags = {"prefect.flow_run": flow_run_id}
    if PREFECT_UI_URL.value():
        tags["prefect.link"] = f"{PREFECT_UI_URL.value()}/runs/flow-run/{flow_run_id}"
    return tags


def _dispatch(work: _Work, limits: Limits, result: Result) -> None:
    """Submit each stage once its inputs are made and its resources free, until none is left."""
    waiting = list(work.plan.work)
    running: dict[str, Stage] = {}
    futures: dict[str, Any] = {}
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    while waiting or running:
        for address in [a for a in waiting if _ready(a, work, waiting, running)]:
            stage = work.workflow.stages[address]
            if not _fits(stage, running.values(), limits):
                continue
            waiting.remove(address)
            running[address] = stage
            future = _task(work, stage).submit(
                wait_for=[futures[up] for up in work.workflow.upstream[address] if up in futures]
            )
            futures[address] = future
            future.add_done_callback(lambda _, address=address: ended.put(address))
        address = ended.get()
        del running[address]
        _take(address, futures[address], work, waiting, result)


def _ready(address: str, work: _Work, waiting: Sequence[str], running: Mapping[str, Stage]) -> bool:
    return not any(up in waiting or up in running for up in work.workflow.upstream[address])


def _fits(stage: Stage, running: Any, limits: Limits) -> bool:
    """Whether a stage may start beside those that run; alone it may always."""
    others = list(running)
    if not others:
        return True
    most_of = {"cpu": (1.0, limits.workers), "ram_gb": (1.0, limits.ram_gb), "gpu": (0.0, limits.gpu)}
    for key, (default, most) in most_of.items():
        wanted = stage.number(key, default)
        if wanted and sum(other.number(key, default) for other in others) + wanted > most:
            return False
    return True


def _take(address: str, future: Any, work: _Work, waiting: list[str], result: Result) -> None:
    """Note how a stage ended; if it failed, so is everything that needs it."""
    future.wait()
    state = future.state
    if state.is_completed():
        result.outcomes[address] = state.result(raise_on_failure=False)
        return
    error = state.result(raise_on_failure=False)
    result.outcomes[address] = "failed"
    result.errors[address] = str(error) or type(error).__name__
    work.board.update(address, "failed", note=result.errors[address].splitlines()[0])
    for other in work.workflow.downstream(address) & set(waiting):
        waiting.remove(other)
        result.outcomes[other] = "blocked"
        work.board.update(other, "blocked", note=f"needs {address}")


def _task(work: _Work, stage: Stage) -> Any:
    """The Prefect task of a stage: named as it, retried as its `meta:` says."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    def attempt() -> str:
        return _run_stage(work, stage.address)

    return task(
        name=stage.address,
        task_run_name=stage.address,
        description=stage.desc,
        retries=int(stage.number("retries", 0)),
        retry_delay_seconds=stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S),
        cache_policy=NO_CACHE,
        persist_result=False,
    )(attempt)


def _run_stage(work: _Work, address: str) -> str:
    """One attempt at one stage: skip, restore, or run its command and take the outputs in."""
    if work.cancelled.is_set():
        raise StageFailedError(f"stage '{address}' was not started: the run was stopped")
    stage = work.workflow.stages[address]
    started = time.time()
    forced = any(reason.kind == "forced" for reason in work.plan.decisions[address].reasons)
    work.board.update(address, "running", note="")
    log = work.logs / f"{address.replace('/', '_').replace(':', '_')}.log"
    try:
        status = ledger.begin(work.repository, address, force=forced)
        if status == "ready":
            _run_command(work, stage, log)
            status = "ran"
    except Exception as error:
        _record_stage(work, stage, "failed", started, log)
        if isinstance(error, StageFailedError):
            raise
        cause = dvc.explain(error) or type(error).__name__
        raise StageFailedError(f"stage '{address}': {cause}; log: {log}") from error
    finally:
        _show_log(log)
    if status != "skipped":
        _record_stage(work, stage, status, started, log)
    work.board.update(address, status)
    return status


def _run_command(work: _Work, stage: Stage, log: Path) -> None:
    address = stage.address
    environment = {"STATEWRIGHT_RECORDED": "1", "PYTHONUNBUFFERED": "1"}
    with ledger.holding_paths(work.repository, address):
        run_commands(
            address,
            ledger.command_lines(work.repository, address),
            log,
            timeout_s=stage.number("timeout_s", 0) or None,
            environment=environment,
            watch=lambda line: work.board.update(address, note=line),
            cancelled=work.cancelled.is_set,
        )
        ledger.finish(work.repository, address)


def _show_log(log: Path, most: int = 100) -> None:
    """Copy the end of a stage's log to Prefect, where a person watches."""
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    if not log.is_file():
        return
    # A progress bar overwrites its line: only what it showed last is worth keeping.
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    try:
        logger = get_run_logger()
    except MissingContextError:
        return
    for line in lines[-most:]:
        if line.strip():
            logger.info(line)


def _record_stage(work: _Work, stage: Stage, status: str, started: float, log: Path) -> None:
    record = work.record
    if record is not None:
        _recording(
            work, lambda: tracking.record_stage(record, _stage_record(work, stage, status, started, log))
        )


def _stage_record(work: _Work, stage: Stage, status: str, started: float, log: Path) -> tracking.StageRecord:
    inputs, outputs, params = ledger.recorded_hashes(work.repository, stage.address)
    return tracking.StageRecord(
        stage=stage,
        status=status,
        started=started,
        finished=time.time(),
        params=params,
        inputs=inputs,
        outputs=outputs if status != "failed" else {},
        reasons=tuple(reason.text for reason in work.plan.decisions[stage.address].reasons),
        log=log if log.is_file() else None,
        tags=work.flow_run,
    )
