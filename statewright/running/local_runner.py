"""Carry out stages in threads of this process."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, wait

from statewright.running.attempt import DEFAULT_RETRY_DELAY_S, attempt
from statewright.running.dispatch import dispatch
from statewright.running.limits import Limits
from statewright.running.prefect_record import PrefectRecord
from statewright.running.process import GRACE_S
from statewright.running.work import AGAIN, Work


def run_locally(
    work: Work, limits: Limits, *, keep_going: bool = True, record: PrefectRecord | None = None
) -> None:
    """Carry out the plan with one thread for each running stage.

    A thread carries out one stage after the other: DVC opens its databases once in each thread. The
    threads are daemons: if one of them never ends, the process can still exit.

    Parameters
    ----------
    record : PrefectRecord, optional
        Reports the states of the stages to Prefect.
    """
    jobs: queue.SimpleQueue[tuple[str, Future[str]] | None] = queue.SimpleQueue()
    running: list[Future[str]] = []
    threads: list[threading.Thread] = []

    def serve() -> None:
        while job := jobs.get():
            _carry_out(work, *job, record)

    def start(address: str) -> Future[str]:
        future: Future[str] = Future()
        running[:] = [*(other for other in running if not other.done()), future]
        jobs.put((address, future))
        if len(running) > len(threads):
            threads.append(threading.Thread(target=serve, name=f"stages-{len(threads)}", daemon=True))
            threads[-1].start()
        return future

    try:
        dispatch(work, limits, start, keep_going=keep_going)
    except BaseException:
        # An interrupt must reach the stages, which have their own threads and process groups.
        work.cancelled.set()
        wait(running, timeout=3 * GRACE_S)
        raise
    finally:
        for _ in threads:
            jobs.put(None)


def _carry_out(work: Work, address: str, future: Future[str], record: PrefectRecord | None) -> None:
    """Attempt a stage until it succeeds or its retries are used up."""
    stage = work.workflow.stages[address]
    retries = int(stage.number("retries", 0))
    for number in range(retries + 1):
        if record:
            record.running(stage)
        try:
            outcome = attempt(work, address)
        except BaseException as error:
            last = number == retries or work.cancelled.is_set()
            if record:
                record.failed(stage, str(error), final=last)
            if last:
                future.set_exception(error)
                return
            work.cancelled.wait(stage.number("retry_delay_s", DEFAULT_RETRY_DELAY_S))
        else:
            if record and outcome == AGAIN:
                record.failed(stage, str(work.stale[address]), final=False)
            elif record:
                record.completed(stage, outcome)
            future.set_result(outcome)
            return
