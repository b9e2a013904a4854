"""Calibration against counts by hand, sklearn and a grid search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from sklearn.metrics import log_loss as reference_loss

from methods.evaluation.calibration import (
    confusion,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    softmax,
)


def draws(rows: int, scale: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from the probabilities of ``logits / scale``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 4)) * 2
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits)])
    return logits * scale, labels


def test_error_by_a_hand_count():
    # Two bins: (0, 0.5] holds one row, confidence 0.5, right; (0.5, 1] three: 0.6, 0.8, 1.0, two right.
    probabilities = np.array([[0.5, 0.5], [0.6, 0.4], [0.2, 0.8], [1.0, 0.0]])
    labels = np.array([0, 0, 0, 0])
    wanted = (1 / 4) * abs(1 - 0.5) + (3 / 4) * abs(2 / 3 - 0.8)
    assert expected_calibration_error(probabilities, labels, bins=2) == pytest.approx(wanted, abs=1e-12)


def test_loss_and_confusion_agree_with_sklearn():
    logits, labels = draws(200, 1.0, 0)
    assert log_loss(logits, labels) == pytest.approx(reference_loss(labels, softmax(logits)), abs=1e-9)
    found = logits.argmax(axis=1)
    assert np.array_equal(confusion(labels, found, 5), confusion_matrix(labels, found, labels=range(5)))


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_scale_that_was_put_in_and_no_grid_finds_a_better_one(scale):
    logits, labels = draws(4_000, scale, 1)
    found = fit_temperature(logits, labels)
    # The standard error of a scale from 4,000 rows is about 3 %.
    assert found == pytest.approx(scale, rel=0.1)
    grid = min(log_loss(logits, labels, t) for t in np.geomspace(0.05, 20, 400))
    assert log_loss(logits, labels, found) <= grid + 1e-9


def test_scaling_mends_the_error_of_overconfident_logits_and_no_rows_are_refused():
    logits, labels = draws(4_000, 3.0, 2)
    raw = expected_calibration_error(softmax(logits), labels)
    mended = expected_calibration_error(softmax(logits, fit_temperature(logits, labels)), labels)
    assert mended < 0.03 < 0.1 < raw
    with pytest.raises(ValueError, match="no rows"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))
