"""Photographs of waste: accuracy on TrashNet's test split by route, beside published figures.

The features are those of `data/releaf/photos.parquet` (``statewright run releaf-preprocess``); the
photographs are read from `data/waste` in the folder that STATEWRIGHT_SHARED names, or in `../shared`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.parts import Found, Skipped
from tasks.releaf.params import VisionParams
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {
    "SVM (Thung and Yang 2016)": 63.0,
    "RecycleNet": 71.0,
    "fine-tuned ResNet-50": 90.5,
    "DNN-TC": "92-94",
}
"""Percent, as published, not measured here; splits and preparation differ from paper to paper."""


COLUMNS = ("route", "val %", "test %", "sd of seeds", "all seeds, test %", "ECE raw", "ECE", "CPU s a seed")
DECIMALS = {"val %": 1, "test %": 1, "sd of seeds": 1, "all seeds, test %": 1, "CPU s a seed": 0}


def tables(repeat: int) -> Found:
    """What is published; routes on the features; the route on photographs, with `repeat` seeds each."""
    yield BenchmarkTable(
        name="published",
        title="Accuracy on TrashNet as published, in percent: splits and preparation differ from ours.",
        columns=["method", "test %"],
        rows=[[name, value] for name, value in PUBLISHED.items()],
        decimals={"test %": 1},
    )
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet")
    rows = [*_peers(photos), _ours(photos, "heads on the features", {}, repeat)]
    yield _table(
        "features", "Routes on the features that ship: accuracy in percent, calibration error.", rows
    )
    path = photographs()
    if not path.is_file():
        yield Skipped(f"{path}, the photographs, is not there; STATEWRIGHT_SHARED names the folder above")
        return
    block = yaml.safe_load((ROOT / "params.yaml").read_text())["releaf"]["vision"]
    full = {**block, "photographs": str(path)}
    route = _ours(photos, "upper third of EfficientNet-Lite0 trained, on photographs", full, repeat)
    yield _table("photographs", "Trained on the photographs themselves.", [route])


def _table(name: str, title: str, rows: list[list[Any]]) -> BenchmarkTable:
    return BenchmarkTable(name=name, title=title, columns=list(COLUMNS), rows=rows, decimals=DECIMALS)


def photographs() -> Path:
    """The table of photographs of the full tier."""
    shared = Path(os.environ.get("STATEWRIGHT_SHARED") or ROOT.parent / "shared")
    return shared / "data/waste/trashnet_192x144.parquet"


def _peers(photos: pd.DataFrame) -> Iterator[list[Any]]:
    """scikit-learn on the features, its strength chosen on the validation split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    routes = {
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
    for name, models in routes.items():
        start = time.process_time()
        fitted = [model.fit(x["train"], y["train"]) for model in models]
        val = [float((model.predict(x["val"]) == y["val"]).mean()) for model in fitted]
        best = int(np.argmax(val))
        test = float((fitted[best].predict(x["test"]) == y["test"]).mean())
        seconds = (time.process_time() - start) / len(models)
        yield [name, 100 * val[best], 100 * test, None, None, None, None, seconds]


def _ours(photos: pd.DataFrame, name: str, changed: dict[str, object], seeds: int) -> list[Any]:
    from tasks.releaf.vision import vision

    params = VisionParams.model_validate({**changed, "seeds": list(range(seeds))})
    start = time.process_time()
    found = vision(photos, params=params).vision
    seconds = (time.process_time() - start) / seeds
    spread = 100 * found.accuracy_seeds_sd if seeds > 1 else None
    return [
        f"{name}, {seeds} seeds", 100 * found.validation.accuracy, 100 * found.accuracy_seeds_mean, spread,
        100 * found.test.accuracy, found.test.ece_raw, found.test.ece, seconds,
    ]  # fmt: skip
