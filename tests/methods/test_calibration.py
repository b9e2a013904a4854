"""Compare calibration with counts by hand, scikit-learn and a grid search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix
from sklearn.metrics import log_loss as reference_loss

from methods.evaluation.calibration import (
    brier_score,
    confusion,
    equal_mass_calibration_error,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    probability_log_loss,
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


def test_bins_of_equal_mass_counted_by_hand():
    # Two bins of two rows: confidences 0.6 and 0.7, one correct; 0.8 and 0.9, both correct.
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.8, 0.2], [0.9, 0.1]])
    labels = np.array([0, 0, 0, 0])
    expected = (1 / 2) * abs(0.5 - 0.65) + (1 / 2) * abs(1 - 0.85)
    assert equal_mass_calibration_error(probabilities, labels, bins=2) == pytest.approx(expected, abs=1e-12)


def test_bins_of_equal_mass_agree_with_sorted_parts_and_ignore_the_order_of_rows():
    logits, labels = draws(600, 2.0, 4)
    probabilities = softmax(logits)
    order = probabilities.max(axis=1).argsort()
    gaps = [
        abs((probabilities[part].argmax(1) == labels[part]).mean() - probabilities[part].max(1).mean())
        for part in np.array_split(order, 15)
    ]
    # Parts of 40 rows each, so that all have the same weight.
    assert equal_mass_calibration_error(probabilities, labels) == pytest.approx(np.mean(gaps), abs=1e-12)
    shuffled = np.random.default_rng(0).permutation(600)
    assert equal_mass_calibration_error(probabilities[shuffled], labels[shuffled]) == pytest.approx(
        equal_mass_calibration_error(probabilities, labels), abs=1e-12
    )


def test_equal_confidences_share_one_bin():
    labels = np.array([0] * 70 + [1] * 30)
    certain = np.tile([0.7, 0.3], (100, 1))
    assert equal_mass_calibration_error(certain, labels) == pytest.approx(0, abs=1e-12)
    assert equal_mass_calibration_error(np.tile([0.9, 0.1], (100, 1)), labels) == pytest.approx(0.2, abs=1e-9)


def test_bins_of_equal_mass_see_a_fault_that_bins_of_equal_width_average_away():
    # Above 14/15 every row shares one bin of equal width; half are over-confident, half under-confident.
    high, low = np.tile([0.999, 0.001], (500, 1)), np.tile([0.95, 0.05], (500, 1))
    probabilities = np.vstack([high, low])
    labels = np.array([0] * 451 + [1] * 49 + [0] * 500)
    assert expected_calibration_error(probabilities, labels) < 0.03
    assert equal_mass_calibration_error(probabilities, labels) > 0.07


def test_brier_score_and_loss_of_probabilities_agree_with_sklearn():
    logits, labels = draws(300, 1.0, 5)
    probabilities = softmax(logits)
    assert probability_log_loss(probabilities, labels) == pytest.approx(log_loss(logits, labels), abs=1e-12)
    assert probability_log_loss(probabilities, labels) == pytest.approx(
        reference_loss(labels, probabilities), abs=1e-12
    )
    two = softmax(logits[:, :2])
    expected = 2 * brier_score_loss(labels % 2, two[:, 1])
    assert brier_score(two, labels % 2) == pytest.approx(expected, abs=1e-12)
    assert probability_log_loss(np.array([[0.0, 1.0]]), np.array([0])) == pytest.approx(-np.log(1e-12))
    for score in (brier_score, probability_log_loss, equal_mass_calibration_error):
        with pytest.raises(ValueError, match="no rows"):
            score(np.zeros((0, 3)), np.zeros(0, dtype=int))
        with pytest.raises(ValueError, match="outside"):
            score(np.array([[1.5, -0.5]]), np.array([0]))
