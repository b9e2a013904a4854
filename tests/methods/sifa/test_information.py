"""Compare mutual information with closed forms, quadrature and libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import digamma
from scipy.stats import norm
from sklearn.metrics import mutual_info_score

from methods.sifa.information import binned, ksg, mixed, noised, permuted

# Largest distance of a mean over 20 seeds from the truth. The standard error is at most 0.01 and the bias of
# nearest neighbours at 1,000 rows about 0.01.
TOLERANCE = 0.035


def gaussians(n: int, r: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs with correlation r: the information is ``-log(1 - r^2) / 2``."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, r * x + np.sqrt(1 - r**2) * noise


def shifted(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit Gaussians of two equally likely classes, `shift` apart."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, size=n)
    return generator.normal(size=n) + shift * labels, labels


def shifted_truth(shift: float) -> float:
    """Integrate ``h(X) - h(X | class)`` numerically."""

    def entropy(value: float) -> float:
        density = (norm.pdf(value) + norm.pdf(value - shift)) / 2
        return -density * np.log(density)

    return quad(entropy, -10, 10 + shift, limit=200)[0] - 0.5 * np.log(2 * np.pi * np.e)


@pytest.mark.parametrize("r", [0.0, 0.3, 0.6, 0.9])
def test_neighbours_find_the_closed_form_of_gaussian_pairs(r):
    truth = -np.log(1 - r**2) / 2
    estimates = [ksg(*gaussians(1_000, r, seed)) for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(truth, abs=TOLERANCE)
    # No single seed is far off either: 4 standard deviations of 0.045.
    assert np.abs(np.array(estimates) - truth).max() < 0.18


def test_several_columns_add_their_information():
    # Two independent pairs have twice the information of one.
    estimates = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=(1_500, 2))
        estimates.append(ksg(x, x + generator.normal(size=x.shape)))
    assert np.mean(estimates) == pytest.approx(np.log(2), abs=2 * TOLERANCE)


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_a_label_and_a_column_agree_with_quadrature(shift):
    estimates = [mixed(*shifted(1_000, shift, seed)) for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(shifted_truth(shift), abs=TOLERANCE)


def test_classes_that_do_not_overlap_hold_the_entropy_of_the_label():
    x, labels = shifted(1_000, 50.0, 0)
    share = labels.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert mixed(x, labels) == pytest.approx(entropy, abs=0.01)
    names = np.where(labels == 1, "one", "zero")
    assert mixed(x, names) == mixed(x, labels)


def test_a_label_that_occurs_once_is_left_out():
    x, labels = shifted(300, 1.0, 0)
    alone = mixed(np.append(x, 0.5), np.append(labels, 7))
    # The rows left are the same up to the scale of the column, which moves no order of distances.
    assert alone == pytest.approx(mixed(x, labels), abs=1e-9)


@pytest.mark.parametrize("columns", [1, 3])
def test_the_estimate_is_that_of_its_definition(columns):
    # Kraskov et al. (2004), eq. 8, with all distances in the largest coordinate written out.
    generator = np.random.default_rng(columns)
    x = generator.normal(size=(300, columns))
    y = x + generator.normal(size=x.shape)
    x, y = x / x.std(axis=0), y / y.std(axis=0)
    far_x, far_y = (np.abs(z[:, None] - z).max(axis=-1) for z in (x, y))
    terms = []
    for i in range(300):
        others = np.delete(np.arange(300), i)
        radius = np.sort(np.maximum(far_x[i], far_y[i])[others])[3]
        counts = [int((far[i][others] < radius).sum()) for far in (far_x, far_y)]
        terms.append(digamma(counts[0] + 1) + digamma(counts[1] + 1))
    expected = digamma(4) + digamma(300) - np.mean(terms)
    assert ksg(x, y, 4) == pytest.approx(expected, abs=1e-9)


def test_the_estimate_is_near_that_of_scikit_learn():
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    x, y = gaussians(1_000, 0.7, 3)
    expected = mutual_info_regression(x[:, None], y, n_neighbors=3, random_state=0)[0]
    assert ksg(x, y) == pytest.approx(expected, abs=1e-6)
    points, labels = shifted(1_000, 1.0, 3)
    expected = mutual_info_classif(points[:, None], labels, n_neighbors=3, random_state=0)[0]
    assert mixed(points, labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.5, 1e12])
def test_a_constant_has_exactly_no_information(value):
    y = np.random.default_rng(0).normal(size=60)
    constant, labels = np.full(60, value), y > 0
    assert ksg(constant, y) == ksg(y, constant) == ksg(constant, constant) == 0.0
    assert mixed(constant, labels) == mixed(y, np.full(60, value)) == 0.0
    assert binned(constant, y) == binned(y, constant) == 0.0
    assert ksg(np.column_stack([constant, constant - constant.mean()]), y) == 0.0


def test_a_constant_column_among_others_changes_nothing():
    x, y = gaussians(300, 0.6, 0)
    both = np.column_stack([x, np.full(300, 0.1)])
    assert ksg(both, y) == ksg(y, both) == ksg(x, y)
    labels = y > 0
    assert mixed(both, labels) == mixed(x, labels)


def test_equal_values_give_the_information_of_discrete_pairs():
    coins, rounded, counts = [], [], []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        coin = generator.integers(0, 2, size=600)
        coins.append(ksg(coin, np.where(generator.random(600) < 0.1, 1 - coin, coin)))
        x, y = gaussians(600, 0.8, seed)
        rounded.append(ksg(x.round(1), y.round(1)))
        counts.append(ksg(*generator.poisson(3, size=(2, 600))))
    # Noise between equal values adds a bias of about 0.03 for two levels, less for more; the standard errors
    # of the means are 0.013.
    assert np.mean(coins) == pytest.approx(np.log(2) + 0.1 * np.log(0.1) + 0.9 * np.log(0.9), abs=0.07)
    assert np.mean(rounded) == pytest.approx(-np.log(1 - 0.8**2) / 2, abs=0.05)
    assert np.mean(counts) == pytest.approx(0, abs=0.04)


def test_the_seed_separates_equal_values_and_nothing_else():
    x, y = gaussians(100, 0.5, 0)
    assert ksg(x, y, seed=5) == ksg(x, y, seed=6)
    assert ksg(x.round(), y.round(), seed=5) == ksg(x.round(), y.round(), seed=5)
    assert ksg(x.round(), y.round(), seed=5) != ksg(x.round(), y.round(), seed=6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([1e-6, 0.5, 3.0, 1e6]),
    shift=st.floats(-10, 10),
    k=st.integers(1, 6),
)
def test_scale_order_and_side_do_not_matter(seed, scale, shift, k):
    x, y = gaussians(80, 0.5, seed)
    first = ksg(x, y, k)
    # A row at exactly the distance of a neighbour may change sides by rounding: one count of 80.
    assert ksg(scale * x + scale * shift, y, k) == pytest.approx(first, abs=0.02)
    assert ksg(y, x, k) == pytest.approx(first, abs=1e-9)
    order = np.random.default_rng(seed).permutation(80)
    assert ksg(x[order], y[order], k) == pytest.approx(first, abs=0.02)


@pytest.mark.parametrize(
    ("x", "y", "k", "message"),
    [
        (np.arange(3.0), np.arange(3.0), 3, "at least k \\+ 1 = 4 rows"),
        (np.arange(0.0), np.arange(0.0), 1, "0 rows"),
        (np.arange(9.0), np.arange(8.0), 3, "equal numbers"),
        (np.arange(9.0), np.arange(9.0), 0, "k is 0"),
        (np.arange(9.0), np.arange(9.0), 2.5, "k is 2.5"),
        (np.array([1.0, np.nan, 2, 3]), np.arange(4.0), 1, "infinite in row 1"),
        (np.zeros((4, 2, 2)), np.arange(4.0), 1, "expected \\(n,\\) or \\(n, d\\)"),
    ],
)
def test_input_without_an_answer_raises_an_error(x, y, k, message):
    with pytest.raises(ValueError, match=message):
        ksg(x, y, k)
    if "row 1" not in message:
        with pytest.raises(ValueError, match=message):
            mixed(x, np.zeros(len(y), dtype=int), k)


def test_labels_without_neighbours_raise_an_error():
    with pytest.raises(ValueError, match="occurs once"):
        mixed(np.arange(9.0), np.arange(9), 2)
    with pytest.raises(ValueError, match="labels have shape"):
        mixed(np.arange(9.0), np.zeros((9, 2)), 2)


def test_bins_without_the_correction_agree_with_counts_of_scikit_learn():
    x, y = gaussians(500, 0.8, 0)
    bins = 6
    edges = [np.quantile(column, np.arange(1, bins) / bins) for column in (x, y)]
    places = [np.digitize(column, edge) for column, edge in zip((x, y), edges, strict=True)]
    occupied = len(set(zip(*places, strict=True)))
    correction = (2 * bins - occupied - 1) / (2 * 500)
    assert binned(x, y, bins) == pytest.approx(mutual_info_score(*places) + correction, abs=1e-9)


def test_bins_hide_what_exceeds_the_logarithm_of_their_number():
    x = np.random.default_rng(0).normal(size=2_000)
    assert binned(x, x, 4) == pytest.approx(np.log(4), abs=0.01)
    with pytest.raises(ValueError, match="bins is 1"):
        binned(x, x, 1)
    with pytest.raises(ValueError, match="expected 1 of each"):
        binned(np.column_stack([x, x]), x)


def test_the_correction_of_bins_removes_most_of_the_bias():
    estimates = [binned(*gaussians(200, 0.0, seed), 8) for seed in range(40)]
    # Without the correction the bias is 49 / 400 = 0.12; the standard error of the mean is 0.004.
    assert abs(np.mean(estimates)) < 0.03


def test_permutations_show_dependence_and_are_uniform_without_it():
    def estimator(x, y, seed):
        return ksg(x, y, 3, seed)

    dependent = permuted(estimator, *gaussians(800, 0.7, 0), permutations=19)
    assert dependent.p == 1 / 20
    assert dependent.excess == dependent.estimate - dependent.null
    assert dependent.excess == pytest.approx(-np.log(1 - 0.49) / 2, abs=0.15)
    p = [permuted(estimator, *gaussians(60, 0.0, seed), permutations=19).p for seed in range(40)]
    # Uniform on 1/20 .. 1: the mean has a standard error of 0.046.
    assert abs(np.mean(p) - 0.525) < 0.15
    constant = permuted(estimator, np.ones(50), np.arange(50.0), permutations=9)
    assert (constant.estimate, constant.excess, constant.p) == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="permutations is 0"):
        permuted(estimator, np.ones(50), np.arange(50.0), permutations=0)


def test_information_through_a_deterministic_layer_only_counts_rows():
    def layers(x):
        return np.tanh(x), np.exp(0.1 * x)

    rows = [500, 2_000]
    strong, weak = np.array(
        [[ksg(x, h) for h in layers(x)] for x in (np.random.default_rng(0).normal(size=n) for n in rows)]
    ).T
    # The truth is infinite for both. The estimates grow by log 4 with four times the rows.
    assert np.diff(strong)[0] == pytest.approx(np.log(4), abs=0.1)
    assert np.diff(weak)[0] == pytest.approx(np.log(4), abs=0.1)


def test_noise_makes_the_question_finite_and_known():
    x = np.random.default_rng(0).normal(size=2_000)
    for share in (0.3, 1.0):
        truth = np.log(1 + 1 / share**2) / 2
        assert ksg(x, noised(5 * x, share, seed=1)) == pytest.approx(truth, abs=0.08)
    with pytest.raises(ValueError, match="share is 0"):
        noised(x, 0)
