"""Simulated latencies against closed forms and exact recursions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.serving.balancing import capacity_shares
from methods.serving.cache import expected_latency
from methods.serving.closed_forms import erlang_c, mg1_latency, mmc_latency, mmc_quantile
from methods.serving.dispatch import RULES
from methods.serving.queueing import QUANTILES, Scaling, poisson_arrivals, simulate

REQUESTS = 40_000
SKIP = 2_000  # the queue starts empty, which is not its steady state


def draw(rate: float, mean: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    work = np.random.default_rng([seed, 9]).exponential(mean, REQUESTS)
    return poisson_arrivals(rate, REQUESTS, seed), work


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.7), (3, 0.7), (4, 0.8)])
def test_a_shared_queue_agrees_with_erlang_c(servers: int, load: float) -> None:
    rate = load * servers
    found = simulate(*draw(rate), np.ones(servers), rule="shared", seed=0)
    assert found.latency[SKIP:].mean() == pytest.approx(mmc_latency(rate, 1.0, servers), rel=0.05)
    wanted = [mmc_quantile(share, rate, 1.0, servers) for share in QUANTILES]
    assert found.quantiles(SKIP) == pytest.approx(wanted, rel=0.08)


def test_closed_forms_agree_with_one_another() -> None:
    # M/M/1: C = rho, T is exponential with rate mu - lambda
    assert erlang_c(0.6, 1) == pytest.approx(0.6)
    assert mmc_latency(0.6, 1.0) == pytest.approx(1 / 0.4)
    assert mmc_quantile(0.95, 0.6, 1.0) == pytest.approx(math.log(20) / 0.4)
    # spare rate equal to the service rate: the limit of close rates
    near = mmc_quantile(0.9, 1.0 - 1e-4, 1.0, 2)
    assert mmc_quantile(0.9, 1.0, 1.0, 2) == pytest.approx(near, rel=1e-3)
    assert mg1_latency(0.6, 1.0, 2.0) == pytest.approx(1 / 0.4)
    # the definition, a sum
    a, c = 4.2, 6
    top = a**c / math.factorial(c) * c / (c - a)
    assert erlang_c(a, c) == pytest.approx(top / (sum(a**k / math.factorial(k) for k in range(c)) + top))
    with pytest.raises(ValueError, match="grows without bound"):
        erlang_c(2.0, 2)
    with pytest.raises(ValueError, match="below 1"):
        mg1_latency(1.0, 1.0, 1.0)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_one_server_follows_the_recursion_of_lindley(data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.floats(0, 3), min_size=1, max_size=30))
    work = data.draw(st.lists(st.floats(0, 3), min_size=len(gaps), max_size=len(gaps)))
    times, wait, wanted = np.cumsum(gaps), 0.0, []
    for number, seconds in enumerate(work):
        wanted.append(wait + seconds / 2)
        if number + 1 < len(gaps):
            wait = max(0.0, wait + seconds / 2 - gaps[number + 1])
    for rule in ("shared", *RULES):
        found = simulate(times, work, [2.0], rule=rule, seed=0).latency
        np.testing.assert_allclose(found, wanted, atol=1e-9)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_shared_queue_follows_kiefer_and_wolfowitz(data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.floats(0.001, 3), min_size=1, max_size=30))
    work = data.draw(st.lists(st.floats(0, 3), min_size=len(gaps), max_size=len(gaps)))
    free, wanted = np.zeros(3), []
    for time, seconds in zip(np.cumsum(gaps), work, strict=True):
        first = int(free.argmin())
        free[first] = max(free[first], time) + seconds
        wanted.append(free[first] - time)
    shared = simulate(np.cumsum(gaps), work, np.ones(3), rule="shared", seed=0).latency
    np.testing.assert_allclose(shared, wanted, atol=1e-9)
    # With equal servers and known work, the earliest answer is that of a shared queue.
    least = simulate(np.cumsum(gaps), work, np.ones(3), rule="least-loaded", seed=0).latency
    np.testing.assert_allclose(least, wanted, atol=1e-9)


def test_random_rules_make_independent_queues() -> None:
    """Compare each server of a random split with an independent M/M/1 queue."""
    capacities, rate = np.array([1.0, 2.0]), 0.9
    for rule, shares in (("uniform", np.full(2, 0.5)), ("weighted", capacity_shares(capacities))):
        found = simulate(*draw(rate), capacities, rule=rule, seed=1).latency[SKIP:]
        each = [mmc_latency(rate * share, speed) for share, speed in zip(shares, capacities, strict=True)]
        assert found.mean() == pytest.approx(float(shares @ each), rel=0.06)


def test_two_kinds_of_work_follow_pollaczek_and_khinchine() -> None:
    kinds, shares, rate = np.array([0.5, 4.0]), np.array([0.9, 0.1]), 0.85
    work = np.random.default_rng(4).choice(kinds, REQUESTS, p=shares)
    found = simulate(poisson_arrivals(rate, REQUESTS, 3), work, [1.0], rule="uniform", seed=0)
    wanted = mg1_latency(rate, float(shares @ kinds), float(shares @ kinds**2))
    assert found.latency[SKIP:].mean() == pytest.approx(wanted, rel=0.06)


def test_a_cache_reduces_the_load_and_its_formula_holds() -> None:
    arrivals, work = draw(1.2)
    found = simulate(arrivals, work, [1.0], rule="uniform", seed=0, hit_rate=0.5, cached_s=0.01)
    assert found.cached.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(found.latency[found.cached], 0.01, atol=1e-8)
    # The misses are a Poisson process of half the rate. Without a cache, a rate of 1.2 is an overload.
    wanted = expected_latency(0.5, 0.01, mmc_latency(0.6, 1.0))
    assert found.latency[SKIP:].mean() == pytest.approx(wanted, rel=0.05)


def test_scaling_adds_servers_in_a_rush_and_removes_them_later() -> None:
    arrivals = np.concatenate([np.arange(0, 50, 1.0), np.arange(50, 150, 0.25), np.arange(150, 400, 2.0)])
    work = np.full(len(arrivals), 0.8)
    how = Scaling(target=1.0, threshold=1.5, least=1, most=8, interval_s=5.0, calm=0.9, start_s=2.0)
    fixed = simulate(arrivals, work, [1.0], rule="least-loaded", seed=0)
    scaled = simulate(arrivals, work, [1.0], rule="least-loaded", seed=0, scaling=how)
    numbers = [number for _, number in scaled.servers]
    assert scaled.quantiles()[1] < fixed.quantiles()[1] / 5
    assert max(numbers) >= 4  # the rush is the work of 3.2 servers
    assert numbers[-1] < max(numbers)
    assert all(how.least <= number <= how.most for number in numbers)
    assert scaled.servers[0] == (0.0, 1)
    assert not np.isnan(scaled.latency).any()
    assert 1 < scaled.mean_servers(float(arrivals[-1])) < max(numbers)


def test_mean_servers_is_an_average_over_time() -> None:
    found = simulate([0.0], [1.0], [1.0], rule="uniform", seed=0)
    moved = type(found)(found.latency, found.cached, ((0.0, 1), (6.0, 4)))
    assert moved.mean_servers(8.0) == pytest.approx((6 * 1 + 2 * 4) / 8)
    assert moved.mean_servers(4.0) == pytest.approx(1.0)


@pytest.mark.parametrize("rule", ["shared", *RULES])
def test_the_seed_determines_the_result(rule: str) -> None:
    arrivals, work = poisson_arrivals(2.0, 300, 5), np.ones(300)
    runs = [simulate(arrivals, work, [1, 2], rule=rule, seed=7, hit_rate=0.2).latency for _ in range(2)]
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"work": [1.0]}, "one of each"),
        ({"arrivals": [2.0, 1.0]}, "ascending order"),
        ({"work": [1.0, -1.0]}, "no negative work"),
        ({"capacities": [0.0]}, "above 0"),
        ({"hit_rate": 1.5}, "from 0 to 1"),
        ({"rule": "best"}, "expected one of shared, uniform"),
        ({"rule": "shared", "scaling": Scaling(1, 1, 1, 2, 1)}, "a rule other than shared"),
    ],
)
def test_invalid_arguments_are_errors(changed: dict, message: str) -> None:
    given = {"arrivals": [1.0, 2.0], "work": [1.0, 1.0], "capacities": [1.0], "rule": "uniform", "seed": 0}
    with pytest.raises(ValueError, match=message):
        simulate(**(given | changed))
