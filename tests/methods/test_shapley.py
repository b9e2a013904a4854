"""Compare Shapley values with all orders, closed forms and the package shap."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.trust.shapley import exact, interventional, permutation


def by_all_orders(value, players):
    """Average each player's gain over all orders: the definition."""
    total = dict.fromkeys(players, 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        for i, player in enumerate(order):
            total[player] += value(frozenset(order[: i + 1])) - value(frozenset(order[:i]))
    return np.array([total[player] / len(orders) for player in players])


def network(p, seed):
    """Return a smooth function with interactions of all orders."""
    generator = np.random.default_rng(seed)
    first, second = generator.normal(size=(p, 8)), generator.normal(size=8)
    return lambda x: np.tanh(x @ first) @ second + x[:, 0] * x[:, -1]


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_values_equal_the_mean_gain_over_all_orders(p, seed):
    table = {}
    generator = np.random.default_rng(seed)

    def value(players):
        return table.setdefault(players, generator.normal())

    players = [f"player {i}" for i in range(p)]
    np.testing.assert_allclose(exact(value, players), by_all_orders(value, players), atol=1e-12)


def test_the_airport_game_has_its_published_closed_form():
    # Littlechild and Owen (1973): each part of the runway is shared by those who need it.
    costs = [1.0, 2.0, 4.0, 7.0, 7.5]
    steps = np.diff([0, *costs])
    shares = np.cumsum(steps / np.arange(len(costs), 0, -1))
    np.testing.assert_allclose(
        exact(lambda s: max((costs[i] for i in s), default=0.0), range(5)), shares, atol=1e-12
    )


def test_twelve_inputs_are_exact_and_additive():
    p = 12
    predict, generator = network(p, 3), np.random.default_rng(3)
    x, background = generator.normal(size=p), generator.normal(size=(4, p))
    values = interventional(predict, x, background)

    def value(players):
        rows = background.copy()
        rows[:, list(players)] = x[list(players)]
        return predict(rows).mean()

    np.testing.assert_allclose(values, exact(value, range(p)), atol=1e-10)
    assert abs(values.sum() - (predict(x[None])[0] - predict(background).mean())) < 1e-10


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 1000))
def test_additivity_dummies_and_the_closed_form_of_linear_models(p, seed):
    generator = np.random.default_rng(seed)
    slope, x = generator.normal(size=(2, p))
    slope[0] = 0
    background = generator.normal(size=(7, p))
    linear = interventional(lambda rows: rows @ slope + 5, x, background)
    np.testing.assert_allclose(linear, slope * (x - background.mean(axis=0)), atol=1e-10)
    curved = interventional(network(p, seed), x, background)
    predict = network(p, seed)
    assert abs(curved.sum() - (predict(x[None])[0] - predict(background).mean())) < 1e-10


@pytest.mark.slow
def test_exact_values_equal_those_of_shap():
    import shap

    predict, generator = network(7, 5), np.random.default_rng(5)
    rows, background = generator.normal(size=(3, 7)), generator.normal(size=(20, 7))
    theirs = shap.explainers.Exact(predict, shap.maskers.Independent(background, 20))(rows)
    ours = [interventional(predict, x, background) for x in rows]
    np.testing.assert_allclose(ours, theirs.values, atol=1e-10)


@pytest.mark.parametrize("p", [5, 12])
def test_permutation_intervals_cover_the_exact_values_and_are_additive(p):
    predict, generator = network(p, 6), np.random.default_rng(6)
    x, background = generator.normal(size=p), generator.normal(size=(5, p))
    truth = interventional(predict, x, background)
    covered, single = [], []
    for seed in range(150):
        estimate = permutation(predict, x, background, permutations=30, seed=seed, level=0.9)
        total = predict(x[None])[0] - predict(background).mean()
        assert abs(estimate.value.sum() - total) < 1e-10
        inside = (estimate.low <= truth) & (truth <= estimate.high)
        covered.append(inside.all())
        single.append(np.abs(estimate.value - truth) / estimate.standard_error)
    # Joint coverage: 0.9 less three standard errors of 150 trials, and intervals are not trivially wide.
    assert np.mean(covered) >= 0.9 - 3 * np.sqrt(0.09 / 150)
    assert 0.5 < np.median(single) < 1.0


@pytest.mark.slow
def test_the_permutation_estimate_equals_that_of_shap_in_expectation():
    import shap

    predict, generator = network(14, 8), np.random.default_rng(8)
    x, background = generator.normal(size=14), generator.normal(size=(10, 14))
    explainer = shap.explainers.Permutation(predict, shap.maskers.Independent(background, 10), seed=1)
    theirs = explainer(x[None], max_evals=60 * 29).values[0]
    ours = permutation(predict, x, background, permutations=60, seed=2)
    # Both have 60 pairs of orders: the difference has twice the variance.
    assert (np.abs(ours.value - theirs) < 4.5 * np.sqrt(2) * ours.standard_error + 1e-9).all()


def test_invalid_input_raises_an_error():
    with pytest.raises(ValueError, match="repeated"):
        exact(len, [1, 1])
    with pytest.raises(ValueError, match="use `permutation`"):
        exact(len, range(21))
    with pytest.raises(ValueError, match="expected"):
        interventional(lambda rows: rows[:, 0], np.ones(2), np.ones((3, 1)))
    with pytest.raises(ValueError, match="at least 30"):
        permutation(lambda rows: rows[:, 0], np.ones(1), np.ones((3, 1)), permutations=29, seed=0)
