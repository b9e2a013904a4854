"""Load balancing by capacity, and automatic scaling of the number of servers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def capacity_shares(capacities: ArrayLike) -> NDArray[np.float64]:
    """Return the share of each server, ``P(i) = capacity_i / sum_j capacity_j``.

    Parameters
    ----------
    capacities : (servers,) of float
        0 or more, in any unit; a server with capacity 0 receives no request.

    Raises
    ------
    ValueError
        If there is no server, if all capacities are 0, or if one is negative or not finite.

    References
    ----------
    Specification 2 §7.7.
    """
    weights = np.asarray(capacities, dtype=np.float64)
    if (
        weights.ndim != 1
        or not weights.size
        or not np.isfinite(weights).all()
        or weights.min() < 0
        or not weights.sum()
    ):
        raise ValueError(
            f"capacities are {weights}; expected finite numbers of 0 or more, at least one of them above 0"
        )
    return weights / weights.sum()


def weighted_choice(capacities: ArrayLike, u: float) -> int:
    """Return the index of a server, drawn in proportion to capacity.

    Parameters
    ----------
    capacities : (servers,) of float
    u : float
        A uniform draw from [0, 1).

    Raises
    ------
    ValueError
        If `u` or a capacity is out of range.
    """
    if not 0 <= u < 1:
        raise ValueError(f"u is {u}; expected a number from 0 to below 1")
    shares = capacity_shares(capacities)
    # By rounding, the shares may sum to less than 1. A draw above the sum selects the last nonzero share.
    return min(int(np.searchsorted(shares.cumsum(), u, side="right")), int(shares.nonzero()[0][-1]))


def smooth_round_robin(capacities: ArrayLike, requests: int) -> NDArray[np.int64]:
    """Assign requests to servers in turn, in proportion to capacity.

    The requests of a server are evenly spread.

    At each request the credit of every server grows by its capacity. The server with the highest credit (the
    first of equals) receives the request, and the sum of all capacities is subtracted from its credit. With
    integer capacities, each server receives exactly ``capacity_i`` of ``sum_j capacity_j`` requests.

    Parameters
    ----------
    capacities : (servers,) of float
    requests : int
        Number of requests.

    Returns
    -------
    (requests,) of int
        Index of the server of each request.

    References
    ----------
    nginx, module upstream, "smooth weighted round-robin balancing", 2012.
    """
    capacity_shares(capacities)
    weights = np.asarray(capacities, dtype=np.float64)
    credit, total = np.zeros_like(weights), weights.sum()
    chosen = np.empty(requests, dtype=np.int64)
    for request in range(requests):
        credit += weights
        chosen[request] = server = int(np.where(weights > 0, credit, -np.inf).argmax())
        credit[server] -= total
    return chosen


def autoscale(
    servers: int, latency: float, *, target: float, threshold: float, least: int, most: int, calm: float = 0.0
) -> int:
    """Return the required number of servers.

    It is ``ceil(servers latency / target)`` if ``latency > threshold``, otherwise `servers`.

    The rule of the specification only adds servers. With `calm` above 0, the same ratio also removes servers
    while the latency is below `calm`.

    Parameters
    ----------
    servers : int
        Present number of servers.
    latency : float
        Mean latency of the last interval, in the unit of `target`, 0 or more. NaN (no request was answered)
        leaves the number unchanged.
    target, threshold : float
        ``0 < target <= threshold``.
    least, most : int
        Smallest and largest number of servers, ``1 <= least <= most``.
    calm : float
        Latency below which servers are removed, at most `target`; 0 to never remove one.

    Raises
    ------
    ValueError
        If the parameters contradict each other.

    References
    ----------
    Specification 2 §7.7.
    """
    if not (0 < target <= threshold and 1 <= least <= most and servers >= 1 and 0 <= calm <= target):
        raise ValueError(
            f"servers is {servers}, calm {calm}, target {target}, threshold {threshold}, least {least}, most "
            f"{most}; expected servers >= 1, 0 <= calm <= target <= threshold, target > 0, 1 <= least <= most"
        )
    wanted = servers
    if latency > threshold or latency < calm:
        # An infinite latency requires the largest number of servers.
        wanted = most if math.isinf(latency) else math.ceil(servers * latency / target - 1e-9)
    return min(max(wanted, least), most)
