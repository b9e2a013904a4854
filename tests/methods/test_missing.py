"""Little's test and its EM against published figures and direct computations."""

from __future__ import annotations

import numpy as np
import pytest
from air_quality import air_quality
from scipy import stats
from scipy.optimize import minimize

from methods.characterise import little, normal_fit

NAN = np.nan
# Enders, "Applied missing data analysis" (2010), employee selection: IQ, job performance (only of those who
# were hired), psychological well-being.
EMPLOYEES = np.array(
    [
        [78, 84, 84, 85, 87, 91, 92, 94, 94, 96, 99, 105, 105, 106, 108, 112, 113, 115, 118, 134],
        [*[NAN] * 10, 7, 10, 11, 15, 10, 10, 12, 14, 16, 12],
        [13, 9, 10, 10, NAN, 3, 12, 3, 13, NAN, 6, 12, 14, 10, NAN, 10, 14, 14, 12, 11],
    ]
).T


def test_the_statistic_is_that_of_naniar_on_the_air_quality_of_new_york() -> None:
    """Compare with naniar's own test, whose EM ends at a change of 1e-4."""
    test = little(air_quality())
    assert test.statistic == pytest.approx(35.1061288689702, rel=1e-5)
    assert test.p == pytest.approx(0.00141778113856683, rel=1e-4)
    assert (test.degrees, test.patterns, test.rows) == (14, 4, 153)
    # A row without any cell changes nothing.
    assert little(np.vstack([air_quality(), np.full(6, NAN)])).statistic == pytest.approx(test.statistic)


def test_the_statistic_is_that_of_enders_on_the_employees() -> None:
    test = little(EMPLOYEES)
    assert (round(test.statistic, 2), round(test.p, 2)) == (14.63, 0.01)
    assert (test.degrees, test.patterns) == (5, 4)


def test_two_columns_of_which_one_is_complete_have_a_closed_form() -> None:
    """Compare with sum_j n_j (mean_j - mean)^2 / s^2 and a regression."""
    random = np.random.default_rng(0)
    x = random.gamma(2.0, size=80)
    y = 2 * x + random.normal(size=80)
    y[x > 3] = NAN
    gone = np.isnan(y)
    between = sum(side.sum() * (x[side].mean() - x.mean()) ** 2 for side in (gone, ~gone))
    test = little(np.column_stack([x, y]), tolerance=1e-10)
    assert test.statistic == pytest.approx(between / x.var(), rel=1e-6)
    assert test.p == pytest.approx(stats.chi2.sf(between / x.var(), 1), rel=1e-5)
    fit = normal_fit(np.column_stack([x, y]), tolerance=1e-10)
    slope, intercept = np.polyfit(x[~gone], y[~gone], 1)
    assert fit.mean[1] == pytest.approx(intercept + slope * x.mean(), rel=1e-6)
    assert fit.covariance[0, 1] == pytest.approx(slope * x.var(), rel=1e-6)


def test_em_ends_at_the_maximum_of_the_likelihood() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(40, 3)) @ random.normal(size=(3, 3)) + 5
    values[random.uniform(size=values.shape) < 0.3] = NAN
    values = values[~np.isnan(values).all(axis=1)]
    lower = np.tril_indices(3)

    def loss(theta: np.ndarray) -> float:
        factor = np.zeros((3, 3))
        factor[lower] = theta[3:]
        covariance = factor @ factor.T
        total = 0.0
        for row in values:
            has = ~np.isnan(row)
            block, away = covariance[np.ix_(has, has)], row[has] - theta[:3][has]
            total += np.linalg.slogdet(2 * np.pi * block)[1] + away @ np.linalg.solve(block, away)
        return total / 2

    fit = normal_fit(values, tolerance=1e-9)
    at = np.r_[fit.mean, np.linalg.cholesky(fit.covariance)[lower]]
    start = np.r_[np.nanmean(values, axis=0), np.diag(np.nanstd(values, axis=0))[lower]]
    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-4})
    np.testing.assert_allclose(at, best.x, rtol=1e-3, atol=1e-4)
    assert loss(at) <= best.fun + 1e-8


def test_units_and_a_column_that_others_imply_change_nothing() -> None:
    values = air_quality()[:, :4]
    test = little(values, tolerance=1e-9)
    moved = little(values * [1e3, 1, 1e-3, 2] + 7, tolerance=1e-9)
    assert moved.statistic == pytest.approx(test.statistic, rel=1e-6)
    implied = little(np.column_stack([values, values[:, 2] - 2 * values[:, 3] + 1]), tolerance=1e-9)
    assert (implied.statistic, implied.degrees) == (pytest.approx(test.statistic, rel=1e-6), test.degrees)
    complete = little(values[:, 2:])
    assert (complete.statistic, complete.degrees, complete.p) == (pytest.approx(0, abs=1e-9), 0, 1.0)
    with pytest.raises(ValueError, match="does not vary"):
        little(np.column_stack([values, np.ones(153)]))


def test_p_values_are_uniform_under_mcar_and_small_if_absence_depends_on_another_column() -> None:
    """Remove cells of two columns, and both columns of a modality."""
    random = np.random.default_rng(2)
    mix = random.normal(size=(4, 4))
    p, dependent = [], []
    for number in range(210):
        values = random.normal(size=(300, 4)) @ mix
        missing = random.uniform(size=(300, 4)) < 0.1
        chance = 0.3 if number < 200 else 0.6 / (1 + np.exp(-2 * values[:, 0] / values[:, 0].std()))
        missing[:, 2:] = (random.uniform(size=300) < chance)[:, None]
        test = little(np.where(missing, NAN, values), tolerance=1e-4)
        (p if number < 200 else dependent).append(test.p)
    # The distance of 200 uniform draws from the uniform law is above 0.138 with probability 0.001.
    assert stats.kstest(p, "uniform").statistic < 0.138
    assert max(dependent) < 0.001
