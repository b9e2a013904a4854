"""Compare the runtimes of the encoders by time, memory and accuracy.

Photographs and two test collections are the external data `waste` and `retrieval`, see
`benchmarks.parts.external_data`. Features and heads are read from `data/releaf`
(``statewright run releaf-vision``). Times are CPU milliseconds of one thread, which depend little on other
work on the machine, and the runtimes are measured in turn. Exported models are cached in
`.statewright/runtimes`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.releaf import _variants as variants
from benchmarks.releaf._variants import ROOT, Encode
from methods.serving.sizing import fit_batch_time, optimal_batch
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SINGLES = 40  # single items that are timed, per repetition
BATCHES = (8, 32)
SWEEP = (1, 2, 4, 8, 16, 32, 64)
LIMITS = {"text": (256, 512), "image": (128, 256, 512)}  # MB
CHOSEN = {"text": "ONNX Runtime", "image": "ONNX Runtime"}

Items = Sequence[Any] | np.ndarray
"""Texts, or pictures of shape (n, 3, height, width)."""


def tables(repeat: int) -> Tables:
    """Yield a table per encoder, and the batch sizes of the chosen runtime."""
    import torch

    from benchmarks.releaf.vision import photographs

    torch.set_num_threads(1)
    collections = external_data("retrieval")
    if isinstance(collections, Omission):
        yield collections
    else:
        encoders = _build(variants.text_variants())
        texts = _texts(collections)
        yield _table("text", encoders, texts, _text_accuracy(encoders, collections), repeat)
        yield from _sweep("text", encoders[CHOSEN["text"]], texts, repeat)
    table = photographs()
    if isinstance(table, Omission):
        yield table
    else:
        encoders = _build(variants.image_variants())
        pictures = variants.read_pictures("test")
        yield _table("image", encoders, pictures, _image_accuracy(encoders, pictures), repeat)
        yield from _sweep("image", encoders[CHOSEN["image"]], pictures, repeat)


def _texts(collections: Path) -> list[str]:
    """Return the queries of the test split of the waste list, in their order."""
    from benchmarks.releaf._collections import read_collection

    return read_collection(collections, "waste_wizard").part(True).queries


def _build(builders: dict[str, Callable[[], Encode]]) -> dict[str, Encode | str]:
    """Return each encoder, or the error of its builder."""
    encoders: dict[str, Encode | str] = {}
    for name, build in tqdm(builders.items(), desc="runtimes", mininterval=1):
        try:
            encoders[name] = build()
        except Exception as error:
            encoders[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return encoders


def _table(
    kind: str,
    encoders: dict[str, Encode | str],
    items: Items,
    accuracy: dict[str, dict[str, float]],
    repeat: int,
) -> BenchmarkTable:
    working = {name: encode for name, encode in encoders.items() if callable(encode)}
    singles = _times(working, items, 1, SINGLES * repeat)
    full = {batch: _times(working, items, batch, 2 * repeat) for batch in BATCHES}
    measured = ["p50 ms", "p95 ms", *(f"per second, {batch}" for batch in BATCHES), "MB"]
    scores = list(next(iter(accuracy.values()), {}))
    rows: list[list[TextOrNumber]] = []
    for name, encode in encoders.items():
        if not callable(encode):
            rows.append([f"{name}, failed: {encode}", *[None] * (len(measured) + len(scores))])
            continue
        cells = [1000 * float(value) for value in np.quantile(singles[name], (0.5, 0.95))]
        cells += [float(batch / np.median(full[batch][name])) for batch in BATCHES]
        cells.append(float(_peaks(kind, name, max(BATCHES))[0]))
        rows.append([name, *cells, *accuracy[name].values()])
    return BenchmarkTable(
        name=kind,
        title=f"Encoder of the {kind}: one thread, CPU time.",
        columns=["runtime", *measured, *scores],
        rows=rows,
        decimals=dict.fromkeys(measured[:2], 1)
        | dict.fromkeys([*measured[2:4], "MB"], 0)
        | dict.fromkeys(scores, 4),
    )


def _times(encoders: dict[str, Encode], items: Items, batch: int, rounds: int) -> dict[str, list[float]]:
    """Measure CPU seconds of each call except the first, which may compile.

    The encoders are called in turn.
    """
    durations: dict[str, list[float]] = {name: [] for name in encoders}
    for number in tqdm(range(rounds + 1), desc=f"batch {batch}", mininterval=1):
        start = number * batch % max(1, len(items) - batch)
        for name, encode in encoders.items():
            began = time.process_time()
            encode(items[start : start + batch])
            durations[name].append(time.process_time() - began)
    return {name: seconds[1:] for name, seconds in durations.items()}


def _text_accuracy(encoders: dict[str, Encode | str], collections: Path) -> dict[str, dict[str, float]]:
    """Measure nDCG@10 and cosines with the shipped vectors.

    Each encoder encodes the questions only.
    """
    from benchmarks.releaf._collections import read_collection, shipped_recipe
    from benchmarks.releaf.retrieval import ndcg
    from methods.retrieval.search import Recipe

    tests = {name: read_collection(collections, name).part(True) for name in ("waste_wizard", "scifact")}
    recipes = {"dense": Recipe(fusion="dense"), "shipped": shipped_recipe()}
    rows: dict[str, dict[str, float]] = {}
    for name, encode in encoders.items():
        if not callable(encode):
            continue
        ndcgs: dict[str, float] = {}
        cosines = []
        for collection, test in tests.items():
            vectors = encode(test.queries)
            cosines.append((vectors * test.query_vectors).sum(axis=1))
            encoded = replace(test, query_vectors=vectors)
            for system, recipe in recipes.items():
                ndcgs[f"{collection}, {system}"] = float(ndcg(encoded, encoded.run(recipe)).mean())
        values = np.concatenate(cosines)
        rows[name] = {"least cosine": float(values.min()), "mean cosine": float(values.mean())} | ndcgs
    return rows


def _image_accuracy(encoders: dict[str, Encode | str], pictures: np.ndarray) -> dict[str, dict[str, float]]:
    """Measure the accuracy of the shipped heads, and their agreement with torch."""
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet", columns=["label", "split"])
    labels = photos.loc[photos["split"] == "test", "label"].to_numpy()
    rows: dict[str, dict[str, float]] = {}
    answers: dict[str, np.ndarray] = {}
    for name, encode in encoders.items():
        if callable(encode):
            parts = [pictures[start : start + 16] for start in range(0, len(pictures), 16)]
            both = [encode(part) + encode(np.ascontiguousarray(part[..., ::-1])) for part in parts]
            answers[name] = _materials(np.concatenate(both) / 2)
            accuracy, agreement = (
                float((answers[name] == expected).mean()) for expected in (labels, answers["torch"])
            )
            rows[name] = {"test accuracy": accuracy, "as torch": agreement}
    return rows


def _materials(features: np.ndarray) -> np.ndarray:
    """Classify features (n, 1280) by the shipped heads, averaged over seeds."""
    import torch
    from safetensors.torch import load_file

    from methods.vision.heads import Head, Heads
    from methods.vision.views import rooted
    from tasks.releaf.contracts.raw import MATERIALS

    tensors = load_file(ROOT / "data/releaf/vision_model.safetensors")
    seeds = sorted({name.partition(".")[0] for name in tensors if name.startswith("seed_")})
    probabilities = torch.zeros(len(features), len(MATERIALS))
    for seed in seeds:
        weights = {
            name.removeprefix(f"{seed}.heads."): value
            for name, value in tensors.items()
            if name.startswith(f"{seed}.heads.")
        }
        heads = Heads(
            features.shape[1], {"material": Head(MATERIALS)}, hidden=len(weights["shared.0.bias"])
        ).eval()
        heads.load_state_dict(weights)
        with torch.no_grad():
            probabilities += heads(rooted(torch.from_numpy(features)))["material"].softmax(dim=1)
    return np.array(MATERIALS)[probabilities.argmax(dim=1).numpy()]


def _sweep(kind: str, encode: Encode | str, items: Items, repeat: int) -> Tables:
    """Yield throughput and memory by batch size, and the line through the times."""
    if not callable(encode):
        yield Omission(f"{kind}: no batch sizes, {encode}")
        return
    durations: dict[int, list[float]] = {batch: [] for batch in SWEEP}
    encode(items[: max(SWEEP)])  # The first call allocates buffers.
    for _ in tqdm(range(3 * repeat), desc=f"{kind}: sweep", mininterval=1):
        for batch in SWEEP:
            began = time.process_time()
            encode(items[:batch])
            durations[batch].append(time.process_time() - began)
    seconds = [float(np.median(durations[batch])) for batch in SWEEP]
    throughput = [batch / value for batch, value in zip(SWEEP, seconds, strict=True)]
    memory = _peaks(kind, CHOSEN[kind], *SWEEP)
    line = fit_batch_time(SWEEP, seconds)
    best = {limit: _best(throughput, memory, limit) for limit in LIMITS[kind]}
    yield BenchmarkTable(
        name=f"sweep {kind}",
        title=f"{kind}, {CHOSEN[kind]}: batch sizes. "
        + " ".join(f"Best within {limit} MB: {size}." for limit, size in best.items()),
        columns=["batch", "ms", "per second", "MB"],
        rows=[
            [batch, 1000 * value, speed, mb]
            for batch, value, speed, mb in zip(SWEEP, seconds, throughput, memory, strict=True)
        ],
        decimals={"ms": 1, "per second": 0, "MB": 0},
    )
    yield BenchmarkTable(
        name=f"line {kind}",
        title=f"{kind}, {CHOSEN[kind]}: the line through these times, T(B) = overhead + B * item.",
        columns=["encoder", "overhead ms", "item ms", "R2"],
        rows=[[kind, 1000 * line.overhead_s, 1000 * line.per_item_s, line.r2]],
        decimals={"overhead ms": 2, "item ms": 2, "R2": 4},
    )


def _best(throughput: Sequence[float], memory: Sequence[float], limit: float) -> str:
    try:
        return str(optimal_batch(SWEEP, throughput, memory, limit))
    except ValueError as error:
        return str(error)


def _peaks(kind: str, name: str, *batches: int) -> list[float]:
    """Measure the peak memory in MB of a separate process, for each batch size."""
    command = [sys.executable, "-m", "benchmarks.releaf._variants", kind, name, *map(str, batches)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(process.stdout.splitlines()[-1])]
