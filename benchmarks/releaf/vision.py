"""Photographs of waste: accuracy on TrashNet's test split by route, beside published figures.

The features are those of `data/releaf/photos.parquet` (``statewright run releaf-preprocess``); the
photographs are read from `data/waste` in the folder that STATEWRIGHT_SHARED names, or in `../shared`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.releaf.params import VisionParams

ROOT = Path(__file__).resolve().parents[2]
FULL = {
    "hidden": 0,
    "dropout": 0.2,
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "mix": 0.2,
    "average": 0.98,
    "patience": 3,
    "views": 3,
}
"""How the upper part of the backbone is trained; what is not named is as in `VisionParams`."""

PUBLISHED = {
    "SVM (Thung and Yang 2016)": "63",
    "RecycleNet": "71",
    "fine-tuned ResNet-50": "90.5",
    "DNN-TC": "92-94",
}
"""Percent, as published, not measured here; splits and preparation differ from paper to paper."""


def tables(repeat: int) -> str:
    """A Markdown table: `repeat` seeds of each route that has any."""
    photos = pd.read_parquet(ROOT / "data/releaf/photos.parquet")
    rows = [*_peers(photos), *_ours(photos, "heads on the features", {}, repeat)]
    path = photographs()
    notes = ""
    if path.is_file():
        full = {**FULL, "photographs": str(path)}
        rows += _ours(photos, "upper third of EfficientNet-Lite0 trained, on photographs", full, repeat)
    else:
        notes = f"\n\nThe photographs are not there ({path}): their route was skipped."
    rows += [(f"published: {name}", "", value, "", "", "", "", "") for name, value in PUBLISHED.items()]
    head = ("route", "val %", "test %", "sd of seeds", "all seeds, test %", "ECE raw", "ECE", "CPU s a seed")
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines) + notes


def photographs() -> Path:
    """The table of photographs of the full tier."""
    shared = Path(os.environ.get("STATEWRIGHT_SHARED") or ROOT.parent / "shared")
    return shared / "data/waste/trashnet_192x144.parquet"


def _peers(photos: pd.DataFrame) -> list[tuple[str, ...]]:
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
    found = []
    for name, models in routes.items():
        start = time.process_time()
        fitted = [model.fit(x["train"], y["train"]) for model in models]
        val = [float((model.predict(x["val"]) == y["val"]).mean()) for model in fitted]
        best = int(np.argmax(val))
        test = float((fitted[best].predict(x["test"]) == y["test"]).mean())
        seconds = (time.process_time() - start) / len(models)
        found.append((name, _percent(val[best]), _percent(test), "", "", "", "", f"{seconds:.1f}"))
    return found


def _ours(photos: pd.DataFrame, name: str, changed: dict[str, object], seeds: int) -> list[tuple[str, ...]]:
    from tasks.releaf.vision import vision

    params = VisionParams.model_validate({**changed, "seeds": list(range(seeds))})
    start = time.process_time()
    found = vision(photos, params=params)
    seconds = (time.process_time() - start) / seeds
    said = found.vision
    return [
        (
            f"{name}, {seeds} seeds",
            _percent(said.validation.accuracy),
            _percent(said.accuracy_seeds_mean),
            _percent(said.accuracy_seeds_sd),
            _percent(said.test.accuracy),
            f"{said.test.ece_raw:.3f}",
            f"{said.test.ece:.3f}",
            f"{seconds:.0f}",
        )
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
