"""Variational inference against SciPy, dense algebra, differences and NUTS."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from methods.variational import (
    Careers,
    Gamma,
    Gaussian,
    Globals,
    Prior,
    careers_of,
    coordinate_ascent,
    gradient_ascent,
    natural_gradient,
    natural_gradient_ascent,
    sample,
    smooth,
    structured_ascent,
)
from methods.variational.gradient import natural_step, plain_gradient
from methods.variational.mean_field import FACTORS, MeanField, bound, initial, optimal

SOURCE = Path(__file__).parents[2] / "data" / "source" / "career_audio.parquet"


def simulated(seed: int, artists: int = 5, longest: int = 7, d: int = 2) -> Careers:
    """Draw careers from the model, with years of one song and years without songs."""
    rng = np.random.default_rng(seed)
    parts = []
    for artist in range(artists):
        years = int(rng.integers(1, longest + 1))
        level, state = rng.normal(0, 0.7, d), np.zeros(d)
        for year in range(years):
            state = 0.6 * state + rng.normal(0, 0.4, d)
            n = int(rng.integers(1, 6)) if year in (0, years - 1) or rng.random() < 0.6 else 0
            if n:
                songs = rng.normal(level + state, 1, (n, d))
                spread = songs.std(axis=0, ddof=1) if n > 1 else np.full(d, np.nan)
                parts.append((artist, year, n, songs.mean(axis=0), spread))
    artist, year, n, mean, spread = (np.array(column) for column in zip(*parts, strict=True))
    return careers_of(artist, year, n.astype(float), mean, spread)[0]


def real(artists: int, seed: int = 0) -> Careers:
    """Return the standardised valence of some real careers."""
    rows = pd.read_parquet(SOURCE).astype({"year": int}).sort_values(["artist_id", "year"])
    chosen = np.random.default_rng(seed).choice(rows["artist_id"].unique(), artists, replace=False)
    rows = rows[rows["artist_id"].isin(chosen)]
    mean, spread = (rows[[f"valence_{part}"]].to_numpy(float) for part in ("mean", "sd"))
    scale = mean.std()
    return careers_of(
        rows["artist_id"].to_numpy(int), rows["year"].to_numpy(int), rows["n_songs"].to_numpy(float),
        (mean - mean.mean()) / scale, spread / scale,
    )[0]  # fmt: skip


def somewhere(careers: Careers, seed: int) -> MeanField:
    """Create a mean-field posterior with random factors."""
    rng = np.random.default_rng(seed)
    q = initial(careers, Prior())
    drawn = {}
    for name in FACTORS:
        factor = getattr(q, name)
        shape = factor.mean.shape
        low, high = rng.gamma(5, 0.2, (2, *shape))
        if isinstance(factor, Gaussian):
            drawn[name] = Gaussian(rng.normal(0, 0.5, shape), low)
        else:
            drawn[name] = Gamma(4 * low, high)
    return replace(q, **drawn)


def log_joint(careers: Careers, z: dict[str, np.ndarray], prior: Prior) -> float:
    """Compute the joint log density term by term, by SciPy."""
    total = 0.0
    for field in fields(prior):
        one, value = getattr(prior, field.name), z[field.name]
        if isinstance(one, Gaussian):
            total += stats.norm.logpdf(value, one.mean, one.variance**0.5).sum()
        else:
            total += stats.gamma.logpdf(value, one.shape, scale=1 / one.rate).sum()
    sd = {name: z[f"{name}_precision"] ** -0.5 for name in ("level", "start", "innovation", "song")}
    total += stats.norm.logpdf(z["level"], z["population"], sd["level"]).sum()
    for row, artist in enumerate(careers.artist):
        level, state = z["level"][artist], z["state"][row]
        if row in careers.start:
            total += stats.norm.logpdf(state, level, sd["start"]).sum()
        else:
            expected = level + z["persistence"] * (z["state"][row - 1] - level)
            total += stats.norm.logpdf(state, expected, sd["innovation"]).sum()
        # The likelihood of n songs with this mean and sum of squares, song by song: any such songs will do.
        n = int(careers.songs[row])
        if n:
            off = np.sqrt(careers.within[row] / 2) if n > 1 else 0 * state
            songs = careers.mean[row] + np.outer([1, -1] + [0] * (n - 2) if n > 1 else [0], off)
            total += stats.norm.logpdf(songs, state, sd["song"]).sum()
    return float(total)


def drawn(q: MeanField, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], float]:
    z, log_q = {}, 0.0
    for name in FACTORS:
        factor = getattr(q, name)
        if isinstance(factor, Gaussian):
            z[name] = rng.normal(factor.mean, factor.variance**0.5)
            log_q += stats.norm.logpdf(z[name], factor.mean, factor.variance**0.5).sum()
        else:
            z[name] = rng.gamma(factor.shape, 1 / factor.rate)
            log_q += stats.gamma.logpdf(z[name], factor.shape, scale=1 / factor.rate).sum()
    return z, float(log_q)


def test_bound_is_the_monte_carlo_mean_of_log_p_less_log_q():
    careers = simulated(1, artists=3, longest=4)
    q = somewhere(careers, 2)
    rng = np.random.default_rng(3)
    values = []
    for _ in range(800):
        z, log_q = drawn(q, rng)
        values.append(log_joint(careers, z, Prior()) - log_q)
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - bound(q, careers, Prior())) < 4 * error
    assert error < 0.02 * abs(np.mean(values))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 9))
def test_coordinate_ascent_never_lowers_the_bound(seed, artists, longest):
    careers = simulated(seed, artists, longest)
    for ascent in (coordinate_ascent, structured_ascent):
        trace = ascent(careers, max_steps=40, tolerance=0).elbo
        assert (np.diff(trace) >= -1e-9 * np.abs(trace[1:])).all()


@pytest.mark.parametrize("name", FACTORS)
def test_each_update_maximises_the_bound_along_its_factor(name):
    careers = simulated(4)
    q = somewhere(careers, 5)
    if name == "state":  # neighbours are optimal one at a time
        one = np.zeros_like(q.state.mean, dtype=bool)
        one[1] = True
        old, new = vars(q.state).values(), vars(optimal("state", q, careers, Prior())).values()
        factor = Gaussian(*(np.where(one, b, a) for a, b in zip(old, new, strict=True)))
    else:
        factor = optimal(name, q, careers, Prior())
    top = bound(replace(q, **{name: factor}), careers, Prior())
    rng = np.random.default_rng(6)
    first, second = factor.free
    for _ in range(20):
        shift = rng.normal(0, 0.05, (2, *first.shape))
        if name == "state":
            shift = shift * one
        moved = type(factor).from_free(first + shift[0], second + shift[1])
        assert bound(replace(q, **{name: moved}), careers, Prior()) < top


def fisher(factor: Gaussian | Gamma) -> np.ndarray:
    """Compute the covariance of the sufficient statistics, (..., 2, 2).

    From textbook moments.
    """
    if isinstance(factor, Gaussian):
        m, v = factor.mean, factor.variance
        blocks = [[v, 2 * m * v], [2 * m * v, 2 * v**2 + 4 * m**2 * v]]
    else:
        a, b = factor.shape, factor.rate
        blocks = [[polygamma(1, a), 1 / b], [1 / b, a / b**2]]
    return np.moveaxis(np.array(blocks), (0, 1), (-2, -1))


@pytest.mark.parametrize("name", FACTORS)
def test_natural_gradient_is_the_inverse_fisher_matrix_times_the_gradient(name):
    careers = simulated(7, artists=3, longest=4)
    q = somewhere(careers, 8)
    factor = getattr(q, name)
    natural = np.stack(factor.natural, axis=-1)
    gradient = np.zeros_like(natural)
    for place in np.ndindex(natural.shape):
        values = []
        step = 1e-5 * max(1.0, abs(natural[place]))
        for sign in (1, -1):
            moved = natural.copy()
            moved[place] += sign * step
            there = type(factor).from_natural(moved[..., 0], moved[..., 1])
            values.append(bound(replace(q, **{name: there}), careers, Prior()))
        gradient[place] = (values[0] - values[1]) / (2 * step)
    expected = np.linalg.solve(fisher(factor), gradient[..., None])[..., 0]
    found = np.stack(natural_gradient(name, q, careers, Prior()), axis=-1)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", FACTORS)
def test_plain_gradient_equals_finite_differences(name):
    careers = simulated(9, artists=3, longest=4)
    q = somewhere(careers, 10)
    factor = getattr(q, name)
    found = plain_gradient(name, q, careers, Prior())
    for which in (0, 1):
        for place in list(np.ndindex(found[0].shape))[:6]:
            values = []
            for sign in (1, -1):
                free = [part.copy() for part in factor.free]
                free[which][place] += sign * 1e-5
                values.append(bound(replace(q, **{name: type(factor).from_free(*free)}), careers, Prior()))
            assert found[which][place] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("name", FACTORS)
def test_a_natural_step_of_one_is_a_coordinate_update(name):
    careers = simulated(11)
    q = somewhere(careers, 12)
    moved = natural_step(getattr(q, name), natural_gradient(name, q, careers, Prior()), 1.0)
    for found, wanted in zip(
        vars(moved).values(), vars(optimal(name, q, careers, Prior())).values(), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_all_methods_reach_the_same_bound():
    careers = real(15)
    swept = coordinate_ascent(careers, tolerance=1e-11)
    natural = natural_gradient_ascent(careers, tolerance=1e-11)
    assert swept.converged
    assert natural.converged
    assert natural.elbo[-1] == pytest.approx(swept.elbo[-1], abs=1e-3)
    np.testing.assert_allclose(natural.moments.state.mean, swept.moments.state.mean, atol=1e-3)


def test_natural_gradient_needs_far_fewer_steps_than_the_plain_one():
    careers = real(15)
    top = coordinate_ascent(careers, tolerance=1e-11).elbo[-1]
    natural = natural_gradient_ascent(careers, tolerance=1e-11).elbo
    plain = gradient_ascent(careers, tolerance=0, max_steps=500).elbo
    steps = int(np.argmax(natural > top - 1))
    assert 0 < steps < 150
    # Ten times the steps do not bring the plain gradient as near.
    assert plain[: 4 * steps].max() < top - 1
    assert (np.diff(plain) > 0).all()


def dense_posterior(careers: Careers, theta: dict[str, float]) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute mean, covariance and log evidence of one dimension by dense algebra."""
    n, artists = len(careers.songs), len(careers.start)
    # (state, level) = offset + transform @ independent innovations
    transform = np.zeros((n + artists, n + artists))
    for i, start in enumerate(careers.start):
        transform[n + i, n + i] = 1
        departure = np.zeros(n + artists)
        for row in range(start, start + careers.length[i]):
            departure = theta["persistence"] * departure * (row > start)
            departure[row] += 1
            transform[row] = departure + transform[n + i]
    variance = np.full(n + artists, 1 / theta["innovation_precision"])
    variance[careers.start] = 1 / theta["start_precision"]
    variance[n:] = 1 / theta["level_precision"]
    cov = transform * variance @ transform.T
    observed = np.flatnonzero(careers.songs)
    noise = np.diag(1 / (theta["song_precision"] * careers.songs[observed]))
    gain = cov[:, observed] @ np.linalg.inv(cov[np.ix_(observed, observed)] + noise)
    off = careers.mean[observed, 0] - theta["population"]
    evidence = stats.multivariate_normal(cov=cov[np.ix_(observed, observed)] + noise).logpdf(off)
    return theta["population"] + gain @ off, cov - gain @ cov[observed], float(evidence)


