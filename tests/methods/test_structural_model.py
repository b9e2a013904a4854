"""Structural models against known models, statsmodels and exact algebra."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import f as f_distribution
from scipy.stats import kstest

from methods.causal import (
    StructuralCausalModel,
    cpdag_of_dag,
    linearity,
    placebo_treatment,
    random_common_cause,
    robustness_value,
)

NAMES = tuple("abcde")


def known_model(seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]], np.random.Generator]:
    """Return intercepts, weights ``w[i, j]`` of i on j, random edges, a generator."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(5)
    weights = np.zeros((5, 5))
    for later in range(1, 5):
        for earlier in range(later):
            if rng.random() < 0.6:
                weights[order[earlier], order[later]] = rng.uniform(-1.5, 1.5)
    edges = [(NAMES[i], NAMES[j]) for i, j in zip(*np.nonzero(weights), strict=True)]
    return rng.normal(size=5), weights, edges, rng


def solve(intercept: np.ndarray, weights: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return (intercept + noise) @ np.linalg.inv(np.eye(5) - weights)


def under(intercept: np.ndarray, weights: np.ndarray, i: int, value: float) -> np.ndarray:
    """Compute the true means under an intervention on variable i."""
    cut, held = weights.copy(), intercept.copy()
    cut[:, i], held[i] = 0, value
    return solve(held, cut, np.zeros(5))


def z_scores(seed: int, rows: int = 300) -> tuple[float, float]:
    """Compute z-scores of an interventional mean and of an effect."""
    intercept, weights, edges, rng = known_model(seed)
    uneven = 0.5 + np.abs(rng.normal(size=(rows, 1)))  # skewed noise of unequal variance
    data = solve(intercept, weights, uneven * (rng.exponential(size=(rows, 5)) - 1))
    reach = nx.DiGraph(edges)
    i, j = rng.choice(5, size=2, replace=False)
    downstream = [(a, b) for a in reach for b in nx.descendants(reach, a)]
    if downstream:
        i, j = (NAMES.index(name) for name in downstream[rng.integers(len(downstream))])
    model = StructuralCausalModel.fit(data, edges, names=NAMES)
    found = model.do({NAMES[i]: 1.5})
    truth = under(intercept, weights, i, 1.5)
    effect = model.effect(NAMES[i], NAMES[j], low=-1, high=1.5)
    by = truth[j] - under(intercept, weights, i, -1)[j]
    mean_z = (found.mean[NAMES[j]] - truth[j]) / found.std_error[NAMES[j]]
    return mean_z, (effect.value - by) / effect.std_error if effect.std_error else 0.0


def test_interventional_means_are_within_two_standard_errors_as_often_as_they_should():
    # 300 random models: 95.4 % within two; four standard errors of that share; and z is Normal.
    z = np.array([z_scores(seed) for seed in range(300)])
    expected = 0.9545
    for column in z.T:
        assert np.mean(np.abs(column) < 2) == pytest.approx(
            expected, abs=4 * np.sqrt(expected * 0.0455 / 300)
        )
        assert kstest(column, "norm").pvalue > 0.001


def test_with_all_noise_known_the_equations_are_exact():
    intercept, weights, edges, rng = known_model(8)
    noise = rng.normal(size=(60, 5))
    noise -= noise.mean(axis=0)
    noise = np.linalg.qr(noise)[0]  # uncorrelated with the parents exactly
    data = solve(intercept, weights, noise)
    model = StructuralCausalModel.fit(data, edges, names=NAMES)
    np.testing.assert_allclose(model.noise, noise, atol=1e-12)
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(model.do({name: 2.0}).mean, under(intercept, weights, i, 2.0), atol=1e-10)
    cut, held = weights.copy(), np.tile(intercept, (60, 1)) + noise
    cut[:, 1], held[:, 1] = 0, 0.7
    expected = held @ np.linalg.inv(np.eye(5) - cut)
    np.testing.assert_allclose(model.counterfactual(data, {"b": 0.7}), expected, atol=1e-10)


def chain(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Simulate x -> m -> y, x -> y, and an independent z."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    m = 0.5 * x + rng.normal(size=rows) * (1 + np.abs(x))
    y = 1 + 0.3 * x - 0.8 * m + rng.normal(size=rows)
    return pd.DataFrame({"x": x, "m": m, "y": y, "z": rng.normal(size=rows)})


EDGES = [("x", "m"), ("m", "y"), ("x", "y")]


@pytest.mark.parametrize("clustered", [False, True])
def test_effect_and_error_equal_robust_least_squares(clustered):
    # Without a mediator in between the effect is a coefficient, its error HC3 or the clustered one.
    data = chain()
    groups = np.arange(400) // 8 if clustered else None
    found = StructuralCausalModel.fit(data, EDGES, groups=groups).effect("m", "y")
    design = sm.add_constant(data[["x", "m"]])
    if clustered:
        kind = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}}
        factor = np.sqrt(50 / 49 * 400 / 397)
    else:
        kind, factor = {"cov_type": "HC3"}, 1.0
    fit = sm.OLS(data["y"], design).fit(**kind)
    assert found.value == pytest.approx(fit.params["m"], rel=1e-10)
    assert found.std_error == pytest.approx(fit.bse["m"] * factor, rel=1e-10)


