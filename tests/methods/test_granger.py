"""Granger tests against published figures, statsmodels and simulations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from statsmodels.tools.sm_exceptions import InterpolationWarning
from statsmodels.tsa.api import VAR
from statsmodels.tsa.stattools import adfuller, grangercausalitytests, kpss

from methods.causal import (
    causality,
    choose_lags,
    differences_needed,
    granger,
    granger_pairs,
    instantaneous,
    panel_granger,
    stationarity,
)
from tests.external import external_data

YEARS = Path(__file__).parents[2] / "data/source/music_years.parquet"


def test_granger_chicken_and_egg_as_published():
    series = pd.read_csv(external_data("benchmarks", "granger", "chickegg.csv"))
    chicken_first = granger(series["egg"], series["chicken"], 3)
    egg_first = granger(series["chicken"], series["egg"], 3)
    assert (chicken_first.df_num, chicken_first.df_den) == (3, 44)
    assert chicken_first.f == pytest.approx(0.5916, abs=5e-5)
    assert chicken_first.p_value == pytest.approx(0.6238, abs=5e-5)
    assert egg_first.f == pytest.approx(5.405, abs=5e-4)
    assert egg_first.p_value == pytest.approx(0.002966, abs=5e-7)


@pytest.mark.parametrize("lags", [1, 2, 4])
def test_granger_equals_statsmodels_on_the_years_of_music(lags):
    years = pd.read_parquet(YEARS).query("n_songs >= 30").sort_values("year")
    pair = years[["valence_mean", "energy_mean"]].astype(float).diff().dropna().to_numpy()
    ours = granger(pair[:, 0], pair[:, 1], lags)
    f, p_value, df_den, df_num = grangercausalitytests(pair, [lags])[lags][0]["ssr_ftest"]
    assert (ours.df_num, ours.df_den) == (df_num, df_den)
    assert ours.f == pytest.approx(f, rel=1e-10)
    assert ours.p_value == pytest.approx(p_value, rel=1e-10)


def macrodata() -> np.ndarray:
    table = pd.read_csv(external_data("benchmarks", "granger", "macrodata.csv"))
    return np.diff(np.log(table[["realgdp", "realinv", "realcons"]].to_numpy()), axis=0)


def test_several_causes_as_published_with_the_order_by_aic():
    series = macrodata()
    lags = choose_lags(series, 15, "aic")
    found = granger(series[:, 0], series[:, 1:], lags)
    assert (lags, found.df_num, found.df_den) == (3, 6, 567)
    assert found.f == pytest.approx(6.9999, abs=5e-5)
    assert found.p_value == pytest.approx(3.4e-7, abs=5e-9)


@pytest.mark.parametrize("lags", [1, 3, 5])
def test_several_causes_equal_the_vector_autoregression_of_statsmodels(lags):
    series = macrodata()
    ours = granger(series[:, 2], series[:, :2], lags)
    theirs = VAR(series).fit(lags).test_causality(2, [0, 1], kind="f")
    assert (ours.df_num, ours.df_den) == theirs.df
    assert ours.f == pytest.approx(theirs.test_statistic, rel=1e-10)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-10)


def autoregression(seed: int, rows: int = 200, series: int = 4) -> np.ndarray:
    """Simulate a vector autoregression with correlated errors."""
    rng = np.random.default_rng(seed)
    weights = 0.2 * rng.normal(size=(series, series))
    errors = rng.normal(size=(rows, series)) @ np.linalg.cholesky(np.eye(series) + 0.3)
    values = np.zeros((rows, series))
    for t in range(1, rows):
        values[t] = weights @ values[t - 1] + errors[t]
    return values


@pytest.mark.parametrize("causes", [[0], [2], [0, 1], [1, 3], [0, 2, 3]])
def test_several_effects_equal_the_vector_autoregression_of_statsmodels(causes):
    series = autoregression(1)
    effects = [i for i in range(4) if i not in causes]
    theirs = VAR(series).fit(2).test_causality(effects, causes, kind="f")
    ours = causality(series, [f"X{i + 1}" for i in causes], 2).granger
    assert ours == granger(series[:, effects], series[:, causes], 2)
    assert (ours.df_num, ours.df_den) == theirs.df
    assert ours.f == pytest.approx(theirs.test_statistic, rel=1e-10)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8)


@pytest.mark.parametrize("cause", [0, 3])
def test_instantaneous_causality_equals_that_of_statsmodels(cause):
    series = pd.DataFrame(autoregression(2), columns=list("abcd"))
    theirs = VAR(series.to_numpy()).fit(3).test_inst_causality(cause)
    ours = causality(series, ["abcd"[cause]], 3).instantaneous
    assert ours.df == theirs.df == 3
    assert ours.statistic == pytest.approx(theirs.test_statistic, rel=1e-10)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8)


def test_instantaneous_causality_of_two_groups_equals_its_definition():
    # Luetkepohl (2005), section 3.6.3: restrictions C on vech(S), with the duplication matrix D.
    # statsmodels 0.15 stops with an IndexError where both groups have two series.
    series = autoregression(3)
    model = VAR(series).fit(2)
    pairs = [(i, j) for j in range(4) for i in range(j, 4)]
    duplication = np.zeros((16, 10))
    for column, (i, j) in enumerate(pairs):
        duplication[4 * j + i, column] = duplication[4 * i + j, column] = 1
    restricted = np.eye(10)[[pairs.index(pair) for pair in [(2, 0), (2, 1), (3, 0), (3, 1)]]]
    sigma = np.asarray(model.sigma_u)
    half = restricted @ np.linalg.pinv(duplication)
    wanted = restricted @ [sigma[pair] for pair in pairs]
    statistic = model.nobs * wanted @ np.linalg.solve(2 * half @ np.kron(sigma, sigma) @ half.T, wanted)
    ours = instantaneous(series[:, :2], series[:, 2:], 2)
    assert ours.df == 4
    assert ours.statistic == pytest.approx(statistic, rel=1e-10)


def test_instantaneous_causality_keeps_its_level():
    # Two-by-two independent series, 300 times: uniform p-values (Kolmogorov and Smirnov at 0.001).
    rng = np.random.default_rng(0)
    p_values = [instantaneous(*rng.normal(size=(2, 300, 2)), 1).p_value for _ in range(300)]
    assert kstest(p_values, "uniform").pvalue > 0.001


@given(st.integers(0, 1000), st.sampled_from([0.0, -3e4, 1.5e9]), st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=40, deadline=None)
def test_level_and_unit_do_not_matter(seed, level, unit):
    # A level of 1.5e9 leaves seven digits of the values.
    series = autoregression(seed, rows=60)
    moved = series * [1.0, unit, 1.0, unit] + np.array([1.0, unit, 1.0, unit]) * level
    for test in (granger, instantaneous):
        plain, other = test(series[:, :2], series[:, 2:], 1), test(moved[:, :2], moved[:, 2:], 1)
        assert other.p_value == pytest.approx(plain.p_value, rel=1e-4, abs=1e-12)


LINE = 3.0 + 2.0 * np.arange(70)
NOISE = np.random.default_rng(1).normal(size=70)
SPIKE = np.where(np.arange(70) == 30, 1.0, 0.0)


@pytest.mark.parametrize(
    ("effect", "cause", "lags", "words"),
    [
        (LINE, NOISE, 1, "exactly by its own past"),
        (LINE / 7 + 1e9, NOISE, 1, "exactly by its own past"),
        (np.sin(np.arange(70)), NOISE, 2, "exactly by its own past"),
        (np.column_stack([NOISE, LINE]), NOISE[::-1], 1, "exactly by its own past"),
        (np.roll(NOISE, 1), NOISE, 1, "exactly by the past of all"),
        (np.roll(SPIKE, 1), SPIKE, 1, "exactly by the past of all"),
        (NOISE, SPIKE, 1, "time 31 alone"),
        (SPIKE, NOISE, 2, "time 32 alone"),
        (NOISE, np.where(np.arange(70) < 40, 5.0, 5.5), 2, "time 41 alone"),
        (NOISE, np.full(70, 0.1), 1, "cause 1: constant"),
        (np.column_stack([NOISE, LINE * 0]), NOISE, 1, "effect 2: constant"),
        (NOISE, LINE, 2, "cause 1 at lag 1, cause 1 at lag 2"),
    ],
)
def test_a_perfect_fit_or_a_single_spike_is_no_evidence(effect, cause, lags, words):
    with pytest.raises(ValueError, match=words):
        granger(effect, cause, lags)


def test_two_spikes_in_noise_are_reported():
    # One coincidence gives F in the thousands; without its row it is an ordinary F (by statsmodels' OLS).
    rng = np.random.default_rng(5)
    cause, effect = rng.normal(size=(2, 100))
    cause[49] += 100
    effect[50] += 100
    design = sm.add_constant(np.column_stack([effect[:-1], cause[:-1]]))
    kept = np.arange(1, 100) != 50
    without = sm.OLS(effect[1:][kept], design[kept]).fit().f_test([0, 0, 1]).pvalue
    with pytest.warns(UserWarning, match=rf"time 50 decides .* and {float(without):.2g} without"):
        assert granger(effect, cause, 1).p_value < 1e-50


def test_an_ordinary_cause_gives_no_warning(recwarn):
    rng = np.random.default_rng(6)
    cause, errors = rng.normal(size=(2, 100))
    granger(np.append(0, 0.8 * cause[:-1]) + errors, cause, 1)
    assert not recwarn.list


def test_wrong_names_are_refused():
    series = autoregression(0)
    for names in (["a", "b"], "abcd", ["a", "b", "c", "c"], ["a", "b", "c", "d", "e"]):
        with pytest.raises(ValueError, match="list of 4 different names"):
            granger_pairs(series, names, max_lags=2)
    with pytest.raises(ValueError, match=r"series \['b'\] are constant"):
        granger_pairs(series * [1, 0, 1, 1], list("abcd"), max_lags=2)
    with pytest.raises(ValueError, match="two or more series"):
        granger_pairs(series[:, 0], ["a"], max_lags=2)
    for causes in ("X1", [], ["x"], ["X1", "X2", "X3", "X4"]):
        with pytest.raises(ValueError, match="expected a list of some of"):
            causality(series, causes, 1)
    with pytest.raises(ValueError, match=r"columns \[0, 2\] are constant or collinear"):
        choose_lags(np.column_stack([series[:, :2], series[:, 0] + 5]), 2)


def test_granger_keeps_its_level_and_finds_a_cause():
    # 400 pairs of autoregressions at 5 %: four standard errors of the share.
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 2, 400))
    series = noise.copy()
    for t in range(1, 200):
        series[t, 0] = 0.6 * series[t - 1, 0] + noise[t, 0]
        series[t, 1] = 0.4 * series[t - 1, 1] + noise[t, 1] + 0.3 * series[t - 1, 0]
    found = [
        [granger(pair[:, j], pair[:, 1 - j], 1).p_value < 0.05 for pair in series.T.swapaxes(1, 2)]
        for j in (0, 1)
    ]
    back, forth = np.mean(found, axis=1)
    assert back == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 400))
    assert forth > 0.9


def test_the_order_of_a_known_autoregression_is_found():
    rng = np.random.default_rng(2)
    series = np.zeros((800, 2))
    for t in range(2, 800):
        series[t] = 0.3 * series[t - 1] + [[0, 0.4], [0, -0.4]] @ series[t - 2] + rng.normal(size=2)
    assert choose_lags(series, 6) == 2
    assert choose_lags(rng.normal(size=(300, 2)), 4) == 1
    with pytest.raises(ValueError, match="'mdl'"):
        choose_lags(series, 4, "mdl")
    with pytest.raises(ValueError, match="too short"):
        choose_lags(series[:10], 4)


@pytest.mark.filterwarnings("ignore:.*returns a plain tuple:FutureWarning")
def test_stationarity_uses_both_tests():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=300)
    walk = np.cumsum(noise)
    found = stationarity(walk)
    assert found.verdict == "unit root"
    assert found.adf_p == pytest.approx(adfuller(walk)[1])
    with pytest.warns(InterpolationWarning):
        assert found.kpss_p == kpss(walk)[1]
    assert stationarity(noise).verdict == "stationary"
    assert [differences_needed(s) for s in (noise, walk, np.cumsum(walk))] == [0, 1, 2]
    assert differences_needed(np.column_stack([noise, walk])) == 1
    with pytest.raises(ValueError, match="after 1 difference by"):
        differences_needed(np.cumsum(walk), most=1)
    with pytest.raises(ValueError, match="20 or more"):
        stationarity(noise[:10])


def test_stationarity_does_not_depend_on_level_and_unit():
    walk = np.cumsum(np.random.default_rng(1).normal(size=300))
    near, far = stationarity(walk), stationarity(1e-3 * walk + 1e5)
    assert far.adf_p == pytest.approx(near.adf_p, rel=1e-5)
    assert far.kpss_p == pytest.approx(near.kpss_p, rel=1e-5)
    for line in (LINE, LINE / 7 + 1e9):
        with pytest.raises(ValueError, match="straight line"):
            stationarity(line)
    with pytest.raises(ValueError, match="not all equal"):
        stationarity(np.full(50, 0.1) + np.tile([0, 1e-17], 25))


def test_pairs_are_differenced_ordered_and_corrected():
    rng = np.random.default_rng(4)
    steps = rng.normal(size=(250, 3))
    steps[1:, 1] += 0.6 * steps[:-1, 0]
    found = granger_pairs(np.cumsum(steps, axis=0), ["a", "b", "c"], max_lags=3)
    assert (found.differences, found.lags) == (1, 1)
    assert found.pairs == (("b", "a"), ("c", "a"), ("a", "b"), ("c", "b"), ("a", "c"), ("b", "c"))
    again = np.diff(np.cumsum(steps, axis=0), axis=0)
    assert found.tests[2] == granger(again[:, 1], again[:, 0], 1)
    p = np.array([test.p_value for test in found.tests])
    order = np.argsort(p)
    by_hand = np.minimum.accumulate((p[order] * 6 / np.arange(1, 7))[::-1])[::-1]
    np.testing.assert_allclose(found.p_adjusted[order], np.minimum(by_hand, 1))
    assert [pair for pair, q in zip(found.pairs, found.p_adjusted, strict=True) if q < 0.05] == [("a", "b")]


def test_a_repeated_series_is_refused():
    series = np.random.default_rng(0).normal(size=60)
    with pytest.raises(ValueError, match="collinear"):
        granger(series, 2 * series, 1)


def test_granger_refuses_a_short_series():
    with pytest.raises(ValueError, match="degree of freedom"):
        granger(np.arange(6.0), np.arange(6.0), 2)


def panel(seed: int, units: int = 300, length: int = 16, effect: float = 0.0) -> dict[str, np.ndarray]:
    """Simulate short autoregressions with own levels and correlated errors."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(2, units))
    x, y = level.copy()
    rows = []
    for t in range(-30, length):
        shock = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=units)
        before = (x, y)
        x = level[0] + 0.8 * x + shock[:, 0]
        y = level[1] + 0.1 * y + effect * before[0] + shock[:, 1]
        if t >= 0:
            rows.append(np.column_stack([np.arange(units), np.full(units, t), y, before[1], before[0]]))
    unit, period, now, own, cause = np.concatenate(rows).T
    return {"effect": now, "own": own, "cause": cause, "unit": unit.astype(int), "period": period}


