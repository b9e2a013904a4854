"""Carry out stages in threads of this process."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait

from statewright.running.attempt import DEFAULT_RETRY_DELAY_S, Work, attempt
from statewright.running.dispatch import dispatch
from statewright.running.limits import Limits
from statewright.running.process import GRACE_S


def run_locally(work: Work, limits: Limits, *, keep_going: bool = True) -> None:
    """Carry out the plan with one thread for each running stage.

    The threads are daemons: if one of them never ends, the process can still exit.
    """
    futures: list[Future[str]] = []

    def start(address: str) -> Future[str]:
        future: Future[str] = Future()
        futures.append(future)
        threading.Thread(target=_carry_out, args=(work, address, future), name=address, daemon=True).start()
        return future

    try:
        dispatch(work, limits, start, keep_going=keep_going)
    except BaseException:
        # An interrupt must reach the stages, which have their own threads and process groups.
        work.cancelled.set()
        wait(futures, timeout=3 * GRACE_S)
        raise


def _carry_out(work: Work, address: str, future: Future[str]) -> None:
    """Attempt a stage until it succeeds or its retries are used up."""
    stage = work.workflow.stages[address]
    retries = int(stage.number("retries", 0))
    for remaining in range(retries, -1, -1):
        try:
            outcome = attempt(work, address)
        except BaseException as error:
            if not remaining or work.cancelled.is_set():
                future.set_exception(error)
                return
        else:
            future.set_result(outcome)
            return
        work.cancelled.wait(stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S))