THETA = {
    "population": 0.3, "persistence": 0.7, "level_precision": 2.0, "start_precision": 3.0,
    "innovation_precision": 9.0, "song_precision": 1.2,
}  # fmt: skip


def certain(theta: dict[str, float], sure: float) -> Globals:
    """Create factors almost without variance."""
    return Globals(
        **{
            name: Gaussian(np.array([value]), np.array([1 / sure]))
            if name in ("population", "persistence")
            else Gamma(np.array([sure]), np.array([sure / value]))
            for name, value in theta.items()
        }
    )


@pytest.mark.parametrize("seed", range(4))
def test_smoother_equals_dense_algebra(seed):
    careers = simulated(seed, artists=4, longest=8, d=1)
    mean, cov, _ = dense_posterior(careers, THETA)
    n = len(careers.songs)
    found = smooth(careers, certain(THETA, 1e12))
    np.testing.assert_allclose(found.state.mean[:, 0], mean[:n], atol=1e-8)
    np.testing.assert_allclose(found.state.variance[:, 0], np.diag(cov)[:n], atol=1e-8)
    np.testing.assert_allclose(found.level.mean[:, 0], mean[n:], atol=1e-8)
    np.testing.assert_allclose(found.level.variance[:, 0], np.diag(cov)[n:], atol=1e-8)
    contrast = np.eye(n + len(careers.start))[:n] - np.eye(n + len(careers.start))[n + careers.artist]
    second = contrast @ (cov + np.outer(mean, mean)) @ contrast.T
    np.testing.assert_allclose(found.departure_square[:, 0], np.diag(second), atol=1e-8)
    later = np.flatnonzero(careers.later)
    np.testing.assert_allclose(found.departure_product[later, 0], second[later, later - 1], atol=1e-8)
    assert found.entropy == pytest.approx(stats.multivariate_normal(cov=cov).entropy(), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_structured_bound_is_the_evidence_where_parameters_are_known(seed):
    careers = simulated(seed, artists=12, longest=8, d=1)
    theta = certain(THETA, 1e9)
    prior = Prior(
        **{
            name: type(factor)(*(part[0] for part in vars(factor).values()))
            for name, factor in vars(theta).items()
        }
    )
    observed, song = careers.songs > 0, THETA["song_precision"]
    # Log density of the songs about their yearly means, which is added to that of the means.
    about = 0.5 * (careers.songs.sum() - observed.sum()) * np.log(song / 2 / np.pi)
    about -= 0.5 * song * careers.within.sum() + 0.5 * np.log(careers.songs[observed]).sum()
    evidence = dense_posterior(careers, THETA)[2] + about
    fit = structured_ascent(careers, prior, tolerance=0, max_steps=5)
    assert fit.elbo[-1] == pytest.approx(evidence, abs=1e-4)
    assert coordinate_ascent(careers, prior).elbo[-1] < evidence - 1


def test_the_structured_bound_is_higher_on_real_careers():
    careers = real(15)
    assert structured_ascent(careers).elbo[-1] > coordinate_ascent(careers).elbo[-1] + 10


def test_years_without_songs_are_filled_in():
    careers, row = careers_of(
        np.array([3, 3, 8]), np.array([1990, 1993, 2001]), np.array([2.0, 1.0, 4.0]),
        np.array([[1.0], [2.0], [3.0]]), np.array([[0.5], [np.nan], [2.0]]),
    )  # fmt: skip
    assert careers.songs.tolist() == [2, 0, 0, 1, 4]
    assert careers.within[:, 0].tolist() == [0.25, 0, 0, 0, 12]
    assert row.tolist() == [0, 3, 4]
    assert careers.part(np.array([1, 0])).songs.tolist() == [4, 2, 0, 0, 1]


def test_errors_name_invalid_input():
    one = np.ones((2, 1))
    with pytest.raises(ValueError, match="sorted by artist, then year"):
        careers_of(np.array([1, 1]), np.array([2000, 2000]), np.ones(2), one, one)
    with pytest.raises(ValueError, match="no spread"):
        careers_of(np.array([1, 1]), np.array([2000, 2001]), np.full(2, 3.0), one, one * np.nan)
    with pytest.raises(ValueError, match="row 1: expected finite means"):
        Careers(np.ones(2), np.array([[0.0], [np.nan]]), 0 * one, np.array([0]))


@pytest.mark.slow
def test_structured_posterior_agrees_with_nuts_and_the_mean_field_does_not():
    careers = real(20)
    nuts = sample(careers, draws=700, tune=700, seed=0)
    assert nuts.largest_r_hat < 1.05
    structured, factorised = structured_ascent(careers), coordinate_ascent(careers)
    sd = nuts.state.variance**0.5
    off = np.abs(structured.moments.state.mean - nuts.state.mean) / sd
    assert off.mean() < 0.1
    ratio = np.sqrt(structured.moments.state.variance / nuts.state.variance)
    assert 0.9 < np.median(ratio) < 1.1
    # Known faults (Turner and Sahani 2011): persistence lost, parameters far too certain.
    lowest = nuts.mean["persistence"][0] - 2 * nuts.sd["persistence"][0]
    assert factorised.globals_.persistence.mean[0] < lowest
    for fit in (structured, factorised):
        q = fit.globals_.innovation_precision
        assert np.sqrt(q.shape / q.rate**2)[0] < 0.5 * nuts.sd["innovation_precision"][0]
