"""Load test of the service: endpoints, cache and single answers.

Each endpoint has 1, 8 and 32 clients. Ratings and written answers have one client only: a user rates one
answer after another, and the writer writes one answer after another with at most three in its queue.

The benchmark serves the champion of the model registry (``python -m service promote``) on loopback; the
clients run on the same machine. Photographs are the external data `waste`, see
`benchmarks.parts.external_data`.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables
from benchmarks.releaf._single import SPECIFIED, single
from benchmarks.releaf.vision import ROOT, photographs
from tasks.report.benchmark import BenchmarkTable

CLIENTS = (1, 8, 32)
SECONDS = 5.0
READY_S = 180.0
BATCHES = ((32, 8), (8, 2))
"""Maximum batch sizes of texts and photographs: the defaults, and the best of the part `runtimes`."""
SINGLE_CLIENT = ("/v1/write", "/v1/ratings")
"""Endpoints that are measured with one client."""
TOO_MANY_REQUESTS = 429
Request = dict[str, Any]
Round = tuple[list[float], Counter[int], float]
"""Latencies of successes in seconds, counts of other statuses, total seconds."""


def tables(repeat: int) -> Tables:
    """Yield tables of load, cache and single answers, medians of `repeat` rounds."""
    from service.bundle import BundleError
    from service.registry import fetch_champion

    try:
        bundle = fetch_champion(ROOT)
    except BundleError as error:
        yield Omission(str(error))
        return
    names = _names()
    yield single(bundle, names)
    with _service() as address:
        yield _cache(address, names)
    with _service() as address:
        yield _load(address, _endpoints(address, names), repeat)
    yield _batches(names, repeat)


def _names() -> list[tuple[str, str]]:
    """Return names and cities of the test items, in random order."""
    items = pd.read_parquet(ROOT / "data/releaf/items.parquet")
    rows = items[items["split"] == "test"][["name", "city"]].drop_duplicates().to_numpy().tolist()
    order = np.random.default_rng(0).permutation(len(rows))
    return [(rows[k][0], rows[k][1]) for k in order]


@contextmanager
def _service(*options: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "service", "serve", "--port", str(port), "--rate", "0", *options]
        process = subprocess.Popen(
            [*command, "--ratings", f"{folder}/ratings.db"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError("the service did not become ready; run `python -m service serve` to see the error")


def _endpoints(address: str, names: list[tuple[str, str]]) -> dict[str, Callable[[], Request]]:
    """Return a source of requests for each endpoint.

    No question is repeated, so that no answer is cached.
    """
    numbers = iter(range(10**9))

    def questions(path: str) -> Callable[[], Request]:
        def make() -> Request:
            number = next(numbers)
            name, city = names[number % len(names)]
            return {"url": path, "json": {"question": f"{name} {number}", "city": city}}

        return make

    endpoints = {path: questions(path) for path in ("/v1/ask", "/v1/search", "/v1/ideas", "/v1/write")}
    path = photographs()
    if not isinstance(path, Omission):
        endpoints["/v1/look"] = _pictures(path)
    return endpoints | {"/v1/ratings": _ratings(address, endpoints["/v1/ask"])}


def _batches(names: list[tuple[str, str]], repeat: int) -> BenchmarkTable:
    """Measure the latency by the maximum batch sizes of the service."""
    rows: list[list[Any]] = []
    for texts, pictures in BATCHES:
        with _service("--batch-texts", str(texts), "--batch-photographs", str(pictures)) as address:
            endpoints = _endpoints(address, names)
            for path, most in (("/v1/ask", texts), ("/v1/look", pictures)):
                if path not in endpoints:
                    continue
                rounds = [
                    asyncio.run(_drive(address, endpoints[path], CLIENTS[-1], SECONDS)) for _ in range(repeat)
                ]
                rows.append([path, most, *_middle(rounds), sum(codes.total() for _, codes, _ in rounds)])
    return BenchmarkTable(
        name="batches",
        title=f"{CLIENTS[-1]} clients by maximum batch size, {SECONDS:g} s a round, no question repeated.",
        columns=["endpoint", "maximum batch size", "p50 ms", "p95 ms", "p99 ms", "a second", "failed"],
        rows=rows,
        decimals={"p50 ms": 1, "p95 ms": 1, "p99 ms": 1, "a second": 1},
    )


def _load(address: str, endpoints: dict[str, Callable[[], Request]], repeat: int) -> BenchmarkTable:
    """Measure requests in a closed loop.

    Rejections by the rate limit (429) are not failures and have a separate column.
    """
    rows: list[list[Any]] = []
    for path, make in endpoints.items():
        asyncio.run(_drive(address, make, 1, 0.01))  # the language model is loaded with the first request
        for clients in (1,) if path in SINGLE_CLIENT else CLIENTS:
            rounds = [asyncio.run(_drive(address, make, clients, SECONDS)) for _ in range(repeat)]
            refused = sum(codes[TOO_MANY_REQUESTS] for _, codes, _ in rounds)
            failed = sum(codes.total() for _, codes, _ in rounds) - refused
            rows.append([path, clients, *_middle(rounds), failed, refused, SPECIFIED.get(path)])
    return BenchmarkTable(
        name="load",
        title=f"Load on loopback, {SECONDS:g} s a round, no question repeated.",
        columns=["endpoint", "clients", "p50 ms", "p95 ms", "p99 ms", "a second", "failed", "refused (429)",
                 "specified ms"],
        rows=rows,
        decimals={"p50 ms": 1, "p95 ms": 1, "p99 ms": 1, "a second": 1},
    )  # fmt: skip


def _ratings(address: str, ask: Callable[[], Request], count: int = 50) -> Callable[[], Request]:
    """Return a source of ratings: right for `count` answers, then wrong, in turn."""
    import httpx

    with httpx.Client(base_url=address, timeout=60) as client:
        answers = [client.post(**ask()).raise_for_status().json()["answer_id"] for _ in range(count)]
    numbers = iter(range(10**9))

    def make() -> Request:
        number = next(numbers)
        rating = 1 if number // count % 2 == 0 else -1
        return {"url": "/v1/ratings", "json": {"answer_id": answers[number % count], "rating": rating}}

    return make


def _pictures(path: Path) -> Callable[[], Request]:
    table = pd.read_parquet(path)
    pictures = table[table["split"] == "test"]["image"].tolist()
    numbers = iter(range(10**9))
    return lambda: {
        "url": "/v1/look",
        "files": {"picture": pictures[next(numbers) % len(pictures)]},
        "data": {"city": "Toronto"},
    }


async def _drive(address: str, make: Callable[[], Request], clients: int, seconds: float) -> Round:
    """Return latencies of successes, counts of other statuses, and total seconds."""
    import httpx

    taken: list[float] = []
    others: Counter[int] = Counter()
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        began = time.perf_counter()
        until = began + seconds

        async def go() -> None:
            while time.perf_counter() < until:
                request, started = make(), time.perf_counter()
                response = await client.post(**request)
                if response.is_success:
                    taken.append(time.perf_counter() - started)
                else:
                    others[response.status_code] += 1

        await asyncio.gather(*(go() for _ in range(clients)))
        return taken, others, time.perf_counter() - began


def _middle(rounds: list[Round]) -> list[float | None]:
    """Return the medians of p50, p95 and p99 in ms and of successes per second.

    A round without a success, such as one in which every request is refused, has a rate and no latency;
    if there is no other round, the latencies are None.
    """
    latencies = [np.quantile(seconds, (0.5, 0.95, 0.99)) for seconds, _, _ in rounds if seconds]
    middle = (1000 * np.median(latencies, axis=0)).tolist() if latencies else [None, None, None]
    return [*middle, float(np.median([len(seconds) / took for seconds, _, took in rounds]))]


def _cache(address: str, names: list[tuple[str, str]], asked: int = 3000) -> BenchmarkTable:
    """Measure the cache with names that are drawn by Zipf's law.

    The first half of the requests predicts the mean latency of the second half.

    Of `asked` draws with probabilities p, ``sum (1 - (1 - p)^asked)`` are expected to be new names, which
    miss the cache.
    """
    import httpx

    from methods.serving.cache import expected_latency

    share = 1 / np.arange(1, len(names) + 1)
    share /= share.sum()
    drawn = np.random.default_rng(0).choice(len(names), asked, p=share)
    taken: list[tuple[str, float]] = []
    with httpx.Client(base_url=address, timeout=60) as client:
        for number in drawn:
            name, city = names[number]
            started = time.perf_counter()
            response = client.post("/v1/ask", json={"question": name, "city": city})
            response.raise_for_status()
            taken.append((response.headers["x-cache"], time.perf_counter() - started))
    first, second = taken[: asked // 2], taken[asked // 2 :]
    hit, miss = (float(np.mean([s for kind, s in first if kind == wanted])) for wanted in ("hit", "miss"))
    rates = [float(np.mean([kind == "hit" for kind, _ in part])) for part in (taken, second)]
    predicted = 1 - float((1 - (1 - share) ** asked).sum()) / asked
    expected = expected_latency(rates[1], hit, miss)
    measured = float(np.mean([seconds for _, seconds in second]))
    return BenchmarkTable(
        name="cache",
        title=f"The cache: {asked:,} questions by Zipf's law over {len(names)} names; times of the first "
        "half, expected and measured mean of the second.",
        columns=[
            "hit rate",
            "predicted",
            "in 2nd half",
            "cached ms",
            "computed ms",
            "expected ms",
            "measured ms",
        ],
        rows=[[*rates[:1], predicted, rates[1], *(1000 * s for s in (hit, miss, expected, measured))]],
    )
