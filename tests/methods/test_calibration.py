"""Compare calibration with counts by hand, scikit-learn and a grid search."""

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
    """Return logits, and labels drawn from the probabilities of ``logits / scale``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 4)) * 2
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits)])
    return logits * scale, labels


def test_error_counted_by_hand():
    # Two bins: (0, 0.5] holds one row, confidence 0.5, correct; (0.5, 1] three: 0.6, 0.8, 1.0, two correct.
    probabilities = np.array([[0.5, 0.5], [0.6, 0.4], [0.2, 0.8], [1.0, 0.0]])
    labels = np.array([0, 0, 0, 0])
    expected = (1 / 4) * abs(1 - 0.5) + (3 / 4) * abs(2 / 3 - 0.8)
    assert expected_calibration_error(probabilities, labels, bins=2) == pytest.approx(expected, abs=1e-12)


def test_loss_and_confusion_agree_with_sklearn():
    logits, labels = draws(200, 1.0, 0)
    assert log_loss(logits, labels) == pytest.approx(reference_loss(labels, softmax(logits)), abs=1e-9)
    predicted = logits.argmax(axis=1)
    reference = confusion_matrix(labels, predicted, labels=range(5))
    assert np.array_equal(confusion(labels, predicted, 5), reference)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_fitted_temperature_is_the_scale_of_the_logits_and_no_grid_point_is_better(scale):
    logits, labels = draws(4_000, scale, 1)
    temperature = fit_temperature(logits, labels)
    # The standard error of a scale from 4,000 rows is about 3 %.
    assert temperature == pytest.approx(scale, rel=0.1)
    grid = min(log_loss(logits, labels, t) for t in np.geomspace(0.05, 20, 400))
    assert log_loss(logits, labels, temperature) <= grid + 1e-9


def test_scaling_corrects_overconfident_logits_and_an_empty_input_raises_an_error():
    logits, labels = draws(4_000, 3.0, 2)
    raw = expected_calibration_error(softmax(logits), labels)
    scaled = expected_calibration_error(softmax(logits, fit_temperature(logits, labels)), labels)
    assert scaled < 0.03 < 0.1 < raw
    with pytest.raises(ValueError, match="no rows"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_probabilities_are_an_error(value):
    values = np.full((4, 2), 0.5)
    values[2, 0] = value
    labels = np.zeros(4, dtype=int)
    with pytest.raises(ValueError, match="row 2"):
        fit_temperature(values, labels)
    with pytest.raises(ValueError, match="outside"):
        expected_calibration_error(values, labels)
    with pytest.raises(ValueError, match="no rows"):
        expected_calibration_error(np.zeros((0, 2)), np.zeros(0, dtype=int))
