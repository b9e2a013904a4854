"""The sampler against the exact posterior, on simulated and real series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.changepoint import (
    NormalIndependentInverseWishart,
    NormalInverseWishart,
    TrendRegimes,
    exact_posterior,
    sample_posterior,
)
from methods.changepoint.sampler import placement
from tests.external import external_data

ROOT = Path(__file__).resolve().parents[2]
CONJUGATE = NormalInverseWishart(np.zeros(3), 0.1, 5.0, np.eye(3))
INDEPENDENT = NormalIndependentInverseWishart(np.zeros(3), 4 * np.eye(3), 5.0, np.eye(3))
PRIORS = pytest.mark.parametrize("prior", [CONJUGATE, INDEPENDENT], ids=["conjugate", "independent"])
QUIET = pytest.mark.filterwarnings("ignore:the variance of the log likelihood", "ignore:chains not mixed")


def simulated() -> np.ndarray:
    return pd.read_csv(external_data("benchmarks", "changepoint", "sim3d_a.csv")).to_numpy()


def music() -> np.ndarray:
    years = pd.read_parquet(ROOT / "data" / "source" / "music_years.parquet").sort_values("year")
    values = years[["energy_mean", "valence_mean", "danceability_mean"]].to_numpy(float)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def assert_close_to_exact(y, prior, rate, min_length, weights=None):
    exact = exact_posterior(y, prior, rate, min_length, weights=weights)
    found = sample_posterior(y, prior, rate, min_length, draws=1000, chains=4, seed=3, weights=weights)
    assert np.abs(found.count_probability - exact.count_probability).sum() / 2 <= 0.02
    assert np.abs(found.location_probability - exact.location_probability).max() <= 0.02
    return found, exact


@QUIET
@pytest.mark.slow
@PRIORS
def test_finds_the_exact_posterior_of_a_simulated_series(prior):
    found, exact = assert_close_to_exact(simulated(), prior, 2.0, 5)
    assert list(found.map_locations) == list(exact.map_locations)
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.05)
    np.testing.assert_allclose(found.regime_means, exact.regime_means, atol=0.05)
    np.testing.assert_allclose(found.regime_covariances, exact.regime_covariances, atol=0.2)
    assert found.waic.value == pytest.approx(exact.waic.value, abs=2)
    assert found.mixing.warning is None
    assert found.mixing.r_hat < 1.01


@QUIET
@pytest.mark.slow
@PRIORS
def test_finds_the_exact_posterior_of_the_years_of_music(prior):
    found, _ = assert_close_to_exact(music(), prior, 3.0, 4)
    assert found.mixing.warning is None


@pytest.mark.slow
@QUIET
@PRIORS
def test_chains_mix_and_their_draws_are_admissible(prior):
    rng = np.random.default_rng(1)
    y = np.vstack([rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 3])
    found, exact = assert_close_to_exact(y, prior, 1.0, 3)
    assert len(found.draws) == 4000
    assert all(min(np.diff([0, *cuts, 24])) >= 3 for cuts in found.draws)
    counts = np.bincount([len(cuts) for cuts in found.draws], minlength=21) / 4000
    np.testing.assert_allclose(counts, exact.count_probability, atol=0.04)
    assert found.location_probability.sum() == pytest.approx(found.count_probability @ np.arange(21))


@pytest.mark.slow
@QUIET
@PRIORS
def test_weights_enter_as_in_the_exact_posterior(prior):
    rng = np.random.default_rng(2)
    weights = rng.gamma(1.0, size=16) + 0.1
    y = rng.normal(size=(16, 3)) / np.sqrt(weights)[:, None]
    y[9:] += 2
    assert_close_to_exact(y, prior, 1.0, 2, weights=weights)


@pytest.mark.slow
@QUIET
def test_equal_seeds_give_equal_results_and_others_do_not():
    y = np.random.default_rng(3).normal(size=(20, 3))
    first, same, other = (
        sample_posterior(y, CONJUGATE, 2.0, draws=50, chains=2, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.location_probability, same.location_probability)
    assert first.waic.value == same.waic.value
    assert not np.array_equal(first.location_probability, other.location_probability)


@pytest.mark.slow
@QUIET
@PRIORS
def test_accepts_a_series_far_from_the_prior(prior):
    y = np.random.default_rng(4).normal(size=(20, 3)) * 1e-3 + 1e4
    found = sample_posterior(y, prior, 1.0, 2, draws=20, chains=2, seed=0)
    assert np.isfinite(found.location_probability).all()
    assert np.isfinite(found.regime_means).all()


@pytest.mark.slow
@QUIET
@PRIORS
@pytest.mark.parametrize(
    ("y", "min_length", "k_max"),
    [(np.zeros((1, 3)), 1, 20), (np.full((30, 3), 7.0), 1, 20), (np.eye(3), 3, 20), (np.eye(3), 1, 0)],
    ids=["one observation", "constant", "room for one regime", "no change admitted"],
)
def test_accepts_series_with_little_information(prior, y, min_length, k_max):
    exact = exact_posterior(y, prior, 1.5, min_length, k_max)
    found = sample_posterior(y, prior, 1.5, min_length, k_max, draws=1000, chains=2, seed=0)
    assert found.count_probability.shape == (k_max + 1,)
    np.testing.assert_allclose(found.count_probability, exact.count_probability, atol=0.02)
    np.testing.assert_allclose(found.location_probability, exact.location_probability, atol=0.02)


def test_every_admissible_placement_is_equally_likely():
    rng = np.random.default_rng(5)
    drawn = pd.Series([tuple(placement(rng, 8, 2, 2)) for _ in range(6000)]).value_counts()
    # 6 placements leave three segments of two or more; four standard errors.
    assert len(drawn) == 6
    np.testing.assert_allclose(drawn / 6000, 1 / 6, atol=4 * np.sqrt(5 / 36 / 6000))


@pytest.mark.slow
@QUIET
def test_short_chains_cause_a_warning():
    y = np.random.default_rng(6).normal(size=(40, 3)).cumsum(axis=0)
    with pytest.warns(UserWarning, match="chains have not converged"):
        found = sample_posterior(y, CONJUGATE, 3.0, draws=20, chains=4, seed=0, warmup=0, thin=1)
    assert "raise draws or thin" in found.mixing.warning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([[0.0, 0, 0], [np.nan, 0, 0]])}, "rows \\[1\\]"),
        ({"y": np.zeros((9, 2))}, "expected \\(T, 3\\)"),
        ({"y": np.zeros((0, 3))}, "0 observations"),
        ({"min_length": 10}, "9 observations, fewer than min_length = 10"),
        ({"rate": -1.0}, "rate > 0"),
        ({"k_max": -1}, "k_max >= 0"),
        ({"draws": 0}, "draws >= 4"),
        ({"chains": 0}, "chains >= 1"),
        ({"prior": TrendRegimes(np.zeros(3), np.ones(3), np.ones(3))}, "expected NormalInverseWishart or"),
    ],
)
def test_invalid_arguments_are_named(change, message):
    arguments = {"y": np.zeros((9, 3)), "prior": INDEPENDENT, "rate": 1.0, "draws": 9, "chains": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        sample_posterior(**(arguments | change))
