"""Drift of a batch, beside enumeration, chi-square and simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from methods.characterise.shift import holm, psi
from methods.drift import (
    bet,
    chi_square_scale,
    code_column,
    compare_batches,
    conformal_p_values,
    log_martingale,
    stability_test,
)
from methods.drift.verdict import _holm


def test_the_index_equals_that_of_quantiles_on_the_values():
    rng = np.random.default_rng(0)
    reference, current = rng.normal(size=401), rng.normal(0.3, 1.2, size=300)
    # 401 rows: the quantiles of NumPy are rows themselves, and no interpolation enters.
    test = stability_test(code_column(reference, current), draws=9)
    assert test.bins == 10
    assert test.psi == pytest.approx(psi(reference, current), rel=0.05)
    counts = [
        np.histogram(sample, [-np.inf, *np.quantile(reference, np.arange(1, 10) / 10), np.inf])[0] + 0.5
        for sample in (reference, current)
    ]
    p, q = (count / count.sum() for count in counts)
    assert test.psi == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=0.05)


def test_the_p_value_is_the_share_of_all_permutations():
    values = np.array([0.0, 1.0, 1.0, 2.0, 3.0, np.nan, 5.0, 6.0, 2.0, 9.0])
    chosen = np.arange(5)
    draws = 20_000
    test = stability_test(code_column(values[:5], values[5:]), bins=3, draws=draws, seed=1)

    def index(first):
        """Return the index by loops over rows, with the definition of quantiles."""
        sample, other = values[list(first)], values[[i for i in range(10) if i not in first]]
        known = np.sort(sample[~np.isnan(sample)])
        edges = [known[math.ceil(k * len(known) / 3) - 1] for k in (1, 2)]
        tables = [[0, 0, 0, 0], [0, 0, 0, 0]]
        for table, rows in zip(tables, (sample, other), strict=True):
            for value in rows:
                table[3 if np.isnan(value) else sum(value > edge for edge in edges)] += 1
        used = [b for b in range(4) if tables[0][b] + tables[1][b]]
        p, q = ([table[b] + 0.5 for b in used] for table in tables)
        terms = zip(p, q, strict=True)
        return sum((b / sum(q) - a / sum(p)) * math.log(b / sum(q) * sum(p) / a) for a, b in terms)

    observed = index(tuple(chosen))
    exact = np.mean([index(first) >= observed - 1e-9 for first in combinations(range(10), 5)])
    assert test.psi == pytest.approx(observed)
    assert test.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / draws) + 1e-4)


@pytest.mark.parametrize(("n", "m"), [(100, 100), (2000, 500)])
def test_the_threshold_is_that_of_chi_square_and_not_a_constant(n, m):
    rng = np.random.default_rng(2)
    test = stability_test(code_column(rng.normal(size=n), rng.normal(size=m)), draws=4000, alpha=0.05)
    assert test.threshold / chi_square_scale(n, m) == pytest.approx(chi2.ppf(0.95, 9), rel=0.1)


def test_the_usual_limit_alarms_almost_always_in_small_samples():
    rng = np.random.default_rng(3)
    tests = [stability_test(code_column(*rng.normal(size=(2, 100))), draws=99, seed=i) for i in range(200)]
    assert np.mean([test.psi > 0.1 for test in tests]) > 0.8
    assert np.mean([test.p_value <= 0.05 for test in tests]) == pytest.approx(0.05, abs=0.05)


@pytest.mark.parametrize("kind", ["numbers", "ties", "categories", "missing"])
def test_p_values_are_uniform_and_independent_without_drift(kind):
    rng = np.random.default_rng(4)
    pool = {
        "numbers": rng.normal(size=4000),
        "ties": rng.integers(0, 4, size=4000).astype(float),
        "categories": rng.choice(["a", "b", "c", "d"], p=[0.6, 0.2, 0.1, 0.1], size=4000),
        "missing": np.where(rng.random(4000) < 0.3, np.nan, rng.normal(size=4000)),
    }[kind]
    p = conformal_p_values(code_column(pool[:2000], pool[2000:]), seed=5)
    assert kstest(p, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 0.08


def test_a_p_value_is_the_share_of_rows_as_strange():
    reference, current = np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.5, 2.0, 9.0])
    weights = np.random.default_rng(7).random(3)
    expected = [(1 + weights[0]) / 5, (2 + 2 * weights[1]) / 6, weights[2] / 7]
    np.testing.assert_allclose(conformal_p_values(code_column(reference, current), seed=7), expected)
    names = conformal_p_values(code_column(["a", "a", "b"], ["b", "new"]), seed=7)
    np.testing.assert_allclose(names, [weights[0], weights[1] / 5])  # "b" is as frequent as "a"


def test_bets_have_mean_one_and_the_capital_is_their_mixture():
    grid = (np.arange(100_000) + 0.5) / 100_000
    factors = bet(grid)
    assert (factors >= 0).all()
    np.testing.assert_allclose(factors.mean(0), 1, atol=1e-6)
    p = np.array([0.9, 0.2, 0.5])
    capital, jump = np.full(5, 0.2), 0.01
    for row in bet(p):
        capital = np.array([(1 - jump) * c + jump * capital.sum() / 5 for c in capital]) * row
    assert log_martingale(p)[-1] == pytest.approx(math.log(capital.sum()))


def test_false_alarms_at_any_row_are_bounded_as_ville_says():
    rng = np.random.default_rng(8)
    peaks = np.array([log_martingale(rng.random(300)).max() for _ in range(1000)])
    for threshold in (5, 20, 100):
        rate = (peaks >= math.log(threshold)).mean()
        assert rate <= 1 / threshold + 3 * math.sqrt(1 / threshold / 1000)
    assert (peaks >= math.log(2)).mean() > 0.02  # the test is not idle


def table_of(rng, rows, *, shift=0.0, spread=1.0, other=0.1, absent=0.05):
    value = np.where(rng.random(rows) < absent, np.nan, rng.normal(shift, spread, rows))
    return {
        "value": value,
        "copy": value + 0.1 * rng.normal(size=rows),  # dependent columns
        "kind": rng.choice(["a", "b", "c"], p=[0.6, 0.4 - other, other], size=rows),
    }


def test_a_batch_without_drift_raises_few_alarms():
    rng = np.random.default_rng(9)
    alarms = [
        compare_batches(table_of(rng, 60), table_of(rng, 50), alpha=0.1, seed=i).alarm for i in range(100)
    ]
    assert np.mean(alarms) <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 100)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"shift": 0.6}, {"value", "copy"}),
        ({"spread": 2.0}, {"value", "copy"}),
        ({"other": 0.35}, {"kind"}),
        ({"absent": 0.35}, {"value", "copy"}),
    ],
)
def test_each_kind_of_drift_is_found_in_its_columns(change, names):
    rng = np.random.default_rng(10)
    verdict = compare_batches(table_of(rng, 500), table_of(rng, 400, **change), alpha=0.01)
    assert {column.name for column in verdict.columns if column.alarm} == names and verdict.alarm


def test_a_new_category_a_lost_column_and_an_early_row_are_named():
    rng = np.random.default_rng(11)
    reference, current = table_of(rng, 500), table_of(rng, 400, shift=2.0)
    current["kind"] = np.where(rng.random(400) < 0.2, "x", current["kind"])
    del reference["copy"]
    verdict = compare_batches({**reference, "gone": np.ones(500)}, current, alpha=0.01)
    value, kind = verdict.columns
    assert (verdict.lost, verdict.added, kind.new_categories) == (("gone",), ("copy",), ("x",))
    assert value.alarm_row is not None and value.alarm_row < 100
    assert value.log_capital[value.alarm_row] >= verdict.log_threshold == pytest.approx(math.log(400))


def test_many_categories_and_objects_of_pandas():
    import pandas as pd

    names = [f"user {i}" for i in range(3000)]
    codes = code_column(names, [*names[:100], None, pd.NA])
    assert codes.size == 1000 and (codes.current[-2:] == -1).all() and codes.new == ()
    names = list(np.random.default_rng(12).permutation(names))
    others = code_column(names[:1500], names[1500:])
    assert len(others.new) == 1500 and stability_test(others, draws=99).p_value > 0.01


def test_holm_is_that_of_the_other_package():
    p = [0.01, 0.04, 0.03, 0.005, 0.5]
    np.testing.assert_allclose(_holm(p), holm(np.array(p)))


@pytest.mark.parametrize(
    ("reference", "current", "alpha", "message"),
    [
        ({"a": [1.0]}, {"a": []}, 0.01, r"column 'a': current has the shape \(0,\)"),
        ({"a": [1.0]}, {"b": [1.0]}, 0.01, "no column is in both samples"),
        ({"a": [1.0]}, {"a": [1.0]}, 1.0, "alpha is 1.0; expected"),
    ],
)
def test_unusable_samples_are_refused(reference, current, alpha, message):
    with pytest.raises(ValueError, match=message):
        compare_batches(reference, current, alpha=alpha)
