"""Closed forms of the latency of queues: M/M/c, and the mean of M/G/1.

Latency is the time from arrival to answer, the sum of waiting time and service time.
"""

from __future__ import annotations

import math

import numpy as np


def erlang_c(offered: float, servers: int) -> float:
    """Return the probability that a request waits in M/M/c (Erlang 1917).

    Parameters
    ----------
    offered : float
        Arrival rate over the service rate of one server, ``0 <= offered < servers``.
    servers : int

    Raises
    ------
    ValueError
        If the queue grows without bound.
    """
    if servers < 1 or not 0 <= offered < servers:
        raise ValueError(
            f"offered load is {offered} with {servers} servers, so the queue grows without bound; expected "
            "0 <= offered < servers; add servers"
        )
    blocked = 1.0  # Erlang B by recursion, which does not overflow as a factorial does
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def mmc_latency(rate: float, service_rate: float, servers: int = 1) -> float:
    """Return the mean latency of M/M/c, ``C(c, a) / (c mu - lambda) + 1 / mu``."""
    p_wait = erlang_c(rate / service_rate, servers)
    return p_wait / (servers * service_rate - rate) + 1 / service_rate


def mmc_quantile(share: float, rate: float, service_rate: float, servers: int = 1) -> float:
    """Return the quantile `share` of the latency of M/M/c.

    With C the probability of waiting, ``a = c mu - lambda``, and service time independent of waiting time,
    ``P(T > t) = (1 - C) e^(-mu t) + C (a e^(-mu t) - mu e^(-a t)) / (a - mu)``.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share is {share}; expected a number between 0 and 1")
    from scipy.optimize import brentq

    p_wait = erlang_c(rate / service_rate, servers)
    spare, mu = servers * service_rate - rate, service_rate

    def excess_probability(t: float) -> float:
        if math.isclose(spare, mu, rel_tol=1e-6):  # equal rates: the sum has an Erlang distribution
            both = (1 + mu * t) * math.exp(-mu * t)
        else:
            both = (spare * math.exp(-mu * t) - mu * math.exp(-spare * t)) / (spare - mu)
        return (1 - p_wait) * math.exp(-mu * t) + p_wait * both - (1 - share)

    # Waiting time and service time each exceed this bound with probability below (1 - share) / 2.
    bound = math.log(2 / (1 - share)) * (1 / mu + 1 / spare)
    return float(brentq(excess_probability, 0.0, bound, xtol=1e-12))


def mg1_latency(rate: float, mean: float, second_moment: float) -> float:
    """Return the mean latency of M/G/1, by the formula of Pollaczek and Khinchine.

    ``E[T] = lambda E[S^2] / (2 (1 - lambda E[S])) + E[S]``.

    Raises
    ------
    ValueError
        If the queue grows without bound, or if no distribution has these moments.
    """
    if not 0 <= rate * mean < 1 or second_moment < mean**2 * (1 - np.finfo(float).eps * 8):
        raise ValueError(
            f"rate is {rate}, mean {mean}, second moment {second_moment}; expected rate x mean below 1 and "
            "a second moment of at least the square of the mean"
        )
    return rate * second_moment / (2 * (1 - rate * mean)) + mean