def test_panel_equals_dummy_regression_with_clustered_errors():
    data = panel(1, units=40)
    weights = np.random.default_rng(2).uniform(0.5, 3, size=len(data["effect"]))
    found = panel_granger(**data, weights=weights, jackknife=False)
    levels = [pd.get_dummies(data[name], drop_first=True).to_numpy(float) for name in ("unit", "period")]
    design = sm.add_constant(np.column_stack([data["cause"], data["own"], *levels]))
    fit = sm.WLS(data["effect"], design, weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": data["unit"], "use_correction": False}
    )
    assert found.coefficients[0] == pytest.approx(fit.params[1], rel=1e-8)
    assert found.std_errors[0] == pytest.approx(fit.bse[1] * np.sqrt(40 / 39), rel=1e-8)


def test_jackknife_corrects_the_level_of_the_test():
    # 80 panels of 16 years without any effect: at 5 % the plain test rejects nearly always, the
    # corrected one near 5 % (bound: four standard errors of a share of 80).
    rejected = {
        jackknife: np.mean(
            [
                panel_granger(**panel(seed, units=150), jackknife=jackknife).test.p_value < 0.05
                for seed in range(80)
            ]
        )
        for jackknife in (False, True)
    }
    assert rejected[False] > 0.9
    assert rejected[True] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 80)


