"""Tables and figures of what the classifier found: by class, confusion, calibration, predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from statewright.contracts import Document
from tasks.releaf.bins import BINS, bin_of
from tasks.releaf.raw import MATERIALS


class Quality(Document):
    """Right answers with a 95 % Wilson interval, and calibration before and after the temperature."""

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    log_loss_raw: float
    log_loss: float
    ece_raw: float
    ece: float
    temperature: float


def quality(logits: np.ndarray, labels: np.ndarray, temperature: float, bins: int) -> Quality:
    """Of logits (n, classes) and true classes (n,)."""
    from scipy.stats import binomtest

    from methods.evaluation.calibration import expected_calibration_error, log_loss, softmax

    right = int((logits.argmax(axis=1) == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    return Quality(
        accuracy=round(right / len(labels), 5),
        accuracy_low=round(float(interval.low), 5),
        accuracy_high=round(float(interval.high), 5),
        log_loss_raw=round(log_loss(logits, labels), 5),
        log_loss=round(log_loss(logits, labels, temperature), 5),
        ece_raw=round(expected_calibration_error(softmax(logits), labels, bins), 5),
        ece=round(expected_calibration_error(softmax(logits, temperature), labels, bins), 5),
        temperature=round(temperature, 5),
    )


def by_class(labels: np.ndarray, found: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of each class; 0 where it is undefined."""
    from methods.evaluation.calibration import confusion

    counts = confusion(labels, found, len(classes))
    right, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return pd.DataFrame(
        {
            "material": list(classes),
            "photos": true,
            "precision": np.round(right / np.maximum(said, 1), 5),
            "recall": np.round(right / np.maximum(true, 1), 5),
            "f1": np.round(2 * right / np.maximum(true + said, 1), 5),
        }
    )


def confusion_table(labels: np.ndarray, found: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """One row a pair of true and found class."""
    from methods.evaluation.calibration import confusion

    counts = confusion(labels, found, len(classes))
    pairs = [(label, name) for label in classes for name in classes]
    return pd.DataFrame(pairs, columns=["label", "found"]).assign(photos=counts.ravel())


def predictions(rows: pd.DataFrame, probabilities: np.ndarray, split: str) -> pd.DataFrame:
    """What was found for each photograph, how sure, and the stream of each city."""
    found = [MATERIALS[index] for index in probabilities.argmax(axis=1)]
    table = pd.DataFrame(
        {
            "photo_id": rows["photo_id"].to_numpy(),
            "split": split,
            "label": rows["label"].to_numpy(),
            "found": found,
            "confidence": np.round(probabilities.max(axis=1), 5),
        }
    )
    for index, material in enumerate(MATERIALS):
        table[f"p_{material}"] = np.round(probabilities[:, index], 5)
    for city in BINS:
        table[f"bin_{city}"] = [bin_of(city, material) for material in found]
    return table
