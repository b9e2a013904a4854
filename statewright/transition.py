"""The transition `f`: carry a plan out through Prefect; the only impure step.

One Prefect task a stage, named as the stage. A stage is submitted when all it depends on is
done and its `cpu` and `ram_gb` are free, the one with the longest tail first; at its turn it is
looked at again, since its inputs may have turned out unchanged. A stage that fails stops its
descendants only.
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

from statewright.plan import Plan
from statewright.repository import declaration as dvc
from statewright.repository import lock_writer
from statewright.repository.observation import observe
from statewright.running.attempt import Work, attempt
from statewright.running.launcher import open_launcher
from statewright.running.recorder import Recorder
from statewright.running.servers import prefect_server
from statewright.scheduling.prediction import DEMANDS, Comparison, compare, expected_seconds, schedule_plan
from statewright.scheduling.schedule import priorities
from statewright.state import State
from statewright.terminal.display import Board, new_board, showing
from statewright.workflow import Stage, Workflow, WorkflowError
from statewright.workspace import WORKING_LOCK, control_folder

DEFAULT_RETRY_DELAY_S = 5.0


def installed_ram_gb() -> float:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def installed_gpus() -> int:
    """GPUs that `CUDA_VISIBLE_DEVICES` names, else those that NVIDIA's driver lists."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([device for device in named.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


@dataclass(frozen=True)
class Limits:
    """What may be used at once: `workers` counts cores, and thereby stages side by side.

    A stage that wants more than there is, or a GPU where there is none, runs alone.
    """

    workers: int = 2
    ram_gb: float = field(default_factory=installed_ram_gb)
    gpu: float = field(default_factory=installed_gpus)

    def as_dict(self) -> dict[str, float]:
        """By the names that `meta:` uses."""
        return {"cpu": self.workers, "ram_gb": self.ram_gb, "gpu": self.gpu}


@dataclass
class Result:
    """What came of a transition.

    Parameters
    ----------
    outcomes : mapping of str to str
        Address -> ran, restored, done, skipped, failed or blocked.
    errors : mapping of str to str
        Address -> what went wrong.
    times : mapping of str to (float, float)
        Address -> start and end in seconds, by a clock that does not jump.
    schedule : Comparison or None
        How long all and each took, beside what was predicted.
    record : str or None
        Id of the run in MLflow.
    unrecorded : str or None
        Why MLflow has no, or not the whole, record of it.
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
        """Whether any stage failed."""
        return bool(self.errors)


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
    tags: Mapping[str, str] | None = None,
    keep_going: bool = True,
    board: Board | None = None,
) -> Result:
    """Carry `plan` out and return the state that it led to.

    Inside a Prefect flow the stages become tasks of that flow, otherwise a flow `name` is made.
    With nothing to do, no flow starts.

    Parameters
    ----------
    tags : mapping of str to str, optional
        Go onto the run in MLflow.
    keep_going : bool
        Whether, after a failure, stages that do not need the failed one are still started.

    Raises
    ------
    WorkflowError
        If `meta:` of a stage says something that cannot be followed.
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
        stack.enter_context(showing(work.board))

        def carry_out() -> None:
            _carry_out(work, limits, result, tags or {}, keep_going)

        is_up = stack.enter_context(prefect_server(plain, work.logs / "prefect-server.log"))
        _within_flow(carry_out, name, limits, is_up)
    return result


def _within_flow(
    carry_out: Callable[[], None], name: str, limits: Limits, server: Callable[[], str | None]
) -> None:
    """Call in the Prefect flow that runs, or in one made for it."""
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
    ended: list[BaseException | None] = []

    def body() -> None:
        try:
            carry_out()
        except BaseException as error:
            ended.append(error)
            raise
        ended.append(None)

    # A temporary server has no page to link to.
    with temporary_settings({PREFECT_API_URL: address, PREFECT_UI_URL: ""} if address else {}):
        try:
            flow(name=name, task_runner=runner, validate_parameters=False)(body)()
        except TransitionFailedError:
            return
        except Exception as error:
            _pass_on(error, ended)
        finally:
            # What is still on its way must arrive before a temporary server ends.
            APILogWorker.drain_all(timeout=10)
            EventsWorker.drain_all(timeout=10)