def test_total_effect_equals_the_regression_without_the_mediator():
    # In the saturated linear model the effect through m and beside it is the slope of y on x alone.
    data = chain()
    found = StructuralCausalModel.fit(data, EDGES).effect("x", "y")
    assert found.value == pytest.approx(np.polyfit(data["x"], data["y"], 1)[0], rel=1e-10)
    slope = sm.OLS(data["y"], sm.add_constant(data["x"])).fit(cov_type="HC3").bse["x"]
    assert found.std_error == pytest.approx(slope, rel=0.01)


def test_no_intervention_gives_the_observed_means_and_units():
    data = chain()
    model = StructuralCausalModel.fit(data, EDGES)
    idle = model.do()
    pd.testing.assert_series_equal(idle.mean, data.mean())
    pd.testing.assert_series_equal(idle.std_error, data.std() / np.sqrt(400), rtol=0.01)
    pd.testing.assert_frame_equal(model.counterfactual(data), data)


def test_a_variable_affects_only_its_descendants():
    model = StructuralCausalModel.fit(chain(), EDGES)
    assert model.do({"y": 0.7}).mean["y"] == 0.7
    with pytest.raises(ValueError, match="snow"):
        model.effect("x", "snow")
    assert model.effect("y", "x").value == 0
    assert model.effect("z", "y").value == 0
    pd.testing.assert_series_equal(model.do({"y": 9.0}).mean.drop("y"), model.do().mean.drop("y"))


def test_a_shift_adds_to_the_value_that_the_causes_give():
    data = chain()
    model = StructuralCausalModel.fit(data, EDGES)
    by = model.do(shift={"m": 2.0}).less(model.do(), "y")
    direct = model.effect("m", "y", low=0, high=2)
    assert (by.value, by.std_error) == pytest.approx((direct.value, direct.std_error))
    unit = data.iloc[0]
    shifted = model.counterfactual(unit.to_dict(), shift={"m": 2.0}).iloc[0]
    assert shifted["m"] == pytest.approx(unit["m"] + 2)
    assert shifted["y"] == pytest.approx(unit["y"] + direct.value)


def test_a_flexible_regressor_finds_a_curve_that_lines_miss():
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, size=600)
    data = pd.DataFrame({"x": x, "y": x**2 + 0.3 * rng.normal(size=600)})

    def forest() -> RandomForestRegressor:
        return RandomForestRegressor(30, min_samples_leaf=8, random_state=0)

    curved = StructuralCausalModel.fit(data, [("x", "y")], regressor=forest, draws=15, seed=0)
    found = curved.do({"x": 1.5})
    straight = StructuralCausalModel.fit(data, [("x", "y")]).do({"x": 1.5})
    assert abs(straight.mean["y"] - 2.25) > 0.5
    assert found.mean["y"] == pytest.approx(2.25, abs=0.2)
    assert 0.01 < found.std_error["y"] < 0.2


def test_a_placebo_has_no_effect_and_a_random_cause_changes_none():
    data, groups = chain(), np.arange(400) // 4
    placebo = placebo_treatment(data, EDGES, "m", "y", draws=99, seed=0, groups=groups)
    assert placebo.p_value == 0.01
    model = StructuralCausalModel.fit(data, EDGES, groups=groups)
    assert vars(placebo.effect) == pytest.approx(vars(model.effect("m", "y")))
    assert abs(placebo.perturbed.mean()) < 4 * placebo.perturbed.std() / np.sqrt(99)
    assert random_common_cause(data, EDGES, "m", "y", draws=20, seed=0).largest_change < 0.5


