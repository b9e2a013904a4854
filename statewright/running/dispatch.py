"""Start each stage when its inputs exist and its resources are free.

The loop knows stages that are ready, stages that run, and limits. How a stage is carried out is up to
a runner: `local_runner.py` uses threads of this process, `prefect_runner.py` Prefect's tasks. When the
turn of a stage comes, the engine decides on it again, because its inputs may be unchanged. A stage
that fails stops its descendants only.
"""

from __future__ import annotations

import queue
from bisect import insort
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from statewright.planning.ordering import Ordering
from statewright.running.limits import Limits
from statewright.running.process import LOG
from statewright.running.work import AGAIN, Work
from statewright.scheduling.prediction import DEMANDS, expected_seconds
from statewright.scheduling.schedule import priorities
from statewright.terminal.words import one_line
from statewright.workflow import Stage

Start = Callable[[str], "Future[str]"]
"""Starts the stage of an address; the future holds its outcome, see `attempt`, or its error."""


def dispatch(work: Work, limits: Limits, start: Start, *, keep_going: bool = True) -> None:
    """Start every stage of the plan and save its outcome in `work`.

    A stage that must run again in order (see `attempt`) waits until it can run alone.
    """
    edges = work.ordering.after()
    stages = {address: work.workflow.stages[address] for address in work.ordering.order}
    upstream = {address: tuple(ups) for address, ups in edges.items()}
    tails = priorities(replace(work.workflow, stages=stages, upstream=upstream), expected_seconds(work.plan))
    turns = _Turns(work.ordering, edges, tails)
    demands = demands_of(stages)
    running: set[str] = set()
    ended: queue.SimpleQueue[tuple[str, Future[str]]] = queue.SimpleQueue()
    while running or turns.ready:
        for address in list(startable(turns.ready, running, demands, limits)):
            turns.begin(address)
            running.add(address)
            start(address).add_done_callback(partial(_report, ended, address))
        address, future = ended.get()
        running.remove(address)
        if _must_run_again(address, future, turns, work):
            turns.run_alone(address, running)
            continue
        turns.end(address)
        if not _succeeded(address, future, work):
            if not work.request.ignore_errors:
                _block(address, turns.waiting, work, keep_going)
            turns.drop(work.outcomes)


class _Turns:
    """Stages that wait, and for which other stages each of them waits.

    A round of the loop costs the stages that it starts and those that wait for the ended one, not all
    stages: a run of thousands has as many rounds.
    """

    def __init__(
        self, ordering: Ordering, edges: Mapping[str, Collection[str]], tails: Mapping[str, float]
    ) -> None:
        self.ordering = ordering
        self.tails = tails
        self.ended: dict[str, int] = {}
        """Stage -> number of stages that ended before it."""
        self.ended_before: dict[str, int] = {}
        """Stage -> number of stages that had ended when it started."""
        self.waiting: dict[str, set[str]] = {address: set(ups) for address, ups in edges.items()}
        self._index()

    def _index(self) -> None:
        """List the ready stages, and the stages that wait for each stage."""
        self.ready = [address for address, ups in self.waiting.items() if not ups]
        self.ready.sort(key=self.tails.__getitem__, reverse=True)
        self.waited_by: dict[str, list[str]] = {}
        for waiting, ups in self.waiting.items():
            for address in ups:
                self.waited_by.setdefault(address, []).append(waiting)

    def begin(self, address: str) -> None:
        """Note that a stage starts."""
        self.ready.remove(address)
        del self.waiting[address]
        self.ended_before[address] = len(self.ended)

    def end(self, address: str) -> None:
        """Note that a stage has ended, whether it succeeded or not."""
        self.ended[address] = len(self.ended)
        for waiting in self.waited_by.pop(address, ()):
            if ups := self.waiting.get(waiting):
                ups.discard(address)
                if not ups:
                    insort(self.ready, waiting, key=lambda other: -self.tails[other])

    def drop(self, addresses: Collection[str]) -> None:
        """Remove stages that will not start."""
        for address in [address for address in self.waiting if address in addresses]:
            del self.waiting[address]
            self.end(address)
        self.ready = [address for address in self.ready if address in self.waiting]

    def run_alone(self, address: str, running: Collection[str]) -> None:
        """Let a stage run again: after all earlier ones, and while no other stage runs."""
        self.ordering = self.ordering.isolate(address)
        edges = self.ordering.after()
        edges[address].update(running)
        self.waiting[address] = set()
        for waiting in self.waiting:
            self.waiting[waiting] = edges[waiting] - self.ended.keys()
        self._index()


