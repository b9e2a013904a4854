"""A model of a coordinator with many hosts: a closed queueing network.

Each of N host slots cycles through a delay and two stations with one server each::

    coordinator (decide, submit, write the lock) -> remote (bytes / bandwidth) -> host (worker + stage)
         ^                                                                           |
         +---------------------------------------------------------------------------+

With one station this is the machine-repair problem M/M/1//N. For exponential times, mean value analysis
gives the exact throughput X(N). The bounds hold for any times::

    X(N) <= min(N / (Z + D), 1 / max D_k),        saturation at N* = (Z + D) / max D_k hosts

where Z is the time on the host, D_k the service time at station k, and D their sum. The utilisation law
gives the load of a station: U_k = X D_k.

References
----------
Reiser, Lavenberg (1980), Mean-value analysis of closed multichain queuing networks, J. ACM 27, 313-322.
Denning, Buzen (1978), The operational analysis of queueing network models, ACM Comput. Surv. 10, 225-261.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

SEED = 7_401_001


@dataclass(frozen=True)
class Costs:
    """Mean seconds a stage.

    Parameters
    ----------
    coordinator : float
        On the coordinator, one stage at a time.
    worker : float
        On the worker beside the commands: checkout, hashes, start of the process.
    remote : float
        Of the remote that all hosts share: bytes of a stage over its bandwidth.
    """

    coordinator: float
    worker: float = 0.0
    remote: float = 0.0

    @property
    def largest(self) -> float:
        """The service time of the station that saturates first."""
        return max(self.coordinator, self.remote)


@dataclass(frozen=True)
class Simulated:
    """Stages a second, and the share of time the coordinator is busy."""

    throughput: float
    busy: float


def bound(costs: Costs, seconds: float, hosts: int) -> float:
    """Return the largest possible throughput of stages that take `seconds`."""
    cycle = seconds + costs.worker + costs.coordinator + costs.remote
    return min(hosts / cycle, 1 / costs.largest)


def saturation(costs: Costs, seconds: float) -> float:
    """Return the number of hosts above which a station is the limit."""
    return (seconds + costs.worker + costs.coordinator + costs.remote) / costs.largest


def exact(costs: Costs, seconds: float, hosts: int) -> float:
    """Return the throughput with exponential times, by mean value analysis."""
    services = np.array([costs.coordinator, costs.remote])
    waiting, throughput = np.zeros(2), 0.0
    for n in range(1, hosts + 1):
        residence = services * (1 + waiting)
        throughput = n / (seconds + costs.worker + residence.sum())
        waiting = throughput * residence
    return float(throughput)


def simulate(
    costs: Costs, seconds: float, hosts: int, *, stages: int, exponential: bool = False, seed: int = SEED
) -> Simulated:
    """Simulate a coordinator that keeps all hosts busy, with SimPy.

    Parameters
    ----------
    stages : int
        Number of stages; the first half is not counted.
    exponential : bool
        Whether times are exponential (default: constant, up to the first stage of each host).
    """
    import simpy

    rng = np.random.default_rng(seed)
    draw: Callable[[float], float] = (
        (lambda mean: rng.exponential(mean)) if exponential else (lambda mean: mean)
    )
    environment = simpy.Environment()
    coordinator, remote = simpy.Resource(environment), simpy.Resource(environment)
    ends: list[float] = []
    busy: list[tuple[float, float]] = []

    def serve(station: Any, mean: float) -> Generator[Any, Any, float]:
        with station.request() as turn:
            yield turn
            took = draw(mean)
            yield environment.timeout(took)
        return took

    def slot(first: float) -> Generator[Any, Any, None]:
        yield environment.timeout(first)
        while len(ends) < stages:
            took = yield from serve(coordinator, costs.coordinator)
            busy.append((environment.now, took))
            yield from serve(remote, costs.remote)
            yield environment.timeout(draw(seconds + costs.worker))
            ends.append(environment.now)

    for first in rng.uniform(0, seconds + costs.worker, hosts):
        environment.process(slot(first))
    environment.run()
    half = stages // 2
    span = ends[stages - 1] - ends[half - 1]
    used = sum(took for at, took in busy if ends[half - 1] < at <= ends[stages - 1])
    return Simulated((stages - half) / span, used / span)