def _pass_on(error: Exception, ended: Sequence[BaseException | None]) -> None:
    """Raise what the work raised; what only Prefect could not note down is said, since the work is done."""
    if not ended:
        raise WorkflowError(
            f"Prefect's server did not take the flow: {type(error).__name__}: {error}; "
            "`statewright run` again starts another, unless PREFECT_API_URL names one that does not work"
        ) from error
    if ended[0] is not None and not isinstance(ended[0], TransitionFailedError):
        raise ended[0]
    print(f"not wholly recorded in Prefect: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _close_record(recorder: Recorder, result: Result) -> None:
    result.record, result.unrecorded = recorder.close()


def _check_meta(stage: Stage) -> None:
    for key in ("cpu", "ram_gb", "gpu", "retries", "retry_delay_s", "timeout_s"):
        stage.number(key, 0)


def _carry_out(work: Work, limits: Limits, result: Result, tags: Mapping[str, str], keep_going: bool) -> None:
    """The body of the flow: open the record, dispatch, close the record."""
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
        # An interrupt must reach the stages, which run in threads and process groups of their own.
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
    """Submit each stage once its inputs are made and its resources free, until none is left."""
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
            for other in (a for a, ups in needs.items() if address in ups):
                missing[other] -= 1
                if not missing[other] and other not in result.outcomes:
                    ready.append(other)
        else:
            _block(address, set(needs) - set(futures), work, result, keep_going)
            ready = [other for other in ready if other not in result.outcomes]


def _block(failed: str, waiting: Collection[str], work: Work, result: Result, keep_going: bool) -> None:
    """Of the stages that wait, stop those that need the one that failed; or all."""
    below = work.workflow.downstream(failed)
    for other in waiting:
        if other not in result.outcomes and (other in below or not keep_going):
            result.outcomes[other] = "blocked"
            why = "needs" if other in below else "not started after"
            work.board.update(other, "blocked", note=f"{why} {failed}")


def _that_fit(
    ready: Collection[str], running: Mapping[str, Stage], workflow: Workflow, limits: Limits
) -> Iterator[str]:
    """Those of `ready`, in their order, that may start beside what runs."""
    most = [limits.as_dict()[key] for key in DEMANDS]

    def alone(wanted: tuple[float, ...]) -> bool:
        return any(w > m for w, m in zip(wanted, most, strict=True))

    beside = [_demand(stage) for stage in running.values()]
    used = [sum(amounts) for amounts in zip([0.0] * len(DEMANDS), *beside, strict=True)]
    for address in ready:
        if any(map(alone, beside)):
            return
        wanted = _demand(workflow.stages[address])
        if beside and any(w and u + w > m for w, u, m in zip(wanted, used, most, strict=True)):
            continue
        beside.append(wanted)
        used = [u + w for u, w in zip(used, wanted, strict=True)]
        yield address


def _demand(stage: Stage) -> tuple[float, ...]:
    return tuple(stage.number(key, usual) for key, usual in DEMANDS.items())


def _succeeded(address: str, future: Any, work: Work, result: Result) -> bool:
    """Note how a stage ended."""
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
    """The Prefect task of a stage: named as it, retried as its `meta:` says."""
    from prefect import task
    from prefect.cache_policies import NO_CACHE

    def run() -> str:
        return attempt(work, stage.address)

    return task(
        name=stage.address,
        task_run_name=lambda: stage.address,  # a text is a template to Prefect, and `foreach` may make a@{b}
        description=stage.desc,
        retries=int(stage.number("retries", 0)),
        retry_delay_seconds=stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S),
        cache_policy=NO_CACHE,
        persist_result=False,
    )(run)


def _show_log(log: Path, most: int = 100) -> None:
    """Copy the end of a stage's log to Prefect, where a person watches."""
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    if not log.is_file() or not log.stat().st_size:
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
