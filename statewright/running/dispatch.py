"""Start each stage when its inputs exist and its resources are free.

The loop knows stages that are ready, stages that run, and limits. How a stage is carried out is up to
a runner: `local_runner.py` uses threads of this process, `prefect_runner.py` Prefect's tasks. When the
turn of a stage comes, the engine decides on it again, because its inputs may be unchanged. A stage
that fails stops its descendants only.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from functools import partial

from statewright.running.attempt import Work
from statewright.running.limits import Limits
from statewright.scheduling.prediction import DEMANDS, expected_seconds
from statewright.scheduling.schedule import priorities
from statewright.workflow import Stage, Workflow

Start = Callable[[str], "Future[str]"]
"""Starts the stage of an address; the future holds its outcome, see `attempt`, or its error."""


def dispatch(work: Work, limits: Limits, start: Start, *, keep_going: bool = True) -> None:
    """Start every stage of the plan and save its outcome in `work`."""
    planned = dict.fromkeys(work.plan.work)
    needs = {a: [up for up in work.workflow.upstream[a] if up in planned] for a in planned}
    missing = {address: len(ups) for address, ups in needs.items()}
    tails = priorities(work.workflow, expected_seconds(work.plan))
    ready = [address for address in needs if not missing[address]]
    running: dict[str, Stage] = {}
    started: set[str] = set()
    ended: queue.SimpleQueue[tuple[str, Future[str]]] = queue.SimpleQueue()
    while ready or running:
        ready.sort(key=tails.__getitem__, reverse=True)
        for address in list(startable(ready, running, work.workflow, limits)):
            ready.remove(address)
            started.add(address)
            running[address] = work.workflow.stages[address]
            start(address).add_done_callback(partial(_report, ended, address))
        address, future = ended.get()
        del running[address]
        if _succeeded(address, future, work):
            for down in (a for a, ups in needs.items() if address in ups):
                missing[down] -= 1
                if not missing[down] and down not in work.outcomes:
                    ready.append(down)
        else:
            _block(address, set(needs) - started, work, keep_going)
            ready = [waiting for waiting in ready if waiting not in work.outcomes]


def _report(ended: queue.SimpleQueue[tuple[str, Future[str]]], address: str, future: Future[str]) -> None:
    ended.put((address, future))


def startable(
    ready: Collection[str], running: Mapping[str, Stage], workflow: Workflow, limits: Limits
) -> Iterator[str]:
    """Yield the `ready` stages that may start now, in order.

    Parameters
    ----------
    ready : collection of str
        Addresses of the stages whose inputs exist, the most urgent first.
    running : mapping of str to Stage
        The stages that run now.
    """
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


def _succeeded(address: str, future: Future[str], work: Work) -> bool:
    """Save the outcome of a stage and return whether it succeeded."""
    error = future.exception()
    if error is None:
        work.outcomes[address] = future.result()
        return True
    work.outcomes[address] = "failed"
    work.errors[address] = str(error) or type(error).__name__
    work.board.update(address, "failed", note=work.errors[address].splitlines()[0])
    return False


def _block(failed: str, waiting: Collection[str], work: Work, keep_going: bool) -> None:
    """Block the waiting stages that need the failed one, or all of them."""
    downstream = work.workflow.downstream(failed)
    for address in waiting:
        if address not in work.outcomes and (address in downstream or not keep_going):
            work.outcomes[address] = "blocked"
            relation = "needs" if address in downstream else "not started after the failure of"
            work.board.update(address, "blocked", note=f"{relation} {failed}")