def _must_run_again(address: str, future: Future[str], turns: _Turns, work: Work) -> bool:
    """Return whether a stage ran too early, and must run again in order.

    A stage that fails may miss a file that it does not declare: nobody sees a file being missed. So an
    unobserved stage that failed before an earlier stage had written its files runs again, too.
    """
    if work.cancelled.is_set() or address in turns.ordering.alone or address in work.unrepeatable:
        return False
    if future.exception() is None:
        if future.result() == AGAIN:
            work.notices.append(f"{work.stale[address]}; it ran again in DVC's order")
            return True
        return False
    missed = _missed(address, turns, work)
    if address in turns.ordering.observed or not missed:
        return False
    error = one_line(str(future.exception()).partition(LOG)[0])
    work.notices.append(
        f"{address} failed before {missed[0]} had finished, so it ran again in DVC's order; "
        f"the first time: {error}"
    )
    work.board.update(address, "waiting", note=f"{error}; it runs again after {missed[0]}")
    return True


def _missed(address: str, turns: _Turns, work: Work) -> list[str]:
    """Return the earlier stages whose files a failed stage may have missed.

    A frozen stage and a data source have no command that could miss one. An earlier stage that turned out
    to be unchanged, or that will not run, has written none.
    """
    if not work.workflow.stages[address].plain:
        return []
    earlier = turns.ordering.order[: turns.ordering.order.index(address)]
    started = turns.ended_before[address]
    return [
        other
        for other in earlier
        if turns.ended.get(other, started) >= started
        and work.outcomes.get(other) not in ("skipped", "blocked")
    ]


def _report(ended: queue.SimpleQueue[tuple[str, Future[str]]], address: str, future: Future[str]) -> None:
    ended.put((address, future))


@dataclass(frozen=True)
class Demands:
    """Amounts of the resources `DEMANDS`: of each stage, and the least of all stages."""

    of: Mapping[str, tuple[float, ...]]
    least: tuple[float, ...]


def demands_of(stages: Mapping[str, Stage]) -> Demands:
    """Return the demands of the stages of a run."""
    of = {
        address: tuple(stage.number(key, usual) for key, usual in DEMANDS.items())
        for address, stage in stages.items()
    }
    return Demands(of, tuple(min(amounts) for amounts in zip(*of.values(), strict=True)))


def startable(
    ready: Collection[str],
    running: Collection[str],
    demands: Demands,
    limits: Limits,
) -> Iterator[str]:
    """Yield the `ready` stages that may start now, in order.

    Parameters
    ----------
    ready : collection of str
        Addresses of the stages whose inputs exist, the most urgent first.
    running : collection of str
        Addresses of the stages that run now.
    """
    capacities = [limits.as_dict()[key] for key in DEMANDS]

    def exceeds(demand: tuple[float, ...]) -> bool:
        return any(d > c for d, c in zip(demand, capacities, strict=True))

    def over(demand: tuple[float, ...]) -> bool:
        return any(d and u + d > c for d, u, c in zip(demand, used, capacities, strict=True))

    active = [demands.of[address] for address in running]
    used = [sum(amounts) for amounts in zip([0.0] * len(DEMANDS), *active, strict=True)]
    alone = any(map(exceeds, active))
    for address in ready:
        if alone:
            return  # a stage that exceeds the capacities runs alone
        if active and over(demands.least):
            return  # no stage fits; thousands of ready ones are not visited
        demand = demands.of[address]
        if active and over(demand):
            continue
        active.append(demand)
        alone = exceeds(demand)
        used = [u + d for u, d in zip(used, demand, strict=True)]
        yield address


def _succeeded(address: str, future: Future[str], work: Work) -> bool:
    """Save the outcome of a stage and return whether it succeeded."""
    error = future.exception()
    if error is None and future.result() != AGAIN:
        work.outcomes[address] = future.result()
        return True
    work.outcomes[address] = "failed"
    work.errors[address] = str(error or work.stale[address]) or type(error).__name__
    work.board.update(address, "failed", note=work.errors[address].splitlines()[0])
    return False


def _block(failed: str, waiting: Collection[str], work: Work, keep_going: bool) -> None:
    """Block the waiting stages that need the failed one, or all of them."""
    downstream = work.workflow.downstream(failed) | work.ordering.dependents(failed)
    for address in waiting:
        if address not in work.outcomes and (address in downstream or not keep_going):
            work.outcomes[address] = "blocked"
            relation = "needs" if address in downstream else "not started after the failure of"
            work.board.update(address, "blocked", note=f"{relation} {work.plan.label(failed)}")
