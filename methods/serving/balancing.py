"""Which server a request goes to, and how many servers there should be."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def capacity_shares(capacities: ArrayLike) -> NDArray[np.float64]:
    """The share of requests of each server, ``P(i) = capacity_i / sum_j capacity_j``.

    Parameters
    ----------
    capacities : (servers,) of float
        0 or more, in any unit; a server of 0 gets nothing.

    Raises
    ------
    ValueError
        If there is no server, none has a capacity, or one is negative or not finite.

    References
    ----------
    Specification 2 §7.7.
    """
    found = np.asarray(capacities, dtype=np.float64)
    if (
        found.ndim != 1
        or not found.size
        or not np.isfinite(found).all()
        or found.min() < 0
        or not found.sum()
    ):
        raise ValueError(f"capacities are {found}; expected finite numbers, none below 0, one above 0")
    return found / found.sum()


def pick(capacities: ArrayLike, u: float) -> int:
    """The server that a uniform draw `u` from [0, 1) falls on, by `capacity_shares`."""
    if not 0 <= u < 1:
        raise ValueError(f"u is {u}; expected 0 to below 1")
    shares = capacity_shares(capacities)
    # The shares may add up to a little less than 1: what is beyond belongs to the last that has any.
    return min(int(np.searchsorted(shares.cumsum(), u, side="right")), int(shares.nonzero()[0][-1]))


def smooth_round_robin(capacities: ArrayLike, requests: int) -> NDArray[np.int64]:
    """The servers of so many requests in turn, in proportion to capacity and spread out evenly.

    At each request every server's credit grows by its capacity; the one with most credit (of equals
    the first) is taken and pays the sum of all capacities. After every ``sum_j capacity_j`` requests
    (for whole capacities) each has had exactly its own number.

    Parameters
    ----------
    capacities : (servers,) of float
    requests : int

    References
    ----------
    The rule of nginx's upstream module ("smooth weighted round-robin balancing", 2012).
    """
    capacity_shares(capacities)
    weights = np.asarray(capacities, dtype=np.float64)
    credit, whole = np.zeros_like(weights), weights.sum()
    chosen = np.empty(requests, dtype=np.int64)
    for request in range(requests):
        credit += weights
        chosen[request] = server = int(np.where(weights > 0, credit, -np.inf).argmax())
        credit[server] -= whole
    return chosen


def autoscale(
    servers: int, latency: float, *, target: float, threshold: float, least: int, most: int, calm: float = 0.0
) -> int:
    """How many servers there should be: ``ceil(servers latency / target)`` if ``latency > threshold``.

    The specification's rule only ever adds servers. With `calm` above 0 the same ratio takes servers
    away while the latency is below `calm`.

    Parameters
    ----------
    servers : int
        That there are.
    latency : float
        Mean over the last interval, in the unit of `target`; 0 or more, NaN if nothing was answered, which
        changes nothing.
    target, threshold : float
        ``0 < target <= threshold``.
    least, most : int
        Bounds of the answer, ``1 <= least <= most``.
    calm : float
        0 for never fewer; at most `target`.

    Raises
    ------
    ValueError
        If the numbers contradict each other.

    References
    ----------
    Specification 2 §7.7.
    """
    if not (0 < target <= threshold and 1 <= least <= most and servers >= 1 and 0 <= calm <= target):
        raise ValueError(
            f"servers {servers}, calm {calm}, target {target}, threshold {threshold}, {least} to {most}: "
            "expected 0 <= calm <= target <= threshold, target above 0, 1 <= least <= most, 1 server or more"
        )
    wanted = servers
    if latency > threshold or latency < calm:
        # An endless latency asks for all there may be.
        wanted = most if math.isinf(latency) else math.ceil(servers * latency / target - 1e-9)
    return min(max(wanted, least), most)
