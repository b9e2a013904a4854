"""Two tables of a public data set, for tests of the pipeline fusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from shipped import shipped_params
from sklearn.datasets import load_breast_cancer

from tasks.fusion.params import IngestParams


def patients() -> pd.DataFrame:
    """Return the 569 tumours of scikit-learn with a key and a diagnosis."""
    bunch = load_breast_cancer(as_frame=True)
    frame = bunch.frame.rename(columns=lambda name: name.replace(" ", "_"))
    frame["diagnosis"] = frame.pop("target").map({0: "malignant", 1: "benign"})
    return frame.assign(patient=[f"P{number:04d}" for number in range(len(frame))])


def configured(source: Path | str, **changes: Any) -> IngestParams:
    """Return the params of the two tables."""
    params: dict[str, Any] = {
        "source": str(source),
        "watch": str(source),
        "modalities": {"means": {"table": "means"}, "worst": {"table": "worst"}},
        "key": "patient",
        "target": {"table": "means", "column": "diagnosis", "task": "classification"},
    }
    return shipped_params(IngestParams, "fusion.ingest", **(params | changes))