@pytest.mark.slow
def test_a_placebo_p_value_is_uniform_without_an_effect():
    # p of the placebo is uniform where there is no effect, with rows of a group alike or not.
    def p_value(seed: int, alike: bool) -> float:
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 5)
        level = rng.normal(size=(30, 2))[groups] if alike else 0
        data = pd.DataFrame(rng.normal(size=(150, 2)) + level, columns=["x", "y"])
        return placebo_treatment(data, [("x", "y")], "x", "y", draws=19, seed=seed, groups=groups).p_value

    for alike in (False, True):
        small = np.mean([p_value(seed, alike) <= 0.1 for seed in range(50)])
        assert small < 0.1 + 4 * np.sqrt(0.09 / 50)


@pytest.mark.parametrize("r", [0.05, 0.4, -0.9])
def test_an_unobserved_cause_as_strong_as_the_robustness_value_explains_the_effect(r):
    # Correlations of cause d, outcome y and unobserved u with u explaining RV of d, and of y given d.
    rv = robustness_value(r)
    du = np.sqrt(rv)
    yu = abs(r) * du + np.sqrt(rv * (1 - r**2) * (1 - rv))
    precision = np.linalg.inv([[1, abs(r), du], [abs(r), 1, yu], [du, yu, 1]])
    assert precision[0, 1] == pytest.approx(0, abs=1e-9)


def test_linearity_equals_the_wald_test_of_statsmodels():
    data = chain()
    groups = np.arange(400) // 8
    model = StructuralCausalModel.fit(data, EDGES, groups=groups)
    squares = ((data[["x", "m"]] - data[["x", "m"]].mean()) ** 2).add_suffix(" squared")
    design = sm.add_constant(pd.concat([data[["x", "m"]], squares], axis=1))
    kind = {"groups": groups, "use_correction": False}
    fit = sm.OLS(data["y"], design).fit(cov_type="cluster", cov_kwds=kind, use_t=True)
    factor = 50 / 49 * 400 / 395
    expected = f_distribution.sf(fit.f_test(np.eye(5)[3:]).fvalue / factor, 2, 49)
    assert linearity(model)["y"] == pytest.approx(expected, rel=1e-9)
    assert set(linearity(model)) == {"m", "y"}


def test_linearity_is_rejected_only_for_the_curved_equation():
    data = chain()
    curved = data.assign(y=data["y"] + 0.3 * data["m"] ** 2)
    found = linearity(StructuralCausalModel.fit(curved, EDGES))
    assert found["y"] < 1e-6
    assert found["m"] > 0.01


def test_a_discovered_graph_is_accepted_if_all_its_edges_are_directed():
    data = chain()[["x", "m", "y"]].assign(c=0.0)
    data["c"] = data["x"] + data["y"] + np.random.default_rng(0).normal(size=400)
    collider = cpdag_of_dag(["x", "m", "y", "c"], [("x", "y"), ("m", "y")])
    model = StructuralCausalModel.fit(data, collider)
    assert model.effect("x", "y").value != 0
    with pytest.raises(ValueError, match="no direction"):
        StructuralCausalModel.fit(data, cpdag_of_dag(["x", "m", "y", "c"], EDGES))


def test_columns_may_be_named_by_number():
    data = chain()
    named = StructuralCausalModel.fit(data, EDGES).do({"x": 1.0})
    by_number = StructuralCausalModel.fit(data.to_numpy(), [(0, 1), (1, 2), (0, 2)]).do({0: 1.0})
    assert by_number.mean[2] == named.mean["y"]
    assert by_number.std_error[2] == named.std_error["y"]
    by_default = StructuralCausalModel.fit(data.to_numpy(), [("X1", "X2")])
    assert by_default.names == ("X1", "X2", "X3", "X4")


@pytest.mark.parametrize(
    ("dag", "words"),
    [
        ([("x", "m", "y")], "pairs"),
        ([("x", "m"), ("m", "x")], "cycle"),
        (nx.DiGraph([("x", "snow")]), "snow"),
        ([("x", "y"), ("twice x", "y")], "linear functions"),
    ],
)
def test_invalid_graphs_are_refused(dag, words):
    data = chain()
    with pytest.raises(ValueError, match=words):
        StructuralCausalModel.fit(data.assign(**{"twice x": 2 * data["x"]}), dag)


