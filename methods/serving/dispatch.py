"""Dispatch rules: each selects one of the active servers for a request.

``uniform``       at random, each server with the same probability
``weighted``      at random, in proportion to capacity (`weighted_choice`)
``round-robin``   in turn, in proportion to capacity (one step of `smooth_round_robin`)
``least-loaded``  the server with the earliest answer, given the service times of all earlier requests
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from methods.serving.balancing import weighted_choice


@dataclass
class Server:
    """A server of a simulation.

    Attributes
    ----------
    capacity : float
        Seconds of work per second.
    queue : simpy.Resource
    free_at : float
        Time in seconds at which all requests in the queue are answered.
    credit : float
        State of the rule ``round-robin``.
    """

    capacity: float
    queue: Any
    free_at: float = 0.0
    credit: float = 0.0


DispatchRule = Callable[[Sequence[Server], float, float, np.random.Generator], Server]
"""A function of servers, present time (s), work of the request (s) and random generator to a server."""


def uniform(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """Select a server at random, each with the same probability."""
    return servers[weighted_choice(np.ones(len(servers)), rng.random())]


def weighted(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """Select a server at random, in proportion to capacity."""
    return servers[weighted_choice([server.capacity for server in servers], rng.random())]


def round_robin(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """Select the next server in turn.

    Credits persist when servers are added or removed.
    """
    for server in servers:
        server.credit += server.capacity
    chosen = max(servers, key=lambda server: server.credit)
    chosen.credit -= sum(server.capacity for server in servers)
    return chosen


def least_loaded(servers: Sequence[Server], now: float, work: float, rng: np.random.Generator) -> Server:
    """Select the server with the earliest answer, the first of equals."""
    return min(servers, key=lambda server: max(server.free_at, now) + work / server.capacity)


RULES: dict[str, DispatchRule] = {
    "uniform": uniform,
    "weighted": weighted,
    "round-robin": round_robin,
    "least-loaded": least_loaded,
}
