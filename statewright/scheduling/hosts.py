"""Schedules on several hosts, with the time to move files between them.

Problem
-------
Each task runs on one host and holds its demands there, as in `schedule`. Before its commands start, the
host fetches the inputs that it does not have::

    host 1 | fetch a | train 1 |          a is fetched once a host
    host 2 | fetch a | train 2 | fetch m1 | evaluate |
           time on the host = latency + missing bytes / bandwidth + duration

A host has a file from the moment when it has fetched it, or when a task on it has written it. A host that
has all inputs of a task fetches nothing and pays no latency.

Rule
----
As the engine and Dask do: whenever tasks end, the ready task with the longest tail goes first, to the host
with free resources that has to fetch for the shortest time. Of equal hosts, the first is taken. With one
host, and with files that take no time, this is :func:`dispatch`.

References
----------
Graham (1969), Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 416-429: with equal hosts
and no transfers, the makespan is at most (2 - 1/hosts) times the shortest one.
Topcuoglu, Hariri, Wu (2002), Performance-effective task scheduling for heterogeneous computing (HEFT), IEEE
Trans. Parallel Distrib. Syst. 13, 260-274: ranks by tails, and the host of the earliest finish.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from statewright.scheduling.problem import PARTS, TICKS, Grid, Problem, lower_bound, to_grid
from statewright.scheduling.schedule import Schedule
from statewright.scheduling.schemes import longest_tail_first
from statewright.workflow import WorkflowError


@dataclass(frozen=True)
class Host:
    """A machine.

    Parameters
    ----------
    name : str
    capacities : mapping of str to float
        Resource -> amount on this host, such as `cpu`, `ram_gb` and `gpu`.
    """

    name: str
    capacities: Mapping[str, float]


@dataclass(frozen=True)
class Cluster:
    """Hosts, the files that tasks read and write, and the cost of moving a file.

    Parameters
    ----------
    hosts : sequence of Host
    reads : mapping of str to mapping of str to int
        Task -> file -> bytes.
    writes : mapping of str to collection of str
        Task -> files.
    bandwidth : float
        Bytes a second at which one host fetches.
    latency : float
        Seconds before the first byte.
    """

    hosts: Sequence[Host]
    reads: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    writes: Mapping[str, Collection[str]] = field(default_factory=dict)
    bandwidth: float = math.inf
    latency: float = 0.0


@dataclass(frozen=True)
class Placement:
    """A schedule with the host of each task.

    Parameters
    ----------
    schedule : Schedule
        A task lasts from the start of its transfer to its end.
    host : mapping of str to str
        Task -> name of its host.
    transfer : mapping of str to float
        Task -> seconds of its transfer.
    moved : int
        Bytes that hosts fetch.
    """

    schedule: Schedule
    host: Mapping[str, str]
    transfer: Mapping[str, float]
    moved: int


@dataclass
class _State:
    """A host while time passes.

    Parameters
    ----------
    free : list of int
        Free amount of each resource of the grid, in the same units as the demands.
    has : dict of str to int
        File -> tick from which the host has it.
    """

    name: str
    free: list[int]
    has: dict[str, int] = field(default_factory=dict)


def place(problem: Problem, cluster: Cluster) -> Placement:
    """Return the schedule of the engine's rule on several hosts.

    Parameters
    ----------
    problem : Problem
        Capacities of resources that no host has are shared by all hosts. Pairs apart and a deadline are
        not supported.

    Raises
    ------
    WorkflowError
        If the problem is inconsistent, or a task demands more than every host has.
    """
    if problem.apart or problem.deadline is not None:
        raise WorkflowError("pairs apart and deadlines cannot be scheduled on several hosts")
    _check(problem, cluster)
    names = list(dict.fromkeys(resource for host in cluster.hosts for resource in host.capacities))
    total = {name: sum(host.capacities.get(name, 0.0) for host in cluster.hosts) for name in names}
    shared = {name: n for name, n in problem.capacities.items() if name not in total}
    grid = to_grid(replace(problem, capacities={**shared, **total}))
    # No transfer makes a schedule shorter, so the bound of the problem without them holds.
    bound = lower_bound(grid) * grid.unit
    # Transfers are in ticks: a coarser unit of the durations would round them.
    grid = replace(grid, duration=tuple(d * grid.unit for d in grid.duration), unit=1)
    states = [
        _State(host.name, [round(host.capacities.get(name, 0.0) * PARTS) for name in names])
        for host in cluster.hosts
    ]
    need = [
        [round(problem.demands.get(task, {}).get(name, 0.0) * PARTS) for name in [*shared, *names]]
        for task in grid.names
    ]
    return _Placing(
        grid, cluster, states, need, [round(n * PARTS) for n in shared.values()], bound
    ).placement()


def _check(problem: Problem, cluster: Cluster) -> None:
    if not cluster.hosts:
        raise WorkflowError("no host; expected at least one, such as --hosts 4:cpu=8,ram_gb=32")
    if not cluster.bandwidth > 0 or cluster.latency < 0:
        raise WorkflowError(
            f"bandwidth {cluster.bandwidth:g} and latency {cluster.latency:g}: expected bytes a second "
            "above 0 and seconds of 0 or more"
        )
    for task, demand in problem.demands.items():
        if not any(
            all(
                n <= host.capacities.get(name, problem.capacities.get(name, 0.0))
                for name, n in demand.items()
            )
            for host in cluster.hosts
        ):
            wants = ", ".join(f"{name} {n:g}" for name, n in demand.items() if n)
            raise WorkflowError(
                f"task '{task}' demands {wants}, and no host has that; lower the demand or add a host"
            )


@dataclass
class _Placing:
    """The walk through time of :func:`place`."""

    grid: Grid
    cluster: Cluster
    states: list[_State]
    need: list[list[int]]
    common: list[int]
    bound: int
    start: dict[int, int] = field(default_factory=dict)
    finish: dict[int, int] = field(default_factory=dict)
    on: dict[int, _State] = field(default_factory=dict)
    fetch: dict[int, int] = field(default_factory=dict)
    moved: int = 0

    def placement(self) -> Placement:
        """Place every task and return the result."""
        rank = longest_tail_first(self.grid)
        waits = [len(ups) for ups in self.grid.before]
        queues: dict[tuple[int, ...], list[tuple[float, int]]] = {}
        running: list[tuple[int, int]] = []

        def enqueue(i: int) -> None:
            heapq.heappush(queues.setdefault(tuple(self.need[i]), []), (rank[i], i))

        for i, count in enumerate(waits):
            if not count:
                enqueue(i)
        now = 0
        while queues or running:
            heads = [(queue[0], kind) for kind, queue in queues.items()]
            heapq.heapify(heads)
            while heads:
                (_, i), kind = heapq.heappop(heads)
                if not self.begin(i, now):
                    continue  # nor does another task of equal demands fit
                heapq.heappush(running, (self.finish[i], i))
                heapq.heappop(queues[kind])
                if queues[kind]:
                    heapq.heappush(heads, (queues[kind][0], kind))
                else:
                    del queues[kind]
            now = running[0][0]
            while running and running[0][0] == now:
                _, i = heapq.heappop(running)
                self.end(i, now)
                for down in self.grid.after[i]:
                    waits[down] -= 1
                    if not waits[down]:
                        enqueue(down)
        return self.result()

    def begin(self, i: int, now: int) -> bool:
        """Start a task on the best host with free resources, if there is one."""
        shared = len(self.common)
        if not all(d <= c for d, c in zip(self.need[i], self.common, strict=False)):
            return False
        fitting = [
            state
            for state in self.states
            if all(d <= c for d, c in zip(self.need[i][shared:], state.free, strict=True))
        ]
        if not fitting:
            return False
        state = min(fitting, key=lambda state: self.ticks(i, state, now))
        ticks = self.ticks(i, state, now)
        for file, size in self.missing(i, state, now).items():
            self.moved += size
            state.has[file] = min(now + ticks, state.has.get(file, now + ticks))
        self.start[i], self.on[i], self.fetch[i] = now, state, ticks
        self.finish[i] = now + ticks + self.grid.duration[i]
        if self.finish[i] > now:  # a task without duration holds nothing
            self.hold(i, -1)
        return True

    def end(self, i: int, now: int) -> None:
        """Free what a task holds; its outputs are on its host."""
        if self.finish[i] > self.start[i]:
            self.hold(i, 1)
        for file in self.cluster.writes.get(self.grid.names[i], ()):
            self.on[i].has[file] = now

    def hold(self, i: int, sign: int) -> None:
        """Take (-1) or give back (1) the demands of a task."""
        shared = len(self.common)
        self.common = [c + sign * d for c, d in zip(self.common, self.need[i][:shared], strict=True)]
        state = self.on[i]
        state.free = [c + sign * d for c, d in zip(state.free, self.need[i][shared:], strict=True)]

    def missing(self, i: int, state: _State, now: int) -> dict[str, int]:
        """Return the inputs that a host lacks, with their bytes."""
        reads = self.cluster.reads.get(self.grid.names[i], {})
        return {file: size for file, size in reads.items() if state.has.get(file, now + 1) > now}

    def ticks(self, i: int, state: _State, now: int) -> int:
        """Return the ticks that a host needs to fetch the inputs of a task."""
        missing = self.missing(i, state, now)
        if not missing:
            return 0
        seconds = self.cluster.latency + sum(missing.values()) / self.cluster.bandwidth
        return math.ceil(round(seconds * TICKS, 6))

    def result(self) -> Placement:
        """Return the placement in seconds."""
        names, makespan = self.grid.names, max(self.finish.values(), default=0)
        return Placement(
            Schedule(
                {names[i]: at / TICKS for i, at in self.start.items()},
                {names[i]: at / TICKS for i, at in self.finish.items()},
                makespan / TICKS,
                self.bound / TICKS,
                makespan == self.bound,
            ),
            {names[i]: state.name for i, state in self.on.items()},
            {names[i]: ticks / TICKS for i, ticks in self.fetch.items()},
            self.moved,
        )


def as_dict(placement: Placement) -> dict[str, Any]:
    """Return a placement as plain values, for JSON."""
    return {
        **placement.schedule.as_dict(),
        "host": dict(placement.host),
        "transfer_seconds": {task: seconds for task, seconds in placement.transfer.items() if seconds},
        "moved_bytes": placement.moved,
    }


def parse_hosts(texts: Iterable[str]) -> list[Host]:
    """Return the hosts of texts such as ``4:cpu=8,ram_gb=32`` (four hosts).

    Raises
    ------
    WorkflowError
        If a text has another form.
    """
    hosts: list[Host] = []
    for text in texts:
        number, _, amounts = text.partition(":")
        try:
            count = int(number)
            pairs = [pair.split("=") for pair in amounts.split(",")] if amounts else []
            capacities = {"cpu": 1.0, "gpu": 0.0} | {name: float(amount) for name, amount in pairs}
        except ValueError:
            count, capacities = 0, {}
        usable = all(0 <= amount < math.inf for amount in capacities.values())
        if count < 1 or not usable or not set(capacities) <= {"cpu", "ram_gb", "gpu"}:
            raise WorkflowError(
                f"hosts '{text}': expected a number and what each host has, such as 4:cpu=8,ram_gb=32,gpu=1"
            )
        hosts += [Host(f"host {len(hosts) + k}", capacities) for k in range(1, count + 1)]
    return hosts
