"""Causal discovery and Granger tests against published figures, references and simulations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from statsmodels.tsa.stattools import grangercausalitytests

from methods.causal import (
    Background,
    Edge,
    bootstrap_graphs,
    discover,
    granger,
    panel_granger,
    partial_correlation,
)

BENCHMARKS = Path("/work/shared/data/benchmarks")
YEARS = Path(__file__).parents[2] / "data/source/music_years.parquet"


def needs(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def cpdag_of(nodes: list[str], edges: list[tuple[str, str]]) -> np.ndarray:
    from causallearn.graph.Dag import Dag
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.DAG2CPDAG import dag2cpdag

    known = {name: GraphNode(name) for name in nodes}
    dag = Dag(list(known.values()))
    for source, target in edges:
        dag.add_directed_edge(known[source], known[target])
    return dag2cpdag(dag).graph


def structural_hamming_distance(a: np.ndarray, b: np.ndarray) -> int:
    return sum((a[i, j], a[j, i]) != (b[i, j], b[j, i]) for i in range(len(a)) for j in range(i))


# Reference: the best of causal-learn's rules on each (pc_reference_scores.csv for linear_10;
# gaussian_alarm 2 by priority 4, where its default rule has 14).
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"), [("gaussian_alarm_n10000", 2), ("linear_10", 9), ("linear_1", 4), ("linear_2", 5)]
)
def test_distance_to_the_true_graph(name, most):
    data = pd.read_parquet(needs(BENCHMARKS / "causal" / f"{name}.parquet"))
    truth = json.loads((BENCHMARKS / "causal" / f"{name.removesuffix('_n10000')}_graphs.json").read_text())
    found = discover(data.to_numpy(), names=truth["nodes"])
    expected = cpdag_of(truth["nodes"], truth["true_edges"])
    assert structural_hamming_distance(found.matrix, expected) <= most


def simulated(n: int = 4000) -> np.ndarray:
    """season -> rain -> wet <- sprinkler, linear and Gaussian."""
    noise = np.random.default_rng(3).normal(size=(n, 4))
    season, sprinkler = noise[:, 0], noise[:, 2]
    rain = 0.8 * season + noise[:, 1]
    return np.column_stack([season, rain, sprinkler, 0.7 * rain + 0.9 * sprinkler + noise[:, 3]])


NAMES = ("season", "rain", "sprinkler", "wet")


def test_graph_of_a_known_model():
    assert set(discover(simulated(), names=NAMES).edges) == {
        Edge("season", "rain", "undirected"),
        Edge("rain", "wet", "directed"),
        Edge("sprinkler", "wet", "directed"),
    }


def test_time_order_directs_and_forbidden_edges_stay_out():
    background = Background(tiers=[["season"], ["rain", "sprinkler"], ["wet"]])
    found = discover(simulated(), names=NAMES, background=background)
    assert Edge("season", "rain", "directed") in found.edges
    assert found.parents("wet") == ("rain", "sprinkler")
    against = Background(forbidden=[("season", "rain")])
    assert Edge("rain", "season", "directed") in discover(simulated(), names=NAMES, background=against).edges
    with pytest.raises(ValueError, match="snow"):
        discover(simulated(), names=NAMES, background=Background(tiers=[["snow"]]))


def test_constant_column_is_named():
    data = simulated(50)
    data[:, 2] = 1.0
    with pytest.raises(ValueError, match="sprinkler"):
        discover(data, names=NAMES)


def test_bootstrap_draws_whole_groups():
    # Two uncorrelated columns, each row there forty times. The correlation of a resample spreads
    # by 1/sqrt(60) where groups are drawn, by 1/sqrt(2400) where rows are: at alpha = 0.01 an edge
    # stands in P(|z| > 2.576 / sqrt(40)) = 0.68 of the graphs, or in 0.01. Four standard errors.
    pair = np.linalg.qr(np.column_stack([np.ones(60), np.random.default_rng(0).normal(size=(60, 2))]))[0][
        :, 1:
    ]
    data = np.repeat(pair, 40, axis=0)
    by_group = bootstrap_graphs(data, np.repeat(np.arange(60), 40), 80, seed=1)
    by_row = bootstrap_graphs(data, np.arange(2400), 80, seed=1)
    share = [np.mean([bool(graph.edges) for graph in graphs]) for graphs in (by_group, by_row)]
    expected = 2 * norm.sf(2.576 / np.sqrt(40))
    assert share[0] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 80))
    assert share[1] < 0.06
    again = bootstrap_graphs(data, np.repeat(np.arange(60), 40), 80, seed=1)
    assert [graph.edges for graph in again] == [graph.edges for graph in by_group]


def test_partial_correlation_is_that_of_regression_residuals():
    data = simulated(500)
    design = sm.add_constant(data[:, [1, 2]])
    residuals = [data[:, i] - sm.OLS(data[:, i], design).fit().fittedvalues for i in (0, 3)]
    expected = np.corrcoef(*residuals)[0, 1]
    assert partial_correlation(data, 0, 3, [1, 2]) == pytest.approx(expected, abs=1e-12)


def test_granger_chicken_and_egg_as_published():
    series = pd.read_csv(needs(BENCHMARKS / "granger/chickegg.csv"))
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
    assert ours.f == pytest.approx(f, rel=1e-8)
    assert ours.p_value == pytest.approx(p_value, rel=1e-8)


def test_granger_refuses_a_series_too_short():
    with pytest.raises(ValueError, match="degree of freedom"):
        granger(np.arange(6.0), np.arange(6.0), 2)


def panel(seed: int, units: int = 300, length: int = 16, effect: float = 0.0) -> dict[str, np.ndarray]:
    """Short autoregressions with levels of their own; the errors of x and y go together."""
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


def test_jackknife_mends_the_level_of_the_test():
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


def test_panel_finds_an_effect_that_is_there():
    found = panel_granger(**panel(5, units=400, effect=0.2))
    assert found.test.p_value < 1e-3
    assert found.coefficients[0] == pytest.approx(0.2, abs=4 * found.std_errors[0])
