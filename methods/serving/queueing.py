"""Simulated latency of servers with dispatch rules, a cache and scaling.

The simulation uses SimPy.

The cache answers a request, or a rule of `methods.serving.dispatch` adds it to the queue of one server. With
the rule ``shared``, all servers have one queue, and the first free server takes the first request. A server
of capacity c needs ``work / c`` seconds for a request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from methods.serving.balancing import autoscale
from methods.serving.dispatch import RULES, DispatchRule, Server

SHARED = "shared"
QUANTILES = (0.5, 0.95, 0.99)
STREAMS = (7_302_001, 7_302_002)  # random streams: hits of the cache, dispatch rules
Process = Generator[Any, Any, None]  # a SimPy process


@dataclass(frozen=True)
class Scaling:
    """A policy of automatic scaling.

    It applies `autoscale` to the mean latency of each interval.

    Attributes
    ----------
    target, threshold, calm : float
        Latencies in seconds, see `autoscale`.
    least, most : int
        Smallest and largest number of servers.
    interval_s : float
        Seconds between two decisions, above 0.
    start_s : float
        Seconds until a new server has started. There is no decision before that.
    capacity : float
        Capacity of a new server.
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
        """Return the number of servers for a mean latency, see `autoscale`."""
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
class SimulationResult:
    """Latency of the requests of a simulation, and the number of servers over time.

    Attributes
    ----------
    latency : (requests,) of float
        Seconds, in the order of arrival.
    cached : (requests,) of bool
        True if the cache answered the request.
    servers : tuple of (seconds, servers)
        Number of active servers from each time on.
    """

    latency: NDArray[np.float64]
    cached: NDArray[np.bool_]
    servers: tuple[tuple[float, int], ...]

    def quantiles(self, skip: int = 0) -> tuple[float, ...]:
        """Return p50, p95 and p99 of the latency, without the first `skip` requests."""
        return tuple(float(value) for value in np.quantile(self.latency[skip:], QUANTILES))

    def mean_servers(self, end: float) -> float:
        """Return the number of servers from 0 to `end` seconds, averaged over time."""
        times = [min(time, end) for time, _ in self.servers] + [end]
        return float(np.dot(np.diff(times), [number for _, number in self.servers])) / end


@dataclass
class _Simulation:
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


Serve = Callable[[int, float, float], Process]


def poisson_arrivals(rate: float, requests: int, seed: int) -> NDArray[np.float64]:
    """Draw the arrival times of a Poisson process.

    Parameters
    ----------
    rate : float
        Requests per second.
    requests : int
        Number of requests.
    seed : int

    Returns
    -------
    (requests,) of float
        Seconds, in ascending order.
    """
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
) -> SimulationResult:
    """Simulate all requests until the last one is answered.

    Parameters
    ----------
    arrivals : (requests,) of float
        Seconds, 0 or more, in ascending order.
    work : (requests,) of float
        Service time in seconds of each request on a server of capacity 1.
    capacities : (servers,) of float
        Above 0.
    rule : str
        ``shared``, or a key of `methods.serving.dispatch.RULES`.
    seed : int
        Seed of the cache hits and of the random rules.
    hit_rate : float
        Probability that the cache answers a request, independently of the others.
    cached_s : float
        Seconds of an answer of the cache.
    scaling : Scaling, optional
        Policy that adds and removes servers. A removed server finishes its queue. Not with ``shared``.

    Raises
    ------
    ValueError
        If an argument is out of range, or if the arguments contradict each other.
    """
    import simpy

    times, needs, speeds = (np.asarray(values, dtype=np.float64) for values in (arrivals, work, capacities))
    _validate(times, needs, speeds, hit_rate)
    if rule not in (SHARED, *RULES):
        raise ValueError(f"rule is '{rule}'; expected one of {SHARED}, {', '.join(RULES)}")
    if scaling and (rule == SHARED or not scaling.interval_s > 0):
        raise ValueError(
            f"rule is '{rule}', interval_s {scaling.interval_s}; scaling needs a rule other than {SHARED} "
            "and an interval above 0"
        )
    # Hits have their own random stream, so that the same requests are hits under every rule. Both streams
    # differ from those of a caller that draws arrivals or work with the same seed: otherwise the choice of a
    # server would depend on the work.
    hits, rng = (np.random.default_rng([seed, stream]) for stream in STREAMS)
    cached = hits.random(len(times)) < hit_rate
    simulation = _Simulation(simpy.Environment(), np.full(len(times), np.nan))
    for speed in speeds.tolist():
        simulation.add(speed)
    servers = [(0.0, len(speeds))]
    serve = _shared_queue(simulation) if rule == SHARED else _separate_queues(simulation, RULES[rule], rng)
    simulation.env.process(_arrive(simulation, times, needs, cached, cached_s, serve))
    if scaling:
        simulation.env.process(_scale(simulation, scaling, servers))
    simulation.env.run()
    return SimulationResult(simulation.latency, cached, tuple(servers))


