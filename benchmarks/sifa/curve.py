"""Learning curves on turned digits: the architecture, its plain form, classics.

Specification 4 §6.3 promises sample efficiency. The pipeline has two sizes of the training set; here are
five. The test rows of a seed are the same for every size. The plain form has no symmetry and sees turned
pictures in training; the support vectors have turned copies of each row.
"""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts import ROOT, Tables
from benchmarks.sifa._study import files_key
from methods.sifa.intervals import seed_interval
from statewright.files import replacing
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SIZES = (50, 100, 200, 500, 1000)
POOL = max(SIZES)
WHOLE = "sifa"
OTHERS = ("no-symmetry", "svc-augmented", "kernel")
LABELS = {"no-symmetry": "plain form", "svc-augmented": "support vectors", "kernel": "exact kernel"}


def tables(repeat: int) -> Tables:
    """Yield the accuracies by size with `repeat` seeds, at least two."""
    seeds = range(max(repeat, 2))
    rows: list[list[TextOrNumber]] = []
    for size in SIZES:
        scores = {
            variant: np.array([_accuracy(variant, size, seed) for seed in seeds])
            for variant in (WHOLE, *OTHERS)
        }
        means = [float(values.mean()) for values in scores.values()]
        rows.append([size, *means, *(gain(scores[WHOLE], scores[name]) for name in OTHERS)])
    yield BenchmarkTable(
        name="curve",
        title=f"Accuracy on 797 turned digits by the number of training rows, means over {len(seeds)} seeds; "
        "gain of the architecture in points, with a paired 95 % interval. The plain form has no symmetry "
        "and is trained with turned pictures; the support vectors have turned copies; the exact kernel is "
        "averaged over the turns.",
        columns=[
            "rows", WHOLE, *(LABELS[name] for name in OTHERS), *(f"over {LABELS[name]}" for name in OTHERS)
        ],
        rows=rows,
        decimals=dict.fromkeys([WHOLE, *LABELS.values()], 4),
    )  # fmt: skip


def gain(ours: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """Return the gain in points with its paired interval."""
    found = seed_interval((100 * (ours - other)).tolist())
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})".replace("-", "−")


def division(labels: NDArray[np.int64], size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return training rows, classes in proportion, and the test rows of a seed."""
    from sklearn.model_selection import train_test_split

    split = partial(train_test_split, random_state=seed)
    pool, judged = split(np.arange(len(labels)), train_size=POOL, stratify=labels)
    learned = pool if size == POOL else split(pool, train_size=size, stratify=labels[pool])[0]
    return learned, judged


def _accuracy(variant: str, size: int, seed: int) -> float:
    """Return the accuracy of a training, from disk if it was made before."""
    from methods.sifa.model import Settings, Task, train

    folder = ROOT / ".statewright" / "benchmarks" / "sifa" / files_key("digits", variant)
    path = folder / f"curve-{variant}-{size}-{seed}.json"
    if path.is_file():
        return float(json.loads(path.read_text(encoding="utf-8")))
    x, y = _turned_digits()
    learned, judged = division(y, size, seed)
    trained = train(
        variant, "digits", x[learned], y[learned], Task("classification", 10), seed=seed, settings=Settings()
    )
    accuracy = float((trained.predict(x[judged]).argmax(axis=1) == y[judged]).mean())
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(accuracy), encoding="utf-8")
    print(f"{variant} {size} {seed}: {accuracy:.4f}", flush=True)
    return accuracy


@cache
def _turned_digits() -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return scikit-learn's digits, each turned by a random multiple of 90 degrees."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    turns = np.random.default_rng(0).integers(4, size=len(labels))
    x = [np.rot90(row.reshape(8, 8) / 16, turn) for row, turn in zip(pictures, turns, strict=True)]
    return np.stack(x), labels.astype(np.int64)
