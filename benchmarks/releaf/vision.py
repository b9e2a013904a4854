"""Compare the accuracy on the test split of TrashNet with published figures.

The features are read from `data/releaf/photos.parquet` (``statewright run releaf-preprocess``), the
photographs are the external data `waste`, see `benchmarks.parts.external_data`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.parts import Omission, Tables, external_data
from tasks.releaf.params import VisionParams
from tasks.releaf.vision import VisionOutputs
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED: dict[str, TextOrNumber] = {
    "SVM (Thung and Yang 2016)": 63.0,
    "RecycleNet": 71.0,
    "fine-tuned ResNet-50": 90.5,
    "DNN-TC": "92-94",
}
"""Published accuracy in percent, not measured here. Splits and preparation differ by paper."""
SCRATCH: dict[str, object] = {
    "backbone": "vit", "height": 96, "width": 128, "views": 4,
    "with_photographs": {"hidden": 0, "dropout": 0.1, "epochs": 12, "batch_size": 32, "learning_rate": 1e-3,
                         "body_rate": 1.0, "mix": 0.2, "average": 0.98},
}  # fmt: skip
"""Settings of a ViT that is trained as a whole, on smaller pictures."""
COLUMNS = (
    "method",
    "val %",
    "test %",
    "sd of seeds",
    "all seeds, test %",
    "ECE raw",
    "ECE",
    "CPU s per seed",
)
DECIMALS = {"val %": 1, "test %": 1, "sd of seeds": 1, "all seeds, test %": 1, "CPU s per seed": 0}


def tables(repeat: int) -> Tables:
    """Yield published figures, and our methods on features and on photographs.

    Our methods are repeated with `repeat` seeds.
    """
    yield BenchmarkTable(
        name="published",
        title="Accuracy on TrashNet as published, in percent: splits and preparation differ from ours.",
        columns=["method", "test %"],
        rows=[[name, value] for name, value in PUBLISHED.items()],
        decimals={"test %": 1},
    )
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet")
    row, shipped = _ours(photos, "heads on the features", {}, repeat)
    rows = [*_peers(photos), row]
    yield _table("features", "Methods on the shipped features: accuracy in percent, calibration error.", rows)
    yield from class_tables("features", "shipped features", shipped)
    path = photographs()
    if isinstance(path, Omission):
        yield path
        return
    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]["vision"]
    full = {**block, "photographs": str(path)}
    scratch, _ = _ours(photos, "small ViT from random weights", full | SCRATCH, 1)
    row, trained = _ours(photos, "upper third of EfficientNet-Lite0 trained, on photographs", full, repeat)
    yield _table("photographs", "Models trained on the photographs.", [row, scratch])
    yield from class_tables("photographs", "photographs", trained)


def class_tables(name: str, inputs: str, result: VisionOutputs) -> Iterator[BenchmarkTable]:
    """Yield scores and confusions by class, and the accuracy of each seed, on test."""
    scores = result.vision_scores
    own = scores[(scores["split"] == "test") & (scores["model"] == "all")]
    counts = result.vision_confusion.pivot(index="label", columns="found", values="photos")
    yield BenchmarkTable(
        name=f"{name} by class",
        title=f"Test photographs by material, mean of all seeds, from the {inputs}; on the right, the "
        "predicted materials.",
        columns=[
            "material",
            "photographs",
            "precision",
            "recall",
            "F1",
            *(f"as {label}" for label in counts),
        ],
        rows=[
            [row.material, row.photos, row.precision, row.recall, row.f1, *counts.loc[row.material].tolist()]
            for row in own.itertuples()
        ],
    )
    yield BenchmarkTable(
        name=f"{name} by seed",
        title=f"Test accuracy of each seed, from the {inputs}.",
        columns=["seed", "accuracy", "best epoch"],
        rows=[
            [str(seed), accuracy, epoch]
            for seed, (accuracy, epoch) in enumerate(
                zip(result.vision.accuracy_seeds, result.vision.best_epochs, strict=True)
            )
        ],
    )


def _table(name: str, title: str, rows: list[list[Any]]) -> BenchmarkTable:
    return BenchmarkTable(name=name, title=title, columns=list(COLUMNS), rows=rows, decimals=DECIMALS)


def photographs() -> Path | Omission:
    """Return the path of the photographs of the full tier, or why they are missing."""
    return external_data("waste/trashnet_192x144.parquet")


def _peers(photos: pd.DataFrame) -> Iterator[list[Any]]:
    """Yield rows of scikit-learn, with regularisation chosen on the validation split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    methods = {
        "logistic regression on the features": [
            LogisticRegression(C=c, max_iter=1000) for c in (0.003, 0.01, 0.03, 0.1, 0.3)
        ],
        "SVM, radial kernel, on standardised features": [
            make_pipeline(StandardScaler(), SVC(C=c, gamma=3e-4)) for c in (1, 3, 10, 30)
        ],
    }
    parts = {name: photos[photos["split"] == name] for name in ("train", "val", "test")}
    x = {name: np.stack(list(rows["features"])).astype(np.float64) for name, rows in parts.items()}
    y = {name: rows["label"].to_numpy() for name, rows in parts.items()}
    for name, models in methods.items():
        start = time.process_time()
        fitted = [model.fit(x["train"], y["train"]) for model in models]
        val = [float((model.predict(x["val"]) == y["val"]).mean()) for model in fitted]
        best = int(np.argmax(val))
        test = float((fitted[best].predict(x["test"]) == y["test"]).mean())
        seconds = (time.process_time() - start) / len(models)
        yield [name, 100 * val[best], 100 * test, None, None, None, None, seconds]


def _ours(
    photos: pd.DataFrame, name: str, changed: dict[str, object], seeds: int
) -> tuple[list[Any], VisionOutputs]:
    from tasks.releaf.vision import vision

    params = VisionParams.model_validate({**changed, "seeds": list(range(seeds))})
    start = time.process_time()
    result = vision(photos, params=params)
    seconds = (time.process_time() - start) / seeds
    summary = result.vision
    spread = 100 * summary.accuracy_seeds_sd if seeds > 1 else None
    row = [
        f"{name}, {seeds} seed{'s' if seeds > 1 else ''}", 100 * summary.validation.accuracy,
        100 * summary.accuracy_seeds_mean, spread, 100 * summary.test.accuracy, summary.test.ece_raw,
        summary.test.ece, seconds,
    ]  # fmt: skip
    return row, result
