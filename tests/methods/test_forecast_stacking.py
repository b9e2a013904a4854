import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge

from methods.temporal.cross_fit import cross_fit, cross_fit_ridge, folds_of
from methods.temporal.stacking import simplex_weights


def data(seed: int):
    r = np.random.default_rng(seed)
    truth = r.normal(size=300)
    forecasts = truth[:, None] + r.normal(size=(300, 4)) * [0.5, 0.7, 1.0, 3.0] + [0, 0, 0.3, 0]
    return forecasts, truth, r.uniform(0.2, 2, 300)


@pytest.mark.parametrize("strength", [0.0, 50.0, 1e6])
@pytest.mark.parametrize("prior", [None, (0.4, 0.3, 0.2, 0.1)])
def test_simplex_weights_equal_a_general_solver(strength, prior):
    x, y, p = data(3)
    found = simplex_weights(x, y, p, strength, None if prior is None else np.array(prior))
    centre = 0.25 if prior is None else np.array(prior)
    share = p / p.sum()
    scale = np.sum(share * (x.mean(axis=1) - y) ** 2)

    def loss(w):
        return np.sum(share * (x @ w - y) ** 2) / scale + strength / len(y) * np.sum((w - centre) ** 2)

    best = minimize(
        loss, np.full(4, 0.25), method="SLSQP", bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-14},
    )  # fmt: skip
    assert found.sum() == pytest.approx(1, abs=1e-9)
    assert (found >= 0).all()
    np.testing.assert_allclose(found, best.x, atol=2e-4)


def test_ridge_of_each_fold_equals_scikit_learn():
    r = np.random.default_rng(0)
    x, unit = r.normal(size=(200, 5)), np.arange(200) % 20
    y = x @ [1, 0, -1, 0.5, 0] + r.normal(size=200)
    p, learn, fold = r.uniform(0.5, 2, 200), np.arange(200) < 150, folds_of(unit, 4, 0)
    forecast, _ = cross_fit_ridge(x, y, p, learn, fold, 7.0)
    others = np.zeros(50)
    for part in range(4):
        use = learn & (fold != part)
        spread = x[use].std(axis=0)
        model = Ridge(alpha=7.0).fit(x[use] / spread, y[use], sample_weight=p[use] / p[use].mean())
        out = learn & (fold == part)
        np.testing.assert_allclose(forecast[out], model.predict(x[out] / spread), atol=1e-8)
        others += model.predict(x[~learn] / spread) / 4
    np.testing.assert_allclose(forecast[~learn], others, atol=1e-8)


def test_folds_keep_units_whole_and_even():
    unit = np.repeat(np.arange(23), 5)
    fold = folds_of(unit, 4, 1)
    assert all(len(np.unique(fold[unit == u])) == 1 for u in range(23))
    sizes = np.bincount(fold[::5])
    assert sizes.max() - sizes.min() <= 1


def test_cross_fitted_forecasts_do_not_use_their_own_fold():
    r = np.random.default_rng(5)
    x, y, p = r.normal(size=(80, 3)), r.normal(size=80), np.ones(80)
    fold, learn = folds_of(np.arange(80), 4, 0), np.ones(80, bool)
    before, _ = cross_fit_ridge(x, y, p, learn, fold, 1.0)
    after, _ = cross_fit_ridge(x, y + 9 * (fold == 2), p, learn, fold, 1.0)
    np.testing.assert_array_equal(before[fold == 2], after[fold == 2])
    assert not np.allclose(before[fold == 1], after[fold == 1])


def test_other_rows_get_the_mean_of_the_regressions_of_the_folds():
    r = np.random.default_rng(2)
    x, p = r.normal(size=(120, 4)), r.uniform(0.5, 2, 120)
    y = x[:, 0] ** 2 + r.normal(size=120)
    fold, learn = folds_of(np.arange(120) // 4, 3, 0), np.arange(120) < 90

    def make(seed: int, jobs: int = 2) -> ExtraTreesRegressor:
        return ExtraTreesRegressor(20, min_samples_leaf=3, random_state=seed, n_jobs=jobs)

    found = cross_fit(make, x, y, p, learn, fold)
    others = np.zeros(30)
    for part in range(3):
        use, out = learn & (fold != part), learn & (fold == part)
        model = make(part, 1).fit(x[use], y[use], sample_weight=p[use] / p[use].mean())
        np.testing.assert_array_equal(found[out], model.predict(x[out]))
        others += model.predict(x[~learn]) / 3
    np.testing.assert_allclose(found[~learn], others, rtol=1e-12)
    again = cross_fit(make, x, np.where(learn & (fold != 1), y, 99.0), p, learn, fold)
    np.testing.assert_array_equal(found[learn & (fold == 1)], again[learn & (fold == 1)])
