"""The transition `f`: carry out a plan through Prefect, the only impure step.

Each stage is a Prefect task with the name of the stage. A stage is submitted when the stages it
depends on are done and its `cpu`, `ram_gb` and `gpu` are free; the stage with the longest tail goes
first. When its turn comes, the engine decides on it again, because its inputs may be unchanged. A
stage that fails stops its descendants only.
"""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from statewright.planning.plan import Plan
from statewright.repository import declaration as dvc
from statewright.repository import lock_writer
from statewright.repository.observation import observe
from statewright.running.attempt import Work, attempt
from statewright.running.launcher import open_launcher
from statewright.running.output import remove_old_logs
from statewright.running.recorder import Recorder
from statewright.running.servers import prefect_server
from statewright.scheduling.prediction import DEMANDS, Comparison, compare, expected_seconds, schedule_plan
from statewright.scheduling.schedule import priorities
from statewright.state import State
from statewright.terminal.display import Board, live_board, new_board
from statewright.workflow import Stage, Workflow, WorkflowError
from statewright.workspace import WORKING_LOCK, control_folder

DEFAULT_RETRY_DELAY_S = 5.0


def installed_ram_gb() -> float:
    """Return the memory of this machine in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def installed_gpus() -> int:
    """Return the number of GPUs in `CUDA_VISIBLE_DEVICES`, else of NVIDIA's driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([device for device in named.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


@dataclass(frozen=True)
class Limits:
    """Capacities that parallel stages share; `workers` is the number of cores.

    A stage that demands more than a capacity, or a GPU where there is none, runs alone.
    """

    workers: int = 2
    ram_gb: float = field(default_factory=installed_ram_gb)
    gpu: float = field(default_factory=installed_gpus)

    def as_dict(self) -> dict[str, float]:
        """Return the capacities under the names that `meta:` uses."""
        return {"cpu": self.workers, "ram_gb": self.ram_gb, "gpu": self.gpu}


@dataclass
class Result:
    """Result of a transition.

    Parameters
    ----------
    state : State
        State of the repository after the transition.
    outcomes : mapping of str to str
        Address -> ran, restored, done, skipped, failed or blocked.
    errors : mapping of str to str
        Address -> error message.
    times : mapping of str to (float, float)
        Address -> start and end in seconds of a monotonic clock.
    schedule : Comparison or None
        Actual durations compared with the predicted ones.
    record : str or None
        Id of the run in MLflow.
    unrecorded : str or None
        Reason why the record in MLflow is missing or incomplete.
    """

    state: State
    outcomes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    schedule: Comparison | None = None
    record: str | None = None
    unrecorded: str | None = None

    @property
    def failed(self) -> bool:
        """True if a stage failed."""
        return bool(self.errors)


class TransitionFailedError(RuntimeError):
    """Failure of stages; the message names each stage with cause and log."""


def transition(
    repository: dvc.Repository,
    workflow: Workflow,
    state: State,
    plan: Plan,
    limits: Limits,
    *,
    name: str = "statewright",
    tags: Mapping[str, str] | None = None,
    keep_going: bool = True,
    board: Board | None = None,
) -> Result:
    """Carry out `plan` and return the outcome of each stage and the new state.

    Inside a Prefect flow, the stages become tasks of that flow. Otherwise a flow `name` starts.
    If the plan has no work, no flow starts.

    Parameters
    ----------
    tags : mapping of str to str, optional
        Tags for the run in MLflow.
    keep_going : bool
        Whether to start, after a failure, the stages that do not need the failed one.

    Raises
    ------
    WorkflowError
        If a value in `meta:` of a stage is invalid.
    """
    stages = [workflow.stages[address] for address in plan.work]
    for stage in stages:
        _check_meta(stage)
    result = Result(state)
    if not plan.work:
        return result
    control = control_folder(repository.root / ".statewright")
    lock = control / WORKING_LOCK
    preload = dict.fromkeys(name for stage in stages for name in stage.preload)
    remove_old_logs(control / "logs")
    with ExitStack() as stack:
        recorder = Recorder(repository.root, lock)
        stack.callback(_close_record, recorder, result)
        warm = stack.enter_context(open_launcher([*preload], lock)) if preload else None
        plain = stack.enter_context(open_launcher(lock=lock))
        work = Work(
            name=name,
            writer=lock_writer.open_lock_writer(repository, list(workflow.stages)),
            workflow=workflow,
            plan=plan,
            board=board or new_board(plan),
            logs=control / "logs" / datetime.now().strftime("%Y%m%d-%H%M%S-%f"),
            recorder=recorder,
            launcher=plain,
            warm=warm or plain,
            show_log=_show_log,
            times=result.times,
        )
        stack.enter_context(live_board(work.board))

        def carry_out() -> None:
            _carry_out(work, limits, result, tags or {}, keep_going)

        is_up = stack.enter_context(prefect_server(plain, work.logs / "prefect-server.log"))
        _within_flow(carry_out, name, limits, is_up)
    return result


