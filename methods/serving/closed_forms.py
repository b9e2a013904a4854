"""Queues whose latency is known exactly: M/M/c, and the mean of M/G/1.

Latency is the time from arrival to answer: waiting and service.
"""

from __future__ import annotations

import math

import numpy as np


def erlang_c(offered: float, servers: int) -> float:
    """Probability that a request has to wait in M/M/c (Erlang 1917).

    Parameters
    ----------
    offered : float
        Arrival rate over the service rate of one server, ``0 <= offered < servers``.
    servers : int

    Raises
    ------
    ValueError
        If the queue would grow for ever.
    """
    if servers < 1 or not 0 <= offered < servers:
        raise ValueError(
            f"offered load {offered} on {servers} servers: the queue grows for ever; add servers"
        )
    blocked = 1.0  # Erlang B by its recursion, which no factorial overflows
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def mmc_latency(rate: float, service_rate: float, servers: int = 1) -> float:
    """Mean latency of M/M/c, ``C(c, a) / (c mu - lambda) + 1 / mu``."""
    waits = erlang_c(rate / service_rate, servers)
    return waits / (servers * service_rate - rate) + 1 / service_rate


def mmc_quantile(share: float, rate: float, service_rate: float, servers: int = 1) -> float:
    """The latency that a `share` of the requests of M/M/c does not exceed.

    With C the probability of waiting, ``a = c mu - lambda`` and service and waiting independent,
    ``P(T > t) = (1 - C) e^(-mu t) + C (a e^(-mu t) - mu e^(-a t)) / (a - mu)``.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share is {share}; expected above 0 and below 1")
    from scipy.optimize import brentq

    waits = erlang_c(rate / service_rate, servers)
    spare, mu = servers * service_rate - rate, service_rate

    def beyond(t: float) -> float:
        if math.isclose(spare, mu, rel_tol=1e-6):  # two equal rates: the sum is Erlang distributed
            both = (1 + mu * t) * math.exp(-mu * t)
        else:
            both = (spare * math.exp(-mu * t) - mu * math.exp(-spare * t)) / (spare - mu)
        return (1 - waits) * math.exp(-mu * t) + waits * both - (1 - share)

    # Waiting and service each exceed this bound with less than half of what may remain.
    bound = math.log(2 / (1 - share)) * (1 / mu + 1 / spare)
    return float(brentq(beyond, 0.0, bound, xtol=1e-12))


def mg1_latency(rate: float, mean: float, second_moment: float) -> float:
    """Mean latency of M/G/1 by Pollaczek and Khinchine, ``lambda E[S^2] / (2 (1 - lambda E[S])) + E[S]``.

    Raises
    ------
    ValueError
        If the queue would grow for ever, or the moments cannot be.
    """
    if not 0 <= rate * mean < 1 or second_moment < mean**2 * (1 - np.finfo(float).eps * 8):
        raise ValueError(
            f"rate {rate}, mean {mean}, second moment {second_moment}: expected rate x mean below 1 and "
            "a second moment of at least the square of the mean"
        )
    return rate * second_moment / (2 * (1 - rate * mean)) + mean
