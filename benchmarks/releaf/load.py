"""The service under load: each way in with 1, 8 and 32 clients, its cache, and what a single answer takes.

Thumbs are given, and sentences written, for one client only: a person gives one thumb at a time, and the
writer takes on one answer at a time and lets four wait.

It serves the champion of the registry (``python -m service promote``) on loopback; the clients share the
machine with it. Photographs are read from `data/waste` in the folder that STATEWRIGHT_SHARED names, or in
`../shared`.
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
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.parts import Found, Skipped
from benchmarks.releaf._single import SPECIFIED, single
from benchmarks.releaf.vision import ROOT, photographs
from tasks.report.benchmark import BenchmarkTable

CLIENTS = (1, 8, 32)
SECONDS = 5.0
READY_S = 180.0
BATCHES = ((32, 8), (8, 2))
"""Largest batches of texts and photographs: as served by default, and the best of the part `runtimes`."""
ALONE = ("/v1/write", "/v1/thumbs")
"""Ways in that one client at a time uses."""
BUSY = 429
Request = dict[str, Any]


def tables(repeat: int) -> Found:
    """Tables of load, cache and single answers; a figure is the median of `repeat` rounds."""
    from service.bundle import BundleError
    from service.registry import champion

    try:
        bundle = champion(ROOT)
    except BundleError as error:
        yield Skipped(str(error))
        return
    names = _names()
    yield single(bundle, names)
    with _service() as address:
        yield _cache(address, names)
    with _service() as address:
        yield _load(address, _ways(address, names), repeat)
    yield _batches(names, repeat)


def _names() -> list[tuple[str, str]]:
    """Names and cities of the test items, in a drawn order."""
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
            [*command, "--thumbs", f"{folder}/thumbs.db"], cwd=ROOT, stderr=subprocess.DEVNULL
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
    raise RuntimeError("the service did not get ready; run `python -m service serve` to see why")


def _ways(address: str, names: list[tuple[str, str]]) -> dict[str, Callable[[], Request]]:
    """Requests by way in; every question is asked once, so that none comes out of the cache."""
    fresh = iter(range(10**9))

    def words(path: str) -> Callable[[], Request]:
        def make() -> Request:
            place = next(fresh)
            name, city = names[place % len(names)]
            return {"url": path, "json": {"question": f"{name} {place}", "city": city}}

        return make

    ways = {path: words(path) for path in ("/v1/ask", "/v1/search", "/v1/ideas", "/v1/write")}
    if photographs().is_file():
        ways["/v1/look"] = _pictures()
    return ways | {"/v1/thumbs": _thumbs(address, ways["/v1/ask"])}


def _batches(names: list[tuple[str, str]], repeat: int) -> BenchmarkTable:
    """Most clients at once, by the largest batches that the service is started with."""
    rows: list[list[Any]] = []
    for texts, pictures in BATCHES:
        with _service("--batch-texts", str(texts), "--batch-photographs", str(pictures)) as address:
            ways = _ways(address, names)
            for path, most in (("/v1/ask", texts), ("/v1/look", pictures)):
                if path not in ways:
                    continue
                rounds = [
                    asyncio.run(_drive(address, ways[path], CLIENTS[-1], SECONDS)) for _ in range(repeat)
                ]
                found = np.median([_quantiles(seconds, took) for seconds, _, took in rounds], axis=0)
                rows.append([path, most, *found.tolist(), sum(codes.total() for _, codes, _ in rounds)])
    return BenchmarkTable(
        name="batches",
        title=f"{CLIENTS[-1]} clients by the largest batch, {SECONDS:g} s a round, every question new.",
        columns=["way in", "largest batch", "p50 ms", "p95 ms", "p99 ms", "a second", "not answered"],
        rows=rows,
        decimals={"p50 ms": 1, "p95 ms": 1, "p99 ms": 1, "a second": 1},
    )


def _load(address: str, ways: dict[str, Callable[[], Request]], repeat: int) -> BenchmarkTable:
    """Requests in a closed loop; what is over the rate (429) is no failure and counted apart."""
    rows: list[list[Any]] = []
    for path, make in ways.items():
        asyncio.run(_drive(address, make, 1, 0.01))  # the writer's model is loaded with its first answer
        for clients in (1,) if path in ALONE else CLIENTS:
            rounds = [asyncio.run(_drive(address, make, clients, SECONDS)) for _ in range(repeat)]
            found = [_quantiles(seconds, took) for seconds, _, took in rounds]
            middle = [float(np.median([one[k] for one in found])) for k in range(4)]
            refused = sum(codes[BUSY] for _, codes, _ in rounds)
            failed = sum(codes.total() for _, codes, _ in rounds) - refused
            rows.append([path, clients, *middle, failed, refused, SPECIFIED.get(path)])
    return BenchmarkTable(
        name="load",
        title=f"Load on loopback, {SECONDS:g} s a round, every question new.",
        columns=["way in", "clients", "p50 ms", "p95 ms", "p99 ms", "a second", "failed", "refused (429)",
                 "specified ms"],
        rows=rows,
        decimals={"p50 ms": 1, "p95 ms": 1, "p99 ms": 1, "a second": 1},
    )  # fmt: skip


def _thumbs(address: str, ask: Callable[[], Request], asked: int = 50) -> Callable[[], Request]:
    """Thumbs up and down, in turn, for so many answers."""
    import httpx

    with httpx.Client(base_url=address, timeout=60) as client:
        answers = [client.post(**ask()).raise_for_status().json()["answer_id"] for _ in range(asked)]
    places = iter(range(10**9))

    def make() -> Request:
        place = next(places)
        thumb = 1 if place // asked % 2 == 0 else -1
        return {"url": "/v1/thumbs", "json": {"answer_id": answers[place % asked], "thumb": thumb}}

    return make


def _pictures() -> Callable[[], Request]:
    table = pd.read_parquet(photographs())
    pictures = table[table["split"] == "test"]["image"].tolist()
    places = iter(range(10**9))
    return lambda: {
        "url": "/v1/look",
        "files": {"picture": pictures[next(places) % len(pictures)]},
        "data": {"city": "Toronto"},
    }


async def _drive(
    address: str, make: Callable[[], Request], clients: int, seconds: float
) -> tuple[list[float], Counter[int], float]:
    """Latencies of the requests that were answered, how many were not by status, and seconds in all."""
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


def _quantiles(seconds: list[float], took: float) -> list[float]:
    p50, p95, p99 = 1000 * np.quantile(seconds, (0.5, 0.95, 0.99))
    return [p50, p95, p99, len(seconds) / took]


def _cache(address: str, names: list[tuple[str, str]], asked: int = 3000) -> BenchmarkTable:
    """Names asked as often as words are used, by one client: what the first half foretells of the second.

    Of `asked` draws from shares p, ``sum (1 - (1 - p)^asked)`` names are expected to be new, and so missed.
    """
    import httpx

    from methods.serving.cache import expected_latency

    share = 1 / np.arange(1, len(names) + 1)
    share /= share.sum()
    drawn = np.random.default_rng(0).choice(len(names), asked, p=share)
    taken: list[tuple[str, float]] = []
    with httpx.Client(base_url=address, timeout=60) as client:
        for place in drawn:
            name, city = names[place]
            started = time.perf_counter()
            response = client.post("/v1/ask", json={"question": name, "city": city})
            response.raise_for_status()
            taken.append((response.headers["x-cache"], time.perf_counter() - started))
    first, second = taken[: asked // 2], taken[asked // 2 :]
    hit, miss = (float(np.mean([s for kind, s in first if kind == wanted])) for wanted in ("hit", "miss"))
    rates = [float(np.mean([kind == "hit" for kind, _ in part])) for part in (taken, second)]
    foretold = 1 - float((1 - (1 - share) ** asked).sum()) / asked
    expected = expected_latency(rates[1], hit, miss)
    measured = float(np.mean([seconds for _, seconds in second]))
    return BenchmarkTable(
        name="cache",
        title=f"The cache: {asked:,} questions by Zipf's law over {len(names)} names; times of the first "
        "half, expected and measured mean of the second.",
        columns=[
            "hit rate",
            "foretold",
            "in 2nd half",
            "cached ms",
            "computed ms",
            "expected ms",
            "measured ms",
        ],
        rows=[[*rates[:1], foretold, rates[1], *(1000 * s for s in (hit, miss, expected, measured))]],
    )
