"""Schedule generation schemes: from ranks of tasks to their start times.

All functions work on a :class:`Grid` and return the start of each task in the grid's units. A rank is
one number for each task; the lowest rank goes first.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from statewright.scheduling.problem import Grid, longest_tails, makespan_of, reverse


def longest_tail_first(grid: Grid) -> list[float]:
    """Return ranks by the engine's rule: the task with the longest tail goes first."""
    return [-tail for tail in longest_tails(grid)]


def _rules(grid: Grid) -> list[list[float]]:
    """Return ranks by latest start, by latest finish and by durations of successors."""
    tails = longest_tails(grid)
    rest = [d - tail for tail, d in zip(tails, grid.duration, strict=True)]
    weight = [-grid.duration[i] - sum(grid.duration[j] for j in grid.after[i]) for i in range(len(tails))]
    return [[-tail for tail in tails], list(map(float, rest)), list(map(float, weight))]


def best_by_rules(grid: Grid) -> list[int]:
    """Return the shortest improved schedule over all rules and schemes."""
    candidates = [
        _improved(grid, scheme(grid, rank)) for rank in _rules(grid) for scheme in (parallel, serial)
    ]
    return min(candidates, key=lambda start: makespan_of(grid, start))


def _improved(grid: Grid, start: list[int]) -> list[int]:
    """Shift the schedule to the right, then to the left, as long as that shortens it."""
    back = reverse(grid)
    while True:
        finish = [-(s + d) for s, d in zip(start, grid.duration, strict=True)]
        right = serial(back, finish)
        end = [-(s + d) for s, d in zip(right, grid.duration, strict=True)]
        shifted = serial(grid, end)
        if makespan_of(grid, shifted) >= makespan_of(grid, start):
            return start
        start = shifted


def parallel(grid: Grid, rank: Sequence[float]) -> list[int]:
    """Move through time; whenever tasks end, start the ready tasks that fit by rank.

    Ready tasks of equal demands wait in one queue: if the first does not fit, no other does.
    """
    count = len(grid.names)
    start = [0] * count
    waits = [len(ups) for ups in grid.before]
    queues: dict[tuple[tuple[int, ...], int], list[tuple[float, int]]] = {}

    def enqueue(i: int) -> None:
        kind = (grid.demand[i], i if grid.apart[i] else -1)
        heapq.heappush(queues.setdefault(kind, []), (rank[i], i))

    for i in range(count):
        if not waits[i]:
            enqueue(i)
    free = list(grid.capacity)
    running: list[tuple[int, int]] = []
    active: set[int] = set()
    now = 0
    while queues or running:
        heads = [(queue[0], kind) for kind, queue in queues.items()]
        heapq.heapify(heads)
        while heads:
            (_, i), kind = heapq.heappop(heads)
            if not _fits(grid.demand[i], free) or grid.apart[i] & active:
                continue  # until a task ends
            heapq.heappop(queues[kind])
            if queues[kind]:
                heapq.heappush(heads, (queues[kind][0], kind))
            else:
                del queues[kind]
            start[i] = now
            heapq.heappush(running, (now + grid.duration[i], i))
            if grid.duration[i]:
                active.add(i)
                free = [have - want for have, want in zip(free, grid.demand[i], strict=True)]
        now = running[0][0]
        while running and running[0][0] == now:
            _, i = heapq.heappop(running)
            if grid.duration[i]:
                active.remove(i)
                free = [have + want for have, want in zip(free, grid.demand[i], strict=True)]
            for down in grid.after[i]:
                waits[down] -= 1
                if not waits[down]:
                    enqueue(down)
    return start


def _fits(demand: Sequence[int], free: Sequence[int]) -> bool:
    return all(need <= have for need, have in zip(demand, free, strict=True))


def serial(grid: Grid, rank: Sequence[float]) -> list[int]:
    """Place tasks one by one by rank, each as early as the placed tasks allow."""
    count = len(grid.names)
    start = [0] * count
    placed: set[int] = set()
    waits = [len(ups) for ups in grid.before]
    ready = [(rank[i], i) for i in range(count) if not waits[i]]
    heapq.heapify(ready)
    times, free = [0], [list(grid.capacity)]
    while ready:
        _, i = heapq.heappop(ready)
        earliest = max((start[up] + grid.duration[up] for up in grid.before[i]), default=0)
        start[i] = _place(grid, i, earliest, times, free, [(j, start[j]) for j in grid.apart[i] & placed])
        placed.add(i)
        for down in grid.after[i]:
            waits[down] -= 1
            if not waits[down]:
                heapq.heappush(ready, (rank[down], down))
    return start


def _place(
    grid: Grid,
    task: int,
    earliest: int,
    times: list[int],
    free: list[list[int]],
    partners: Sequence[tuple[int, int]],
) -> int:
    """Return the first time from `earliest` on where the task fits, and reserve it."""
    duration, demand = grid.duration[task], grid.demand[task]
    if not duration:
        return earliest
    begin = _first_fit(duration, demand, earliest, times, free)
    while clashes := [
        s + grid.duration[j] for j, s in partners if s < begin + duration and begin < s + grid.duration[j]
    ]:
        begin = _first_fit(duration, demand, max(clashes), times, free)
    first, last = _split(times, free, begin), _split(times, free, begin + duration)
    for k in range(first, last):
        free[k] = [have - need for have, need in zip(free[k], demand, strict=True)]
    return begin


def _first_fit(
    duration: int, demand: Sequence[int], earliest: int, times: Sequence[int], free: Sequence[Sequence[int]]
) -> int:
    """Return the first time from `earliest` on with enough capacity for `duration`.

    `free[k]` is the free capacity from `times[k]` on.
    """
    begin = earliest
    for k in range(bisect_right(times, earliest) - 1, len(times)):
        if times[k] >= begin + duration:
            break
        if not _fits(demand, free[k]):
            begin = times[k + 1]
    return begin


def _split(times: list[int], free: list[list[int]], at: int) -> int:
    """Insert the breakpoint `at` into the profile and return its position."""
    k = bisect_left(times, at)
    if k == len(times) or times[k] != at:
        times.insert(k, at)
        free.insert(k, list(free[k - 1]))
    return k