def test_panel_finds_an_existing_effect():
    found = panel_granger(**panel(5, units=400, effect=0.2))
    assert found.test.p_value < 1e-3
    assert found.coefficients[0] == pytest.approx(0.2, abs=4 * found.std_errors[0])


def test_level_and_unit_do_not_matter_in_a_panel():
    # A level of 1e9 leaves seven digits of the values.
    data = panel(3, units=60, effect=0.2)
    plain = panel_granger(**data)
    moved = panel_granger(**data | {"cause": 1e3 * data["cause"] + 1e9, "effect": data["effect"] - 1e9})
    assert moved.test.f == pytest.approx(plain.test.f, rel=1e-4)
    assert moved.coefficients[0] * 1e3 == pytest.approx(plain.coefficients[0], rel=1e-4)
    assert moved.std_errors[0] * 1e3 == pytest.approx(plain.std_errors[0], rel=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: {"cause": d["unit"] * 2.0}, "cause 1 is constant within units"),
        (lambda d: {"cause": d["period"] + 1e6}, "cause 1 is constant within units"),
        (lambda d: {"own": np.column_stack([d["own"], d["cause"]])}, "own lag 2 is .* collinear"),
        (lambda d: {"cause": np.where(d["unit"] == 3, d["cause"], 0)}, "one unit alone"),
        (lambda d: {"effect": 2 * d["own"] + d["unit"] - d["period"]}, "predicted exactly"),
        (lambda d: {"weights": np.zeros(len(d["unit"]))}, "not above 0"),
        (lambda d: {"cause": d["cause"][1:]}, "lengths"),
    ],
)
def test_a_panel_without_evidence_is_refused(change, words):
    data = panel(1, units=40)
    with pytest.raises(ValueError, match=words):
        panel_granger(**data | change(data), jackknife=False)


def test_one_unit_that_decides_a_panel_is_reported():
    data = panel(1, units=40)
    own = data["unit"] == 7
    rng = np.random.default_rng(0)
    cause = np.where(own, 1000 * rng.normal(size=len(own)), rng.normal(size=len(own)))
    effect = data["effect"] + np.where(own, cause, 0)
    with pytest.warns(UserWarning, match="one unit decides the test"):
        panel_granger(**data | {"cause": cause, "effect": effect}, jackknife=False)
