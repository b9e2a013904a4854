"""Transforms of the measures and their scales, estimated on the training period."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Document
from tasks.emotion.contracts.tables import LYRICS

SHARES = ("acousticness", "instrumentalness", "liveness", "speechiness")
"""Shares concentrated near 0: a logit spreads them, clipped at 0.01 and 0.99, their resolution."""

RATES = tuple(name for name in LYRICS if name != "polarity")
"""Words per 100: skewed like counts, so log(1 + x)."""

COUNTS = ("debut_years", "releases", "influencers", "followers", "n_songs")


class Scale(Document):
    """A feature is ``(transform(measure) - mean) / sd``, both of the training period."""

    transform: str
    mean: float
    sd: float


def transform_of(measure: str) -> str:
    """Name the transform of a measure: logit, log1p or none."""
    if measure in SHARES:
        return "logit"
    return "log1p" if measure in (*RATES, *COUNTS) else "none"


def transformed(values: pd.Series, transform: str) -> pd.Series:
    """Apply a transform of `transform_of`."""
    if transform == "logit":
        inside = values.clip(0.01, 0.99)
        return np.log(inside / (1 - inside))
    return np.log1p(values) if transform == "log1p" else values.astype(float)


def scale_of(values: pd.Series, measure: str, training: pd.Series, column: str) -> Scale:
    """Return mean and standard deviation of the transformed training values."""
    transform = transform_of(measure)
    learnt = transformed(values[training].dropna(), transform)
    if len(learnt) < 2:
        raise ContractError(
            f"emotion-features: '{column}' has {len(learnt)} values before the end of the training period, "
            "expected at least 2; set emotion.split in params.yaml to years that your catalogue covers"
        )
    spread = float(learnt.std())
    return Scale(transform=transform, mean=float(learnt.mean()), sd=spread if spread > 1e-12 else 1.0)


def scaled(values: pd.Series, scale: Scale) -> pd.Series:
    """Standardise values with a scale, rounded to 6 digits."""
    return ((transformed(values, scale.transform) - scale.mean) / scale.sd).round(6)