def test_invalid_data_and_interventions_are_refused():
    data = chain()
    with pytest.raises(ValueError, match=r"'m'.*not finite"):
        StructuralCausalModel.fit(data.assign(m=np.nan), EDGES)
    with pytest.raises(ValueError, match="3 rows are too few"):
        StructuralCausalModel.fit(data[:3], EDGES)
    model = StructuralCausalModel.fit(data, EDGES)
    with pytest.raises(ValueError, match="snow"):
        model.do({"snow": 1.0})
    with pytest.raises(ValueError, match="both set and shifted"):
        model.do({"m": 1.0}, shift={"m": 1.0})
    with pytest.raises(ValueError, match="not finite"):
        model.do({"m": float("nan")})
    with pytest.raises(ValueError, match="expected all of"):
        model.counterfactual({"x": 1.0}, {"m": 0.0})


EXACT = np.random.default_rng(0).normal(size=(60, 3)) @ [[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]
CHAIN = [("a", "b"), ("b", "c"), ("a", "c")]


@pytest.mark.parametrize("offset", [1e6, 1e9])
def test_effects_do_not_depend_on_where_zero_lies(offset):
    # A level of 1e9 leaves seven digits of the values.
    moved = EXACT + np.array([offset, -offset, offset])
    near, far = (StructuralCausalModel.fit(data, CHAIN, names=["a", "b", "c"]) for data in (EXACT, moved))
    plain = near.effect("a", "c", low=0.5, high=2.0)
    other = far.effect("a", "c", low=0.5 + offset, high=2.0 + offset)
    assert other.value == pytest.approx(plain.value, abs=1e-5)
    assert other.std_error == pytest.approx(plain.std_error, rel=1e-4)
    assert far.equations["c"].intercept / offset == pytest.approx(
        1 - far.equations["c"].slopes @ [1, -1], rel=1e-5
    )


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(20), 3)])
def test_an_effect_that_one_row_or_group_determines_is_refused(groups):
    data = EXACT.copy()
    data[:, 0] = np.where(np.arange(60) < (1 if groups is None else 3), data[:, 0], 0.5)
    with pytest.raises(ValueError, match=r"one row or group alone .* parents of c, \['a', 'b'\]"):
        StructuralCausalModel.fit(data, CHAIN[1:], names=["a", "b", "c"], groups=groups)


def test_collinear_parents_are_named():
    data = np.column_stack([EXACT, 1e9 - EXACT[:, 0]])
    with pytest.raises(ValueError, match=r"parents of c, \['a', 'd'\]"):
        StructuralCausalModel.fit(data, [*CHAIN, ("d", "c")], names=["a", "b", "c", "d"])


def test_an_exact_equation_has_no_curve_and_no_change():
    a, b = EXACT[:, 0], EXACT[:, 1]
    data = np.column_stack([a, b, 2 * a - b + 1e6])
    model = StructuralCausalModel.fit(data, [("a", "c"), ("b", "c")], names=["a", "b", "c"])
    assert linearity(model)["c"] == 1.0
    assert model.effect("a", "c").value == pytest.approx(2, rel=1e-8)
    found = random_common_cause(
        data, [("a", "c"), ("b", "c")], "a", "c", draws=3, seed=0, names=["a", "b", "c"]
    )
    assert found.largest_change < 0.1


def test_refutations_need_draws_and_columns_that_vary():
    frame = pd.DataFrame(EXACT, columns=list("abc")).assign(k=0.1)
    for wrong, words in (
        ({"draws": 0}, "draws is 0"),
        ({"cause": "x"}, "'x' is unknown"),
        ({"cause": "k"}, "'k' is constant"),
    ):
        given = {"cause": "a", "draws": 2, "seed": 0} | wrong
        with pytest.raises(ValueError, match=words):
            placebo_treatment(frame, CHAIN, outcome="c", **given)


def test_robustness_value_at_the_ends():
    assert robustness_value(0.0) == 0
    assert robustness_value(-1.0) == robustness_value(1.0) == 1
    assert robustness_value(1 - 1e-9) == pytest.approx(1, abs=1e-8)
    for wrong in (1.1, float("nan")):
        with pytest.raises(ValueError, match="from -1 to 1"):
            robustness_value(wrong)
