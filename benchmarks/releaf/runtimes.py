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

from benchmarks.releaf import _variants as variants
from benchmarks.releaf._variants import ROOT, Encode
from methods.serving.sizing import fit_batch_time, optimal_batch

SINGLES = 40  # single items timed, for each repetition
BATCHES = (8, 32)
SWEEP = (1, 2, 4, 8, 16, 32, 64)
LIMITS = {"text": (256, 512), "image": (128, 256, 512)}  # MB
KEPT = {"text": "ONNX Runtime", "image": "ONNX Runtime"}


def tables(repeat: int) -> str:
    """Markdown: a table for each encoder, and the sweep of batch sizes of the runtime kept."""
    import torch

    from benchmarks.releaf.retrieval import shared_folder
    from benchmarks.releaf.vision import photographs

    torch.set_num_threads(1)
    parts = []
    if shared_folder().is_dir():
        made = _make(variants.text_variants())
        parts += [_table("text", made, _texts(), _text_accuracy(made), repeat)]
        parts += [_sweep("text", made[KEPT["text"]], _texts(), repeat)]
    else:
        parts.append(f"texts: skipped, {shared_folder()} is not there")
    if photographs().is_file():
        made = _make(variants.image_variants())
        pictures = variants.read_pictures("test")
        parts += [_table("image", made, pictures, _image_accuracy(made, pictures), repeat)]
        parts += [_sweep("image", made[KEPT["image"]], pictures, repeat)]
    else:
        parts.append(f"photographs: skipped, {photographs()} is not there")
    return "\n\n".join(parts)


def _texts() -> list[str]:
    """The names asked for on the waste list's test split, in the order given."""
    from benchmarks.releaf.retrieval import read_collection, shared_folder

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
    accuracy: dict[str, list[str]],
    repeat: int,
) -> str:
    works = {name: encode for name, encode in made.items() if callable(encode)}
    singles = _times(works, items, 1, SINGLES * repeat)
    full = {batch: _times(works, items, batch, 2 * repeat) for batch in BATCHES}
    head = ["p50 ms", "p95 ms", *(f"a second, {batch}" for batch in BATCHES), "MB"]
    columns = ["runtime", *head, *accuracy["columns"]]
    lines = [f"{kind}: one thread, CPU time.", "", _row(columns), _row(["---"] * len(columns))]
    for name, encode in made.items():
        if not callable(encode):
            lines.append(_row([name, f"failed: {encode}", *[""] * (len(columns) - 2)]))
            continue
        cells = [f"{1000 * value:.1f}" for value in np.quantile(singles[name], (0.5, 0.95))]
        cells += [f"{batch / np.median(full[batch][name]):.0f}" for batch in BATCHES]
        cells += [f"{_peaks(kind, name, max(BATCHES))[0]:.0f}"]
        lines.append(_row([name, *cells, *accuracy[name]]))
    return "\n".join(lines)


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


def _text_accuracy(made: dict[str, Encode | str]) -> dict[str, list[str]]:
    """nDCG@10 where the questions alone are encoded by the variant, and cosines with the shipped vectors."""
    from benchmarks.releaf.retrieval import _ndcg, read_collection, shared_folder, shipped_recipe
    from methods.retrieval.search import Recipe

    tests = {name: read_collection(shared_folder(), name).part(True) for name in ("waste_wizard", "scifact")}
    recipes = {"dense": Recipe(fusion="dense"), "shipped": shipped_recipe()}
    head = [f"{name}, {recipe}" for name in tests for recipe in recipes]
    rows = {"columns": ["least cosine", "mean cosine", *head]}
    for name, encode in made.items():
        if not callable(encode):
            continue
        cells, cosines = [], []
        for test in tests.values():
            vectors = encode(test.queries)
            cosines.append((vectors * test.query_vectors).sum(axis=1))
            asked = replace(test, query_vectors=vectors)
            cells += [f"{_ndcg(asked, asked.run(recipe)).mean():.4f}" for recipe in recipes.values()]
        near = np.concatenate(cosines)
        rows[name] = [f"{near.min():.4f}", f"{near.mean():.4f}", *cells]
    return rows


def _image_accuracy(made: dict[str, Encode | str], pictures: np.ndarray) -> dict[str, list[str]]:
    """Right materials of the test split by the shipped heads, and the share of answers that are torch's."""
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet", columns=["label", "split"])
    labels = photos.loc[photos["split"] == "test", "label"].to_numpy()
    rows, answers = {"columns": ["test accuracy", "as torch"]}, {}
    for name, encode in made.items():
        if callable(encode):
            parts = [pictures[start : start + 16] for start in range(0, len(pictures), 16)]
            both = [encode(part) + encode(np.ascontiguousarray(part[..., ::-1])) for part in parts]
            answers[name] = _materials(np.concatenate(both) / 2)
            same = (answers[name] == answers["torch"]).mean()
            rows[name] = [f"{(answers[name] == labels).mean():.4f}", f"{same:.4f}"]
    return rows


def _materials(features: np.ndarray) -> np.ndarray:
    """What the shipped heads, averaged over seeds, say of features (n, 1280)."""
    import torch
    from safetensors.torch import load_file

    from methods.vision.heads import Head, Heads
    from methods.vision.views import rooted
    from tasks.releaf.raw import MATERIALS

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


def _sweep(kind: str, encode: Encode | str, items: Sequence[Any], repeat: int) -> str:
    """Throughput and memory of batch sizes, the line through their times, and the best under each limit."""
    if not callable(encode):
        return f"{kind}: no sweep, {encode}"
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
    lines = [
        f"{kind}, {KEPT[kind]}: T(B) = {1000 * line.overhead_s:.2f} + {1000 * line.per_item_s:.2f} B ms, "
        f"R2 {line.r2:.4f}.",
        "",
        _row(["batch", "ms", "a second", "MB"]),
        _row(["---"] * 4),
        *(
            _row([str(batch), f"{1000 * value:.1f}", f"{speed:.0f}", f"{mb:.0f}"])
            for batch, value, speed, mb in zip(SWEEP, seconds, throughput, memory, strict=True)
        ),
        "",
    ]
    for limit in LIMITS[kind]:
        try:
            lines.append(f"Best batch in {limit} MB: {optimal_batch(SWEEP, throughput, memory, limit)}.")
        except ValueError as error:
            lines.append(f"{limit} MB: {error}.")
    return "\n".join(lines)


def _peaks(kind: str, name: str, *batches: int) -> list[float]:
    """Peak MB of a process of its own while the variant encodes a batch of each size."""
    command = [sys.executable, "-m", "benchmarks.releaf._variants", kind, name, *map(str, batches)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
