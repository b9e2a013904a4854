"""Measure the cache, dynamic batching, and the work of a request.

The inputs are the outputs of `statewright run` in `data/releaf`, and the photographs of the part `vision`.
There is no log of real questions: the questions are names of items, drawn by a seed with the popularity of
Zipf (rank to the power of -1). Times are CPU times of one thread unless stated otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.parts import Omission, Tables
from benchmarks.releaf import _variants as variants
from benchmarks.releaf._variants import CACHE, MODEL, ROOT
from benchmarks.releaf.vision import photographs
from methods.retrieval.dense_onnx import load_onnx_encoder
from methods.serving.batching import Batcher
from methods.serving.cache import Cache, expected_latency
from service.model_cache import cache_in_folder
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

QUESTIONS = 2000  # questions to the cache
ENTRIES = (50, 200, 800)
CALLERS = 16  # concurrent callers, each of which waits for its answer
MAX_BATCHES = (1, 8, 32)
WAIT_S = 0.005


def tables(repeat: int) -> Tables:
    """Yield tables of the cache, of batching, and of the work of each request."""
    names = sorted(set(pd.read_parquet(ROOT / "data/releaf/items.parquet", columns=["name"])["name"]))
    encode = load_onnx_encoder(MODEL, batch=max(MAX_BATCHES), keep=cache_in_folder(CACHE))
    yield _cache(names, encode)
    yield _batching("texts", lambda items: list(encode(items)), names, 200 * repeat)
    seconds = {"question: vector and search of our cards": _question_s(names, encode, 50 * repeat)}
    table = photographs()
    if isinstance(table, Omission):
        yield table
    else:
        features = variants.image_variants()["ONNX Runtime"]()
        pictures = list(variants.read_pictures("test", 64))
        yield _batching("photographs", lambda items: list(features(np.stack(items))), pictures, 32 * repeat)
        seconds["photograph: decoded, resized, features of it and its mirror image"] = _photograph_s(
            features, table, 20 * repeat
        )
    yield BenchmarkTable(
        name="work",
        title="Work per request, median CPU milliseconds.",
        columns=["request", "ms"],
        rows=[[name, 1000 * value] for name, value in seconds.items()],
        decimals={"ms": 1},
    )


def _cache(names: list[str], encode: Callable[[list[str]], np.ndarray]) -> BenchmarkTable:
    """Compare the mean latency with the formula.

    The two times of the formula are measured at the same time, with other names.
    """
    rng = np.random.default_rng(0)
    rng.shuffle(names)
    known, others = names[:-100], names[-100:]
    popularity = 1 / np.arange(1, len(known) + 1)
    questions = rng.choice(known, QUESTIONS, p=popularity / popularity.sum()).tolist()
    return BenchmarkTable(
        name="cache",
        title=f"{QUESTIONS:,} questions about {len(known):,} names; cached and computed times with "
        f"{len(others)} others.",
        columns=[
            "entries",
            "hit rate",
            "cached us",
            "computed ms",
            "formula ms",
            "measured ms",
            "difference, %",
        ],
        rows=[[entries, *_cached(entries, questions, others, encode)] for entries in ENTRIES],
        decimals={"cached us": 1, "computed ms": 2, "difference, %": 1},
    )


def _cached(
    entries: int, questions: list[str], others: list[str], encode: Callable[[list[str]], np.ndarray]
) -> list[float]:
    cache: Cache[np.ndarray] = Cache(entries, float("inf"))
    filled: Cache[np.ndarray] = Cache(len(others), float("inf"))
    total, cached, computed = [], [], []
    for number, name in enumerate(tqdm(questions, desc=f"cache of {entries}", mininterval=1)):
        total.append(_seconds(_answer, cache, encode, name))
        if number % 10 == 0:
            other = others[number // 10 % len(others)]
            computed.append(_seconds(encode, [other]))
            filled.put(other, np.zeros(1))
            cached.append(_seconds(filled.get, other))
    rate = cache.counts().hit_rate
    hit, miss, mean = (float(np.mean(seconds)) for seconds in (cached, computed, total))
    formula = expected_latency(rate, hit, miss)
    return [rate, 1e6 * hit, 1000 * miss, 1000 * formula, 1000 * mean, 100 * (mean / formula - 1)]


def _answer(cache: Cache[np.ndarray], encode: Callable[[list[str]], np.ndarray], name: str) -> np.ndarray:
    vector = cache.get(name)
    if vector is None:
        vector = encode([name])[0]
        cache.put(name, vector)
    return vector


def _batching(
    kind: str, function: Callable[[list[Any]], list[Any]], items: Sequence[Any], requests: int
) -> BenchmarkTable:
    """Measure a batcher with callers that wait for an answer before the next request."""
    columns = ["most", "mean batch", "CPU ms a request", "p50 ms", "p95 ms", "p99 ms"]
    rows: list[list[TextOrNumber]] = []
    for most in MAX_BATCHES:
        began = time.process_time()
        latency, mean = asyncio.run(_ask(function, items, requests, most))
        cpu = (time.process_time() - began) / requests
        times = (cpu, *np.quantile(latency, (0.5, 0.95, 0.99)).tolist())
        rows.append([most, mean, *(1000 * value for value in times)])
    return BenchmarkTable(
        name=f"batching {kind}",
        title=f"{kind}: {CALLERS} callers, a wait of at most {1000 * WAIT_S:.0f} ms; wall-clock latency.",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns, 1),
    )


async def _ask(
    function: Callable[[list[Any]], list[Any]], items: Sequence[Any], requests: int, most: int
) -> tuple[list[float], float]:
    latency: list[float] = []
    remaining = iter(range(requests))

    async def call(batcher: Batcher[Any, Any]) -> None:
        for number in remaining:
            began = time.perf_counter()
            await batcher.submit(items[number % len(items)])
            latency.append(time.perf_counter() - began)

    with Batcher(function, max_batch_size=most, max_wait_s=WAIT_S) as batcher:
        await asyncio.gather(*(call(batcher) for _ in range(CALLERS)))
        return latency, batcher.items / batcher.batches


def _question_s(names: list[str], encode: Callable[[list[str]], np.ndarray], requests: int) -> float:
    from benchmarks.releaf._collections import shipped_recipe
    from methods.retrieval.search import Corpus, search
    from methods.retrieval.sparse import fit_bm25

    passages = pd.read_parquet(ROOT / "data/releaf/passages.parquet")
    vectors = np.stack(list(pd.read_parquet(ROOT / "data/releaf/vectors.parquet")["vector"]))
    corpus, recipe = Corpus(fit_bm25(passages["text"].tolist()), vectors.astype(np.float64)), shipped_recipe()

    def answer(name: str) -> None:
        search(corpus, [name], encode([name]), recipe)

    return float(np.median([_seconds(answer, name) for name in names[:requests]]))


def _photograph_s(features: Callable[[np.ndarray], np.ndarray], table: Path, requests: int) -> float:
    from methods.vision.pictures import decode
    from methods.vision.shipped import shipped_features

    def look(content: bytes) -> None:
        shipped_features(features, [decode(content)])

    images = pd.read_parquet(table, columns=["image"])["image"].head(requests)
    return float(np.median([_seconds(look, image) for image in images]))


def _seconds(function: Callable[..., object], *arguments: object) -> float:
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began
