"""Requests at servers, simulated by SimPy: what dispatch, a cache and scaling do to latency.

A request that arrives is answered by the cache, or joins the line of one server by a rule of
`methods.serving.dispatch`; by the rule ``shared`` there is one line for all servers, and the first
that is free takes its head. A server of capacity c needs ``work / c`` seconds for a request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from methods.serving.balancing import autoscale
from methods.serving.dispatch import RULES, Choose, Server

SHARED = "shared"
QUANTILES = (0.5, 0.95, 0.99)
STREAMS = (7_302_001, 7_302_002)  # of chance: the cache's hits, the rules
Steps = Generator[Any, Any, None]


@dataclass(frozen=True)
class Scaling:
    """`autoscale` every `interval_s` on the mean latency of what was answered since the last time.

    Attributes
    ----------
    target, threshold, calm : float
        Seconds, see `autoscale`.
    least, most : int
        Servers.
    interval_s : float
        Above 0.
    start_s : float
        Seconds that new servers take to start; until then the rule is not asked again.
    capacity : float
        Of a new server.
    """

    target: float
    threshold: float
    least: int
    most: int
    interval_s: float
    calm: float = 0.0
    start_s: float = 0.0
    capacity: float = 1.0

    def wanted(self, servers: int, latency: float) -> int:
        """How many servers there should be."""
        return autoscale(
            servers,
            latency,
            target=self.target,
            threshold=self.threshold,
            least=self.least,
            most=self.most,
            calm=self.calm,
        )


@dataclass(frozen=True)
class Outcome:
    """What a simulation found.

    Attributes
    ----------
    latency : (requests,) of float
        Seconds, in the order of arrival.
    cached : (requests,) of bool
        Answered by the cache.
    servers : tuple of (seconds, servers)
        How many took requests from that time on.
    """

    latency: NDArray[np.float64]
    cached: NDArray[np.bool_]
    servers: tuple[tuple[float, int], ...]

    def quantiles(self, skip: int = 0) -> tuple[float, ...]:
        """p50, p95 and p99 of all requests but the first `skip`."""
        return tuple(float(value) for value in np.quantile(self.latency[skip:], QUANTILES))

    def mean_servers(self, end: float) -> float:
        """Servers from 0 to `end` seconds, averaged over time."""
        times = [min(time, end) for time, _ in self.servers] + [end]
        return float(np.dot(np.diff(times), [number for _, number in self.servers])) / end


@dataclass
class _World:
    env: Any  # simpy.Environment
    latency: NDArray[np.float64]
    active: list[Server] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    answered: int = 0

    def add(self, capacity: float) -> None:
        import simpy

        self.active.append(Server(capacity, simpy.Resource(self.env)))

    def answer(self, request: int, arrival: float) -> None:
        self.latency[request] = self.env.now - arrival
        self.recent.append(self.latency[request])
        self.answered += 1


Serve = Callable[[int, float, float], Steps]


def poisson_arrivals(rate: float, requests: int, seed: int) -> NDArray[np.float64]:
    """Times (requests,) in seconds at which requests arrive independently, `rate` a second on average."""
    return np.random.default_rng(seed).exponential(1 / rate, requests).cumsum()


def simulate(
    arrivals: ArrayLike,
    work: ArrayLike,
    capacities: ArrayLike,
    *,
    rule: str,
    seed: int,
    hit_rate: float = 0.0,
    cached_s: float = 0.0,
    scaling: Scaling | None = None,
) -> Outcome:
    """Latencies of all requests; the simulation ends when the last is answered.

    Parameters
    ----------
    arrivals : (requests,) of float
        Seconds, 0 or more, never falling.
    work : (requests,) of float
        Seconds of each on a server of capacity 1.
    capacities : (servers,) of float
        Above 0.
    rule : str
        ``shared``, or of `methods.serving.dispatch`.
    seed : int
        Of the cache's hits and of the random rules.
    hit_rate : float
        Share of requests that the cache answers, each independently, in `cached_s` seconds.
    scaling : Scaling, optional
        Servers are added and taken away; one taken away finishes its line. Not with ``shared``.

    Raises
    ------
    ValueError
        If the arguments do not belong together or are out of range.
    """
    import simpy

    times, needs, speeds = (np.asarray(values, dtype=np.float64) for values in (arrivals, work, capacities))
    _judge(times, needs, speeds, hit_rate)
    if rule not in (SHARED, *RULES):
        raise ValueError(f"rule '{rule}'; expected {SHARED}, {', '.join(RULES)}")
    if scaling and (rule == SHARED or not scaling.interval_s > 0):
        raise ValueError(
            f"rule '{rule}', interval {scaling.interval_s} s: scaling needs a line for each server and an "
            "interval above 0"
        )
    # Hits have a stream of their own: the same requests are hits whatever the rule draws. Streams that a
    # caller draws arrivals or work from by the same seed are others still, or work would choose its server.
    hits, rng = (np.random.default_rng([seed, stream]) for stream in STREAMS)
    cached = hits.random(len(times)) < hit_rate
    world = _World(simpy.Environment(), np.full(len(times), np.nan))
    for speed in speeds.tolist():
        world.add(speed)
    servers = [(0.0, len(speeds))]
    serve = _one_line(world) if rule == SHARED else _own_lines(world, RULES[rule], rng)
    world.env.process(_arrive(world, times, needs, cached, cached_s, serve))
    if scaling:
        world.env.process(_scale(world, scaling, servers))
    world.env.run()
    return Outcome(world.latency, cached, tuple(servers))


def _judge(
    times: NDArray[np.float64], needs: NDArray[np.float64], speeds: NDArray[np.float64], hit_rate: float
) -> None:
    if times.ndim != 1 or times.shape != needs.shape or not times.size:
        raise ValueError(f"{times.shape} arrivals and {needs.shape} work; expected one of each a request")
    if not (np.diff(times) >= 0).all() or not times[0] >= 0 or not (needs >= 0).all():
        raise ValueError("arrivals must not fall, from 0 on, and no work may be negative")
    if speeds.ndim != 1 or not speeds.size or not (speeds > 0).all():
        raise ValueError(f"capacities are {speeds}; expected one above 0 for each server")
    if not 0 <= hit_rate <= 1:
        raise ValueError(f"the hit rate is {hit_rate}; expected 0 to 1")


def _arrive(
    world: _World,
    times: NDArray[np.float64],
    needs: NDArray[np.float64],
    cached: NDArray[np.bool_],
    cached_s: float,
    serve: Serve,
) -> Steps:
    for request, (time, need, hit) in enumerate(zip(times.tolist(), needs.tolist(), cached, strict=True)):
        # The clock adds its steps up and may be a rounding error ahead.
        yield world.env.timeout(max(0.0, time - world.env.now))
        world.env.process(_cached(world, request, time, cached_s) if hit else serve(request, time, need))


def _cached(world: _World, request: int, arrival: float, seconds: float) -> Steps:
    yield world.env.timeout(seconds)
    world.answer(request, arrival)


def _own_lines(world: _World, choose: Choose, rng: np.random.Generator) -> Serve:
    def serve(request: int, arrival: float, work: float) -> Steps:
        server = choose(world.active, world.env.now, work, rng)
        seconds = work / server.capacity
        server.free_at = max(server.free_at, world.env.now) + seconds
        with server.line.request() as turn:
            yield turn
            yield world.env.timeout(seconds)
        world.answer(request, arrival)

    return serve


def _one_line(world: _World) -> Serve:
    import simpy

    # Of several free servers the fastest is taken, of equals the first.
    idle = simpy.PriorityStore(world.env)
    for number, server in enumerate(world.active):
        idle.put((-server.capacity, number))

    def serve(request: int, arrival: float, work: float) -> Steps:
        taken = yield idle.get()
        yield world.env.timeout(work / -taken[0])
        yield idle.put(taken)
        world.answer(request, arrival)

    return serve


def _scale(world: _World, how: Scaling, servers: list[tuple[float, int]]) -> Steps:
    while True:
        yield world.env.timeout(how.interval_s)
        if world.answered == len(world.latency):
            return
        mean = float(np.mean(world.recent)) if world.recent else math.nan
        there = len(world.active)
        wanted = how.wanted(there, mean)
        if wanted > there:
            yield world.env.timeout(how.start_s)
            for _ in range(wanted - there):
                world.add(how.capacity)
        else:
            del world.active[wanted:]
        if wanted != there:
            servers.append((world.env.now, wanted))
        world.recent.clear()