def _within_flow(
    carry_out: Callable[[], None], name: str, limits: Limits, server: Callable[[], str | None]
) -> None:
    """Call `carry_out` in the current Prefect flow, or else in a new one."""
    from prefect import flow
    from prefect.context import FlowRunContext
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings
    from prefect.task_runners import ThreadPoolTaskRunner

    if FlowRunContext.get() is not None:
        carry_out()
        return
    runner: Any = ThreadPoolTaskRunner(max_workers=max(1, limits.workers))
    address = server()
    endings: list[BaseException | None] = []

    def body() -> None:
        try:
            carry_out()
        except BaseException as error:
            endings.append(error)
            raise
        endings.append(None)

    # A temporary server has no page to link to.
    with temporary_settings({PREFECT_API_URL: address, PREFECT_UI_URL: ""} if address else {}):
        try:
            flow(name=name, task_runner=runner, validate_parameters=False)(body)()
        except TransitionFailedError:
            return
        except Exception as error:
            _pass_on(error, endings)
        finally:
            # Logs and events in transit must arrive before a temporary server ends.
            APILogWorker.drain_all(timeout=10)
            EventsWorker.drain_all(timeout=10)


def _pass_on(error: Exception, endings: Sequence[BaseException | None]) -> None:
    """Raise the error of the work itself; print an error that is Prefect's only.

    Parameters
    ----------
    endings : sequence of (exception or None)
        Empty if the work has not started, else one item: the error that ended it, or None.
    """
    if not endings:
        raise WorkflowError(
            f"the Prefect server did not accept the flow: {type(error).__name__}: {error}; run "
            "`statewright run` again to start another server; if PREFECT_API_URL is set, check that server"
        ) from error
    if endings[0] is not None and not isinstance(endings[0], TransitionFailedError):
        raise endings[0]
    print(f"Prefect record is incomplete: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _close_record(recorder: Recorder, result: Result) -> None:
    result.record, result.unrecorded = recorder.close()


def _check_meta(stage: Stage) -> None:
    for key in ("cpu", "ram_gb", "gpu", "retries", "retry_delay_s", "timeout_s"):
        stage.number(key, 0)


def _carry_out(work: Work, limits: Limits, result: Result, tags: Mapping[str, str], keep_going: bool) -> None:
    """Open the record, dispatch the stages and close the record."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        work.flow_run = _flow_tags(str(context.flow_run.id))
    before = {
        "statewright.state.before": result.state.digest,
        "statewright.workflow": work.workflow.digest,
    }
    work.recorder.start(work.name, {**before, **work.flow_run, **tags}, work.plan.as_dict())
    try:
        _dispatch(work, limits, result, keep_going)
    except BaseException:
        # An interrupt must reach the stages, which have their own threads and process groups.
        work.cancelled.set()
        raise
    finally:
        result.state = observe(work.writer.repository, work.workflow)
        predicted = schedule_plan(work.workflow, work.plan, limits.as_dict()).schedule
        result.schedule = compare(predicted, work.times)
        work.recorder.end(
            failed=result.failed or work.cancelled.is_set(),
            tags={"statewright.state.after": result.state.digest},
            metrics=result.state.metrics,
            schedule=result.schedule.as_dict(),
        )
    if result.failed:
        raise TransitionFailedError("\n".join(result.errors.values()))


def _flow_tags(flow_run_id: str) -> dict[str, str]:
    from prefect.settings import PREFECT_UI_URL

    tags = {"prefect.flow_run": flow_run_id}
    if PREFECT_UI_URL.value():
        tags["prefect.link"] = f"{PREFECT_UI_URL.value()}/runs/flow-run/{flow_run_id}"
    return tags


def _dispatch(work: Work, limits: Limits, result: Result, keep_going: bool) -> None:
    """Submit each stage when its inputs exist and its resources are free."""
    planned = dict.fromkeys(work.plan.work)
    needs = {a: [up for up in work.workflow.upstream[a] if up in planned] for a in planned}
    missing = {address: len(ups) for address, ups in needs.items()}
    tails = priorities(work.workflow, expected_seconds(work.plan))
    ready = [address for address in needs if not missing[address]]
    running: dict[str, Stage] = {}
    futures: dict[str, Any] = {}
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    while ready or running:
        ready.sort(key=tails.__getitem__, reverse=True)
        for address in list(_that_fit(ready, running, work.workflow, limits)):
            ready.remove(address)
            running[address] = work.workflow.stages[address]
            future = _task(work, running[address]).submit(wait_for=[futures[up] for up in needs[address]])
            futures[address] = future
            future.add_done_callback(lambda _, address=address: ended.put(address))
        address = ended.get()
        del running[address]
        if _succeeded(address, futures[address], work, result):
            for down in (a for a, ups in needs.items() if address in ups):
                missing[down] -= 1
                if not missing[down] and down not in result.outcomes:
                    ready.append(down)
        else:
            _block(address, set(needs) - set(futures), work, result, keep_going)
            ready = [waiting for waiting in ready if waiting not in result.outcomes]


def _block(failed: str, waiting: Collection[str], work: Work, result: Result, keep_going: bool) -> None:
    """Block the waiting stages that need the failed one, or all of them."""
    downstream = work.workflow.downstream(failed)
    for address in waiting:
        if address not in result.outcomes and (address in downstream or not keep_going):
            result.outcomes[address] = "blocked"
            relation = "needs" if address in downstream else "not started after the failure of"
            work.board.update(address, "blocked", note=f"{relation} {failed}")


def _that_fit(
    ready: Collection[str], running: Mapping[str, Stage], workflow: Workflow, limits: Limits
) -> Iterator[str]:
    """Yield the `ready` stages that can start now, in order."""
    capacities = [limits.as_dict()[key] for key in DEMANDS]

    def exceeds(demand: tuple[float, ...]) -> bool:
        return any(d > c for d, c in zip(demand, capacities, strict=True))

    active = [_demand(stage) for stage in running.values()]
    used = [sum(amounts) for amounts in zip([0.0] * len(DEMANDS), *active, strict=True)]
    for address in ready:
        if any(map(exceeds, active)):
            return  # a stage that exceeds the capacities runs alone
        demand = _demand(workflow.stages[address])
        if active and any(d and u + d > c for d, u, c in zip(demand, used, capacities, strict=True)):
            continue
        active.append(demand)
        used = [u + d for u, d in zip(used, demand, strict=True)]
        yield address


def _demand(stage: Stage) -> tuple[float, ...]:
    return tuple(stage.number(key, usual) for key, usual in DEMANDS.items())


def _succeeded(address: str, future: Any, work: Work, result: Result) -> bool:
    """Save the outcome of a stage and return whether it succeeded."""
    future.wait()
    state = future.state
    if state.is_completed():
        result.outcomes[address] = state.result(raise_on_failure=False)
        return True
    error = state.result(raise_on_failure=False)
    result.outcomes[address] = "failed"
    result.errors[address] = str(error) or type(error).__name__
    work.board.update(address, "failed", note=result.errors[address].splitlines()[0])
    return False


def _task(work: Work, stage: Stage) -> Any:
    """Return the Prefect task of a stage, with the name and retries of the stage."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    def run() -> str:
        return attempt(work, stage.address)

    return task(
        name=stage.address,
        # A function, because Prefect reads a text as a template and `foreach` can create a@{b}.
        task_run_name=lambda: stage.address,
        description=stage.desc,
        retries=int(stage.number("retries", 0)),
        retry_delay_seconds=stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S),
        cache_policy=NO_CACHE,
        persist_result=False,
    )(run)


def _show_log(log: Path, most: int = 100) -> None:
    """Copy the end of a stage's log to Prefect, which shows it on its page."""
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    if not log.is_file() or not log.stat().st_size:
        return
    # A progress bar overwrites its line: keep its last text only.
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    try:
        logger = get_run_logger()
    except MissingContextError:
        return
    for line in lines[-most:]:
        if line.strip():
            logger.info(line)
