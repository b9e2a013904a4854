"""Scores of the classifier: by class, confusion, calibration and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from pydantic import Field

from releaf.bins import BINS, bin_of
from statewright.contracts import Document
from tasks.releaf.contracts.raw import MATERIALS


class Quality(Document):
    """Accuracy with a 95 % Wilson interval, and calibration before and after scaling."""

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    log_loss_raw: float
    log_loss: float
    ece_raw: float
    ece: float
    temperature: float


class Scores(pa.DataFrameModel):
    """One row a split, model and class.

    `model` is a seed, or 'all' for the averaged probabilities of all seeds.
    """

    split: Series[str] = pa.Field(isin=["val", "test"])
    model: Series[str]
    material: Series[str] = pa.Field(isin=MATERIALS)
    photos: Series[int] = pa.Field(ge=0)
    precision: Series[float] = pa.Field(ge=0, le=1)
    recall: Series[float] = pa.Field(ge=0, le=1)
    f1: Series[float] = pa.Field(ge=0, le=1)


class Confusion(pa.DataFrameModel):
    """Photographs of the test split by true and predicted class."""

    label: Series[str] = pa.Field(isin=MATERIALS)
    found: Series[str] = pa.Field(isin=MATERIALS)
    photos: Series[int] = pa.Field(ge=0)


class Predictions(pa.DataFrameModel):
    """One row a held-out photograph, with its predicted material and bins.

    The columns ``p_MATERIAL`` hold calibrated probabilities, ``bin_CITY`` the bin of each city.

    For a user's own pictures, `photo_id` is the path in their folder and the split is 'own' (test) or
    'unlabelled'. An item head adds ``item``, ``found_item`` and ``item_confidence``.
    """

    photo_id: Series[str]
    split: Series[str] = pa.Field(isin=["val", "test", "own", "unlabelled"])
    label: Series[str] = pa.Field(isin=MATERIALS, nullable=True)
    found: Series[str] = pa.Field(isin=MATERIALS)
    confidence: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        strict = False
        unique: ClassVar[list[str]] = ["photo_id", "split"]


class History(pa.DataFrameModel):
    """One row an epoch, the mean over the `seeds` that were still training."""

    epoch: Series[int] = pa.Field(ge=1, unique=True)
    seeds: Series[int] = pa.Field(ge=1)
    train_loss: Series[float]
    validation_loss: Series[float]
    validation_accuracy: Series[float] = pa.Field(ge=0, le=1)


class OwnPicturesSummary(Document):
    """Numbers, rejected files and accuracy of a user's own pictures.

    ``accuracy`` covers the ``tested`` pictures of split 'own', ``item_accuracy`` those of them with an item.
    Either is null if there is no such picture or the item head is off.
    """

    folder: str
    files: int
    kept: dict[str, int]
    rejected: dict[str, str]
    accuracy: float | None
    tested: int
    items: list[str]
    item_accuracy: float | None
    items_tested: int


class VisionSummary(Document):
    """Accuracy and calibration of the classifier.

    ``tier``: 'features' or 'photographs'. ``heads_off``: reason by head that is not trained. ``bin_from``:
    source of the bin. ``validation`` and ``test`` cover the averaged probabilities of all seeds, with a
    temperature fitted on the validation split; ``accuracy_seeds`` covers single seeds on the test split.
    ``bin_accuracy``: share of test photographs whose predicted material has the bin of the true one.
    ``own`` exists only if ``releaf.vision.pictures`` names a folder.
    """

    tier: str
    backbone: str
    photos: dict[str, int]
    heads_on: list[str]
    heads_off: dict[str, str]
    bin_from: str
    parameters_trained: int
    best_epochs: list[int]
    validation: Quality
    test: Quality
    accuracy_seeds: list[float]
    accuracy_seeds_mean: float
    accuracy_seeds_sd: float
    recall: dict[str, float]
    bin_accuracy: dict[str, float]
    own: OwnPicturesSummary | None = Field(default=None, exclude_if=lambda own: own is None)


def quality(logits: np.ndarray, labels: np.ndarray, temperature: float, bins: int) -> Quality:
    """Return accuracy and calibration for logits (n, classes) and true classes (n,)."""
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


def by_class(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return precision, recall and F1 of each class; 0 for an undefined value."""
    from methods.evaluation.calibration import confusion

    counts = confusion(labels, predicted, len(classes))
    right, true, predictions_of_class = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return pd.DataFrame(
        {
            "material": list(classes),
            "photos": true,
            "precision": np.round(right / np.maximum(predictions_of_class, 1), 5),
            "recall": np.round(right / np.maximum(true, 1), 5),
            "f1": np.round(2 * right / np.maximum(true + predictions_of_class, 1), 5),
        }
    )


def confusion_table(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row for each pair of true and predicted class."""
    from methods.evaluation.calibration import confusion

    counts = confusion(labels, predicted, len(classes))
    pairs = [(label, name) for label in classes for name in classes]
    return pd.DataFrame(pairs, columns=["label", "found"]).assign(photos=counts.ravel())


def predictions(rows: pd.DataFrame, probabilities: np.ndarray, split: str | np.ndarray) -> pd.DataFrame:
    """Return the material, the confidence and each city's bin of every photograph."""
    predicted = [MATERIALS[index] for index in probabilities.argmax(axis=1)]
    table = pd.DataFrame(
        {
            "photo_id": rows["photo_id"].to_numpy(),
            "split": split,
            "label": rows["label"].to_numpy(),
            "found": predicted,
            "confidence": np.round(probabilities.max(axis=1), 5),
        }
    )
    for index, material in enumerate(MATERIALS):
        table[f"p_{material}"] = np.round(probabilities[:, index], 5)
    for city in BINS:
        table[f"bin_{city}"] = [bin_of(city, material) for material in predicted]
    return table