def _validate(
    times: NDArray[np.float64], needs: NDArray[np.float64], speeds: NDArray[np.float64], hit_rate: float
) -> None:
    if times.ndim != 1 or times.shape != needs.shape or not times.size:
        raise ValueError(
            f"arrivals has shape {times.shape}, work {needs.shape}; expected one of each for every request"
        )
    if not (np.diff(times) >= 0).all() or not times[0] >= 0 or not (needs >= 0).all():
        raise ValueError(
            "arrivals or work is out of range; expected arrivals of 0 or more in ascending order, and no "
            "negative work"
        )
    if speeds.ndim != 1 or not speeds.size or not (speeds > 0).all():
        raise ValueError(f"capacities are {speeds}; expected a number above 0 for each server")
    if not 0 <= hit_rate <= 1:
        raise ValueError(f"the hit rate is {hit_rate}; expected a number from 0 to 1")


def _arrive(
    simulation: _Simulation,
    times: NDArray[np.float64],
    needs: NDArray[np.float64],
    cached: NDArray[np.bool_],
    cached_s: float,
    serve: Serve,
) -> Process:
    for request, (time, need, hit) in enumerate(zip(times.tolist(), needs.tolist(), cached, strict=True)):
        # The clock sums its steps and may be ahead by a rounding error.
        yield simulation.env.timeout(max(0.0, time - simulation.env.now))
        simulation.env.process(
            _cached(simulation, request, time, cached_s) if hit else serve(request, time, need)
        )


def _cached(simulation: _Simulation, request: int, arrival: float, seconds: float) -> Process:
    yield simulation.env.timeout(seconds)
    simulation.answer(request, arrival)


def _separate_queues(simulation: _Simulation, choose: DispatchRule, rng: np.random.Generator) -> Serve:
    def serve(request: int, arrival: float, work: float) -> Process:
        server = choose(simulation.active, simulation.env.now, work, rng)
        seconds = work / server.capacity
        server.free_at = max(server.free_at, simulation.env.now) + seconds
        with server.queue.request() as slot:
            yield slot
            yield simulation.env.timeout(seconds)
        simulation.answer(request, arrival)

    return serve


def _shared_queue(simulation: _Simulation) -> Serve:
    import simpy

    # The fastest free server takes the next request, the first of equals.
    idle = simpy.PriorityStore(simulation.env)
    for number, server in enumerate(simulation.active):
        idle.put((-server.capacity, number))

    def serve(request: int, arrival: float, work: float) -> Process:
        server = yield idle.get()
        yield simulation.env.timeout(work / -server[0])
        yield idle.put(server)
        simulation.answer(request, arrival)

    return serve


def _scale(simulation: _Simulation, scaling: Scaling, servers: list[tuple[float, int]]) -> Process:
    while True:
        yield simulation.env.timeout(scaling.interval_s)
        if simulation.answered == len(simulation.latency):
            return
        mean = float(np.mean(simulation.recent)) if simulation.recent else math.nan
        present = len(simulation.active)
        wanted = scaling.wanted(present, mean)
        if wanted > present:
            yield simulation.env.timeout(scaling.start_s)
            for _ in range(wanted - present):
                simulation.add(scaling.capacity)
        else:
            del simulation.active[wanted:]
        if wanted != present:
            servers.append((simulation.env.now, wanted))
        simulation.recent.clear()
