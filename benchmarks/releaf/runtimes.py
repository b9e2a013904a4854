"""The encoders of texts and photographs by several runtimes: time, memory and accuracy side by side.

Photographs and the two test collections are read from the folder that STATEWRIGHT_SHARED names, or from
`../shared`; the features and heads are those of `data/releaf` (``statewright run releaf-vision``). Times are
CPU milliseconds of one thread, which other work on the machine disturbs little; the variants take turns.
Exported models stay in `.statewright/runtimes`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.parts import Found, Skipped
from benchmarks.releaf import _variants as variants
from benchmarks.releaf._variants import ROOT, Encode
from methods.serving.sizing import fit_batch_time, optimal_batch
from tasks.report.benchmark import BenchmarkTable

SINGLES = 40  # single items timed, for each repetition
BATCHES = (8, 32)
SWEEP = (1, 2, 4, 8, 16, 32, 64)
LIMITS = {"text": (256, 512), "image": (128, 256, 512)}  # MB
KEPT = {"text": "ONNX Runtime", "image": "ONNX Runtime"}


def tables(repeat: int) -> Found:
    """A table for each encoder, and the sweep of batch sizes of the runtime kept."""
    import torch

    from benchmarks.releaf._collections import shared_folder
    from benchmarks.releaf.vision import photographs

    torch.set_num_threads(1)
    if shared_folder().is_dir():
        made = _make(variants.text_variants())
        yield _table("text", made, _texts(), _text_accuracy(made), repeat)
        yield from _sweep("text", made[KEPT["text"]], _texts(), repeat)
    else:
        yield Skipped(f"{shared_folder()}, the texts, is not there")
    if photographs().is_file():
        made = _make(variants.image_variants())
        pictures = variants.read_pictures("test")
        yield _table("image", made, pictures, _image_accuracy(made, pictures), repeat)
        yield from _sweep("image", made[KEPT["image"]], pictures, repeat)
    else:
        yield Skipped(f"{photographs()}, the photographs, is not there")


def _texts() -> list[str]:
    """The names asked for on the waste list's test split, in the order given."""
    from benchmarks.releaf._collections import read_collection, shared_folder

    return read_collection(shared_folder(), "waste_wizard").part(True).queries


