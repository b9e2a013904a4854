"""Cache, batcher, batch sizes and load balancing against simple models."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.serving.balancing import autoscale, capacity_shares, smooth_round_robin, weighted_choice
from methods.serving.batching import Batcher, QueueFullError
from methods.serving.cache import Cache, CacheCounts, expected_latency
from methods.serving.sizing import fit_batch_time, optimal_batch

STEPS = st.lists(
    st.tuples(st.sampled_from(["get", "put", "wait"]), st.integers(0, 5), st.integers(0, 3)), max_size=80
)


@given(STEPS, st.integers(1, 4), st.integers(1, 5))
def test_the_cache_agrees_with_a_list_of_its_operations(steps, max_entries, ttl):  # type: ignore[no-untyped-def]
    """Compare with a list of (key, value, time) in the order of use."""
    now = 0
    cache: Cache[int] = Cache(max_entries, ttl, clock=lambda: now)
    past: list[tuple[int, int, int]] = []
    hits = misses = evicted = expired = 0
    for number, (operation, key, seconds) in enumerate(steps):
        mine = [entry for entry in past if entry[0] == key]
        rest = [entry for entry in past if entry[0] != key]
        if operation == "wait":
            now += seconds
        elif operation == "put":
            cache.put(key, number)
            past = [*rest, (key, number, now)]
            evicted += max(0, len(past) - max_entries)
            past = past[-max_entries:]
        else:
            found = cache.get(key)
            if mine and now - mine[0][2] < ttl:
                assert found == mine[0][1]
                hits, past = hits + 1, rest + mine
            else:
                assert found is None
                misses, expired, past = misses + 1, expired + len(mine), rest
        assert len(cache) == len(past)
    assert cache.counts() == CacheCounts(hits, misses, evicted, expired)
    assert cache.counts().hit_rate == (hits / (hits + misses) if hits + misses else 0.0)


def test_threads_share_a_cache_with_correct_counts():
    cache: Cache[int] = Cache(50, 60.0)

    def use(seed: int) -> None:
        for key in np.random.default_rng(seed).integers(0, 100, 2000).tolist():
            if cache.get(key) is None:
                cache.put(key, key + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    counts = cache.counts()
    assert counts.hits + counts.misses == 16_000
    assert len(cache) == 50
    assert all(cache.get(key) in (None, key + 1) for key in range(100))


def test_an_invalid_cache_is_an_error_and_a_cleared_one_is_empty():
    for max_entries, ttl in ((0, 1.0), (1, 0.0), (1, float("nan"))):
        with pytest.raises(ValueError, match="expected"):
            Cache(max_entries, ttl)
    cache: Cache[int] = Cache(2, 1.0)
    with pytest.raises(ValueError, match="means a miss"):
        cache.put("a", None)  # type: ignore[arg-type]
    cache.put("a", 1)
    cache.clear()
    assert (len(cache), cache.get("a")) == (0, None)


def test_expected_latency_is_the_mean_of_hits_and_misses():
    seconds = np.array([0.001] * 3 + [0.2] * 5)
    assert expected_latency(3 / 8, 0.001, 0.2) == pytest.approx(seconds.mean())
    with pytest.raises(ValueError, match="0 to 1"):
        expected_latency(-0.1, 1, 1)


def test_every_caller_gets_its_own_answer_and_no_batch_is_too_large():
    sizes: list[int] = []

    def double(items: list[int]) -> list[int]:
        sizes.append(len(items))
        time.sleep(0.002)
        return [2 * item for item in items]

    async def ask(batcher: Batcher[int, int]) -> list[int]:
        return await asyncio.gather(*(batcher.submit(number) for number in range(100)))

    with Batcher(double, max_batch_size=8, max_wait_s=0.05) as batcher:
        assert asyncio.run(ask(batcher)) == [2 * number for number in range(100)]
        with ThreadPoolExecutor(10) as pool:
            found = list(pool.map(lambda number: batcher.enqueue(number).result(5), range(50)))
    assert found == [2 * number for number in range(50)]
    assert max(sizes) == 8
    assert len(sizes) < 50  # in batches, not one after another
    assert (batcher.batches, batcher.items) == (len(sizes), 150)


def test_a_single_item_waits_for_max_wait_s_and_a_full_batch_does_not():
    with Batcher(lambda items: items, max_batch_size=2, max_wait_s=0.2) as batcher:
        began = time.monotonic()
        assert batcher.enqueue("a").result(5) == "a"
        assert time.monotonic() - began >= 0.19
    with Batcher(lambda items: items, max_batch_size=2, max_wait_s=30.0) as batcher:
        first, second = batcher.enqueue("a"), batcher.enqueue("b")
        assert (first.result(5), second.result(5)) == ("a", "b")


def test_an_exception_reaches_its_own_batch_only():
    def fail_on_zero(items: list[int]) -> list[float]:
        return [1 / item for item in items]

    with Batcher(fail_on_zero, max_batch_size=2, max_wait_s=10.0) as batcher:
        futures = [batcher.enqueue(item) for item in (1, 0, 2, 4)]
        for future in futures[:2]:
            with pytest.raises(ZeroDivisionError):
                future.result(5)
        assert [future.result(5) for future in futures[2:]] == [0.5, 0.25]
    with (
        Batcher(lambda items: [], max_batch_size=1, max_wait_s=0.0) as batcher,
        pytest.raises(ValueError, match="0 results for 1 items"),
    ):
        batcher.enqueue(1).result(5)


def test_a_full_queue_rejects_items_and_stop_finishes_the_queue():
    go = threading.Event()
    begun = threading.Event()

    def wait(items: list[int]) -> list[int]:
        begun.set()
        go.wait(5)
        return items

    batcher = Batcher(wait, max_batch_size=1, max_wait_s=0.0, max_queue_size=2)
    futures = [batcher.enqueue(0)]
    assert begun.wait(5)  # the first item is being computed; two more may wait
    futures += [batcher.enqueue(number) for number in (1, 2)]
    with pytest.raises(QueueFullError, match="2 items are waiting"):
        batcher.enqueue(3)
    assert futures[1].cancel()
    go.set()
    batcher.stop()
    assert (futures[0].result(0), futures[2].result(0)) == (0, 2)
    assert batcher.items == 2  # the cancelled item was not computed
    with pytest.raises(RuntimeError, match="stopped"):
        batcher.enqueue(4)
    with pytest.raises(ValueError, match="expected 1 or more"):
        Batcher(wait, max_batch_size=0, max_wait_s=0.0)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=12), st.data())
def test_the_optimal_batch_is_the_fastest_that_fits(measured, data):  # type: ignore[no-untyped-def]
    sizes = np.arange(1, len(measured) + 1)
    speeds, needs = zip(*measured, strict=True)
    limit = data.draw(st.integers(0, 10**6))
    fitting = [(speed, -size) for size, (speed, need) in zip(sizes, measured, strict=True) if need <= limit]
    if fitting:
        assert optimal_batch(sizes, speeds, needs, limit) == -max(fitting)[1]
    else:
        with pytest.raises(ValueError, match="no batch fits"):
            optimal_batch(sizes, speeds, needs, limit)


def test_the_optimal_batch_of_inconsistent_measurements_is_an_error():
    with pytest.raises(ValueError, match="shapes"):
        optimal_batch([1, 2], [1.0], [1.0, 2.0], 3.0)
    with pytest.raises(ValueError, match="finite"):
        optimal_batch([1], [float("nan")], [1.0], 3.0)


def test_overhead_and_time_per_item_agree_with_polyfit():
    sizes = np.array([1, 2, 4, 8, 16])
    times = 0.01 + 0.003 * sizes + np.random.default_rng(0).normal(0, 1e-4, 5)
    found = fit_batch_time(sizes, times)
    slope, start = np.polyfit(sizes, times, 1)
    assert (found.overhead_s, found.per_item_s) == pytest.approx((start, slope))
    assert found.r2 == pytest.approx(np.corrcoef(sizes, times)[0, 1] ** 2)
    assert found.seconds(10) == pytest.approx(start + 10 * slope)
    with pytest.raises(ValueError, match="two different sizes"):
        fit_batch_time([2, 2], [1.0, 1.0])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any))
def test_round_robin_is_exact_and_spreads_the_requests(capacities):  # type: ignore[no-untyped-def]
    whole = sum(capacities)
    found = smooth_round_robin(capacities, 2 * whole)
    for part in (found[:whole], found[whole:]):
        np.testing.assert_array_equal(np.bincount(part, minlength=len(capacities)), capacities)
    # The deviation of a server from its share is always below the number of other servers.
    counts = np.stack([np.cumsum(found == server) for server in range(len(capacities))])
    wanted = np.outer(np.array(capacities) / whole, np.arange(1, 2 * whole + 1))
    assert np.abs(counts - wanted).max() < max(1.0, len(capacities) - 1)


def test_round_robin_agrees_with_the_example_of_nginx():
    assert "".join("abc"[server] for server in smooth_round_robin([5, 1, 1], 7)) == "aabacaa"


def test_a_weighted_choice_follows_the_shares():
    capacities = [1.0, 0.0, 2.0, 5.0, 0.0]
    np.testing.assert_allclose(capacity_shares(capacities), [0.125, 0, 0.25, 0.625, 0])
    draws = (np.arange(8000) + 0.5) / 8000
    counts = np.bincount([weighted_choice(capacities, u) for u in draws], minlength=5)
    np.testing.assert_array_equal(counts, [1000, 0, 2000, 5000, 0])
    assert weighted_choice(capacities, np.nextafter(1.0, 0.0)) == 3
    assert weighted_choice([0.0, 1.0], 0.0) == 1
    for invalid in ([], [0.0], [1.0, -1.0], [float("inf")]):
        with pytest.raises(ValueError, match="capacities"):
            capacity_shares(invalid)
    with pytest.raises(ValueError, match="below 1"):
        weighted_choice([1.0], 1.0)


@pytest.mark.parametrize(
    ("servers", "latency", "wanted"),
    [
        (3, 0.30, 5),  # 3 x 0.3 / 0.2 = 4.5
        (3, 0.25, 3),  # not above the threshold
        (3, 9.00, 8),  # at most `most`
        (3, float("inf"), 8),
        (3, float("nan"), 3),
        (4, 0.04, 2),  # below calm: 4 x 0.04 / 0.2 = 0.8, at least `least`
        (4, 0.15, 4),
    ],
)
def test_scaling_agrees_with_examples(servers: int, latency: float, wanted: int) -> None:
    rule = {"target": 0.2, "threshold": 0.25, "least": 2, "most": 8, "calm": 0.1}
    assert autoscale(servers, latency, **rule) == wanted


def test_scaling_ignores_rounding_errors_and_rejects_contradictions():
    assert 3 * 0.9 / 0.3 > 9
    assert autoscale(3, 0.9, target=0.3, threshold=0.3, least=1, most=20) == 9
    assert autoscale(6, 0.01, target=0.2, threshold=0.3, least=1, most=20) == 6
    with pytest.raises(ValueError, match="expected"):
        autoscale(3, 0.1, target=0.3, threshold=0.2, least=1, most=4)
