"""Carry out stages as the tasks of a Prefect flow.

Each stage is a task with the name of the stage. Its logs, states and retries appear on Prefect's page.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from statewright.masking import mask_text
from statewright.running.attempt import DEFAULT_RETRY_DELAY_S, attempt
from statewright.running.dispatch import dispatch
from statewright.running.limits import Limits
from statewright.running.prefect_reporter import log_tail
from statewright.running.work import Work
from statewright.workflow import Stage

PATIENCE_S = 10.0
"""Seconds after the end of the flow in which Prefect may still send its last events."""


def run_in_prefect(work: Work, limits: Limits, *, keep_going: bool = True) -> None:
    """Carry out the plan as tasks of the current flow run."""
    from prefect import allow_failure

    bound_exit(PATIENCE_S)
    futures: dict[str, Any] = {}

    def start(address: str) -> Future[str]:
        stage = work.workflow.stages[address]
        # Prefect draws the edges of its graph from `wait_for`.
        upstream = [futures[up] for up in work.workflow.upstream[address] if up in futures]
        if work.request.ignore_errors:
            upstream = [allow_failure(up) for up in upstream]
        futures[address] = submitted = _task(work, stage).submit(wait_for=upstream)
        future: Future[str] = Future()
        submitted.add_done_callback(lambda submitted: _copy_outcome(submitted, future))
        return future

    try:
        dispatch(work, limits, start, keep_going=keep_going)
    except BaseException:
        # An interrupt must reach the stages, which have their own threads and process groups.
        work.cancelled.set()
        raise


def bound_exit(patience_s: float) -> threading.Thread:
    """End this process with status 1 if its exit takes longer than `patience_s`.

    At exit, Prefect sends each waiting event again and again, without limit, if its server has died.
    """

    def watch() -> None:
        # Prefect waits at the start of the exit, which no public call shows.
        while not getattr(threading, "_SHUTTING_DOWN", False):
            time.sleep(0.2)
        time.sleep(patience_s)
        print(
            f"statewright: Prefect's server did not accept the last events within {patience_s:g} s; "
            "the stages themselves are recorded",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)

    thread = threading.Thread(target=watch, name="bound-exit", daemon=True)
    thread.start()
    return thread


def _copy_outcome(submitted: Any, future: Future[str]) -> None:
    """Copy the outcome of a Prefect future."""
    submitted.wait()
    state = submitted.state
    outcome = state.result(raise_on_failure=False)
    if state.is_completed():
        future.set_result(outcome)
    else:
        future.set_exception(
            outcome if isinstance(outcome, BaseException) else RuntimeError(state.message or state.name)
        )


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
        description=mask_text(stage.desc),
        retries=int(stage.number("retries", 0)),
        retry_delay_seconds=stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S),
        cache_policy=NO_CACHE,
        persist_result=False,
    )(run)


def flow_tags() -> dict[str, str]:
    """Return MLflow tags that name the current flow run, and link to its page."""
    from prefect.context import FlowRunContext
    from prefect.settings import PREFECT_UI_URL

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return {}
    tags = {"prefect.flow_run": str(context.flow_run.id)}
    if PREFECT_UI_URL.value():
        tags["prefect.link"] = f"{PREFECT_UI_URL.value()}/runs/flow-run/{context.flow_run.id}"
    return tags


def show_log(_: str, log: Path) -> None:
    """Copy the end of a stage's log to Prefect, which shows it on its page."""
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    try:
        logger = get_run_logger()
    except MissingContextError:
        return
    for line in log_tail(log):
        logger.info(line)
