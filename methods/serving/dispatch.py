"""Rules by which a request finds its server, among those that take requests now.

``uniform``      each alike, at random,
``weighted``     at random in proportion to capacity (`pick`),
``round-robin``  in turn in proportion to capacity (a step of `smooth_round_robin`),
``least-loaded`` where it would be answered soonest, if the service times of all before it are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.serving.balancing import pick


@dataclass
class Server:
    """A server of a simulation.

    Attributes
    ----------
    capacity : float
        Seconds of work that it does in a second.
    line : simpy.Resource
    free_at : float
        When all that is in its line will be done.
    credit : float
        Of the round robin.
    """

    capacity: float
    line: Any
    free_at: float = 0.0
    credit: float = 0.0


Choose = Callable[[Sequence[Server], float, float, np.random.Generator], Server]
"""From servers, the time now and the work of the request (in seconds) and a source of chance to a server."""


def uniform(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """Each server alike."""
    return servers[pick(np.ones(len(servers)), rng.random())]


def weighted(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """In proportion to capacity."""
    return servers[pick([server.capacity for server in servers], rng.random())]


def round_robin(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """In turn; credits stay when servers come and go."""
    for server in servers:
        server.credit += server.capacity
    chosen = max(servers, key=lambda server: server.credit)
    chosen.credit -= sum(server.capacity for server in servers)
    return chosen


def least_loaded(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """The soonest answer, of equals the first."""
    return min(servers, key=lambda server: max(server.free_at, now) + work / server.capacity)


RULES: dict[str, Choose] = {
    "uniform": uniform,
    "weighted": weighted,
    "round-robin": round_robin,
    "least-loaded": least_loaded,
}
