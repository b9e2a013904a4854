"""Carry out stages as the tasks of a Prefect flow.

Each stage is a task with the name of the stage. Its logs, states and retries appear on Prefect's page.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import Any
from urllib.error import HTTPError

from statewright.masking import mask_text
from statewright.running.attempt import DEFAULT_RETRY_DELAY_S, attempt
from statewright.running.dispatch import dispatch
from statewright.running.limits import Limits
from statewright.running.prefect_api import PrefectApi, page
from statewright.running.prefect_content import Artifact, branch_tags, describe, plan_artifact
from statewright.running.prefect_events import ERROR, INFO, NAMES, FlowRun
from statewright.running.prefect_links import links_of
from statewright.running.prefect_record import blocked_message, causes, tasks_of
from statewright.running.stage_events import StageEvent
from statewright.running.work import Work
from statewright.workflow import Stage

PATIENCE_S = 10.0
"""Seconds after the end of the flow in which Prefect may still send its last events."""
FAULT_S = 60.0
"""Seconds in which a server that answers with an error, as its database restarts, is asked again."""
FAULT_PAUSE_S = 1.0


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
    from prefect.states import Completed

    def run() -> Any:
        log_in_task(stage.address, [f"why: {causes(work.plan, stage.address)}"], False)
        outcome = attempt(work, stage.address)
        return Completed(name=NAMES[outcome], data=outcome) if outcome in NAMES else outcome

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


def log_in_task(_: str, lines: Sequence[str], failed: bool) -> None:
    """Log output of a stage in its task run, see `live_log.Send`."""
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    try:
        logger = get_run_logger()
    except MissingContextError:
        return
    for line in lines:
        logger.log(ERROR if failed else INFO, line)


def name_idle_flow_run() -> None:
    """Name the current flow run after a plan without work, if its server answers."""
    from prefect.client.orchestration import get_client
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context and context.flow_run:
        with suppress(Exception), get_client(sync_client=True) as client:
            client.update_flow_run(context.flow_run.id, name="nothing to do")


class FlowRunPage:
    """The page of the current flow run, in the place of a `PrefectRecord`.

    A server that does not answer costs the page, and never the run.

    Parameters
    ----------
    flow : str
        Name of the flow.
    """

    def __init__(self, work: Work) -> None:
        from prefect.client.orchestration import get_client
        from prefect.context import FlowRunContext

        context = FlowRunContext.get()
        assert context is not None and context.flow is not None and context.flow_run is not None
        root, request = work.writer.repository.root, work.request
        found = describe(root, work.workflow, work.plan, request, work.name)
        self.flow = context.flow.name
        self._problem: str | None = None
        self._late = False
        with get_client(sync_client=True) as client:
            self._api = PrefectApi(str(client.api_url).rstrip("/"))
            tags = {*context.flow_run.tags, *found.tags, *branch_tags(root)}
            with self._noting():
                client.update_flow_run(context.flow_run.id, name=found.run, tags=tags)
                self._api.identify()
        links = links_of(page(self._api.address), root)
        self._run = FlowRun(replace(found, flow=self.flow), tasks_of(work.workflow, work.plan), links)
        self._run.attach(str(context.flow_run.flow_id), str(context.flow_run.id))
        self._run.show_up_to_date(time.time())
        self.artifact(plan_artifact(self.flow, work.plan))

    def artifact(self, artifact: Artifact) -> None:
        """Show a text on the page."""
        self._add({"do": "artifact", "artifact": asdict(artifact)})

    def event(self, event: StageEvent) -> None:
        """Emit an event that a stage declares."""
        self._add({"do": "event", "event": asdict(event)})

    def blocked(self, address: str) -> None:
        """Show a stage that will not start, after a failure."""
        self._add(blocked_message(address))

    def close(self, *_: str) -> str | None:
        """Return what the page lacks, or None; Prefect's engine ends the flow run."""
        deadline = time.monotonic() + FAULT_S
        while self._late and not self._problem:
            if time.monotonic() > deadline:
                return f"{self._run.lacks()}: the server answered with errors for {FAULT_S:.0f} s"
            time.sleep(FAULT_PAUSE_S)
            self._send()
        return self._problem

    def _add(self, message: dict[str, Any]) -> None:
        if self._problem:  # a server that is gone is not asked again
            return
        with self._noting():
            self._run.add([{**message, "time": time.time()}])
        self._send()

    def _send(self) -> None:
        """Send what the server has not accepted; keep it if the server fails."""
        self._late = False
        with self._noting():
            try:
                self._run.send(self._api)
            except HTTPError as error:
                if error.code < 500:
                    raise
                self._late = True

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of Prefect's client or of HTTP
            self._problem = self._problem or f"the page of the flow run is incomplete: {error}"