def _make(builders: dict[str, Callable[[], Encode]]) -> dict[str, Encode | str]:
    """Each variant, or why there is none."""
    made: dict[str, Encode | str] = {}
    for name, build in tqdm(builders.items(), desc="runtimes", mininterval=1):
        try:
            made[name] = build()
        except Exception as error:
            made[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    return made


def _table(
    kind: str,
    made: dict[str, Encode | str],
    items: Sequence[Any],
    accuracy: dict[str, dict[str, float]],
    repeat: int,
) -> BenchmarkTable:
    works = {name: encode for name, encode in made.items() if callable(encode)}
    singles = _times(works, items, 1, SINGLES * repeat)
    full = {batch: _times(works, items, batch, 2 * repeat) for batch in BATCHES}
    measured = ["p50 ms", "p95 ms", *(f"a second, {batch}" for batch in BATCHES), "MB"]
    scores = list(next(iter(accuracy.values()), {}))
    rows: list[list[Any]] = []
    for name, encode in made.items():
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


def _times(works: dict[str, Encode], items: Sequence[Any], batch: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each call but the first, which may compile. Variants take turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in tqdm(range(rounds + 1), desc=f"batch {batch}", mininterval=1):
        start = number * batch % max(1, len(items) - batch)
        for name, encode in works.items():
            began = time.process_time()
            encode(items[start : start + batch])
            taken[name].append(time.process_time() - began)
    return {name: seconds[1:] for name, seconds in taken.items()}


def _text_accuracy(made: dict[str, Encode | str]) -> dict[str, dict[str, float]]:
    """nDCG@10 where the questions alone are encoded by the variant, and cosines with the shipped vectors."""
    from benchmarks.releaf._collections import read_collection, shared_folder, shipped_recipe
    from benchmarks.releaf.retrieval import ndcg
    from methods.retrieval.search import Recipe

    tests = {name: read_collection(shared_folder(), name).part(True) for name in ("waste_wizard", "scifact")}
    recipes = {"dense": Recipe(fusion="dense"), "shipped": shipped_recipe()}
    rows: dict[str, dict[str, float]] = {}
    for name, encode in made.items():
        if not callable(encode):
            continue
        found: dict[str, float] = {}
        cosines = []
        for collection, test in tests.items():
            vectors = encode(test.queries)
            cosines.append((vectors * test.query_vectors).sum(axis=1))
            asked = replace(test, query_vectors=vectors)
            for said, recipe in recipes.items():
                found[f"{collection}, {said}"] = float(ndcg(asked, asked.run(recipe)).mean())
        near = np.concatenate(cosines)
        rows[name] = {"least cosine": float(near.min()), "mean cosine": float(near.mean())} | found
    return rows


def _image_accuracy(made: dict[str, Encode | str], pictures: np.ndarray) -> dict[str, dict[str, float]]:
    """Right materials of the test split by the shipped heads, and the share of answers that are torch's."""
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet", columns=["label", "split"])
    labels = photos.loc[photos["split"] == "test", "label"].to_numpy()
    rows: dict[str, dict[str, float]] = {}
    answers: dict[str, np.ndarray] = {}
    for name, encode in made.items():
        if callable(encode):
            parts = [pictures[start : start + 16] for start in range(0, len(pictures), 16)]
            both = [encode(part) + encode(np.ascontiguousarray(part[..., ::-1])) for part in parts]
            answers[name] = _materials(np.concatenate(both) / 2)
            right, same = (float((answers[name] == one).mean()) for one in (labels, answers["torch"]))
            rows[name] = {"test accuracy": right, "as torch": same}
    return rows


def _materials(features: np.ndarray) -> np.ndarray:
    """What the shipped heads, averaged over seeds, say of features (n, 1280)."""
    import torch
    from safetensors.torch import load_file

    from methods.vision.heads import Head, Heads
    from methods.vision.views import rooted
    from tasks.releaf.contracts.raw import MATERIALS

    tensors = load_file(ROOT / "data/releaf/vision_model.safetensors")
    seeds = sorted({name.partition(".")[0] for name in tensors if name.startswith("seed_")})
    together = torch.zeros(len(features), len(MATERIALS))
    for seed in seeds:
        own = {
            name.removeprefix(f"{seed}.heads."): value
            for name, value in tensors.items()
            if name.startswith(f"{seed}.heads.")
        }
        heads = Heads(
            features.shape[1], {"material": Head(MATERIALS)}, hidden=len(own["shared.0.bias"])
        ).eval()
        heads.load_state_dict(own)
        with torch.no_grad():
            together += heads(rooted(torch.from_numpy(features)))["material"].softmax(dim=1)
    return np.array(MATERIALS)[together.argmax(dim=1).numpy()]


def _sweep(kind: str, encode: Encode | str, items: Sequence[Any], repeat: int) -> Found:
    """Throughput and memory of batch sizes, the line through their times, and the best under each limit."""
    if not callable(encode):
        yield Skipped(f"{kind}: no sweep, {encode}")
        return
    taken: dict[int, list[float]] = {batch: [] for batch in SWEEP}
    encode(items[: max(SWEEP)])  # buffers are made the first time
    for _ in tqdm(range(3 * repeat), desc=f"{kind}: sweep", mininterval=1):
        for batch in SWEEP:
            began = time.process_time()
            encode(items[:batch])
            taken[batch].append(time.process_time() - began)
    seconds = [float(np.median(taken[batch])) for batch in SWEEP]
    throughput = [batch / value for batch, value in zip(SWEEP, seconds, strict=True)]
    memory = _peaks(kind, KEPT[kind], *SWEEP)
    line = fit_batch_time(SWEEP, seconds)
    best = {limit: _best(throughput, memory, limit) for limit in LIMITS[kind]}
    yield BenchmarkTable(
        name=f"sweep {kind}",
        title=f"{kind}, {KEPT[kind]}: batches by size. "
        + " ".join(f"Best in {limit} MB: {size}." for limit, size in best.items()),
        columns=["batch", "ms", "a second", "MB"],
        rows=[
            [batch, 1000 * value, speed, mb]
            for batch, value, speed, mb in zip(SWEEP, seconds, throughput, memory, strict=True)
        ],
        decimals={"ms": 1, "a second": 0, "MB": 0},
    )
    yield BenchmarkTable(
        name=f"line {kind}",
        title=f"{kind}, {KEPT[kind]}: the line through these times, T(B) = overhead + B times an item.",
        columns=["of", "overhead ms", "item ms", "R2"],
        rows=[[kind, 1000 * line.overhead_s, 1000 * line.per_item_s, line.r2]],
        decimals={"overhead ms": 2, "item ms": 2, "R2": 4},
    )


def _best(throughput: Sequence[float], memory: Sequence[float], limit: float) -> str:
    try:
        return str(optimal_batch(SWEEP, throughput, memory, limit))
    except ValueError as error:
        return str(error)


def _peaks(kind: str, name: str, *batches: int) -> list[float]:
    """Peak MB of a process of its own while the variant encodes a batch of each size."""
    command = [sys.executable, "-m", "benchmarks.releaf._variants", kind, name, *map(str, batches)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]
