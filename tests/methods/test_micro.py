"""The model of songs against statsmodels, densities and simulated songs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from methods.temporal import micro
from methods.temporal.micro_basis import brownian_shape, contrasts, polynomials, section_bases
from methods.temporal.micro_em import shrink_covariance
from methods.temporal.micro_scores import (
    common_curve,
    compare,
    constant,
    hold_out_last,
    hold_out_one,
    hold_out_random,
    interpolation,
    score_model,
    score_point,
)


def songs(seed: int, n: int = 150, *, known=None, shared=None, classes=((0.3, 0.02, 1.0),)):
    """Draw songs: classes are (sd of the amplitudes, noise variance, share)."""
    rng = np.random.default_rng(seed)
    basis = polynomials(8, 2)
    kind = rng.choice(len(classes), size=n, p=[share for *_, share in classes])
    amplitude = np.array([sd for sd, *_ in classes])[kind]
    own = np.column_stack([rng.normal(0.5, 0.4, n), amplitude[:, None] * rng.normal(size=(n, 2))])
    noise = np.array([variance for _, variance, _ in classes])[kind]
    values = own @ basis.T + rng.normal(size=(n, 8)) * np.sqrt(noise)[:, None]
    if known is not None:
        values = values + rng.normal(size=(n, 8)) * np.sqrt(known)
    if shared is not None:
        values = values + (rng.normal(size=n) * np.sqrt(shared))[:, None]
    return values, basis, own, kind


def test_one_class_equals_statsmodels():
    import pandas as pd
    import statsmodels.formula.api as smf

    values, basis, *_ = songs(0, 60)
    values[::3, 2] = np.nan
    table = pd.DataFrame(
        {
            "y": values.ravel(),
            "song": np.repeat(np.arange(60), 8),
            "a": np.tile(basis[:, 1], 60),
            "b": np.tile(basis[:, 2], 60),
        }
    ).dropna()
    oracle = smf.mixedlm("y ~ a + b", table, groups="song", re_formula="~ a + b").fit(reml=False)
    ours = micro.fit(values, basis, classes=1, iterations=3000, tolerance=1e-12)
    assert ours.log_likelihood[-1] == pytest.approx(oracle.llf, abs=1e-3)
    np.testing.assert_allclose(ours.mean, oracle.fe_params, atol=1e-4)
    np.testing.assert_allclose(ours.covariance[0], oracle.cov_re, atol=1e-3)
    assert ours.noise[0] == pytest.approx(oracle.scale, rel=1e-3)


def test_posterior_equals_the_joint_normal_distribution():
    known = np.random.default_rng(1).uniform(0.01, 0.1, (40, 8))
    shared = np.random.default_rng(2).uniform(0.01, 0.2, 40)
    values, basis, *_ = songs(3, 40, known=known, shared=shared)
    values[:, 5] = np.nan
    model = micro.fit(values, basis, known=known, shared=shared, classes=2, iterations=20)
    found = micro.posterior(model, values, basis, known=known, shared=shared)
    seen = np.arange(8) != 5
    for song in range(0, 40, 7):
        parts = []
        for c in range(2):
            curve = basis @ model.covariance[c] @ basis.T + shared[song]
            whole = curve + np.diag(known[song] + model.noise[c])
            inner = whole[np.ix_(seen, seen)]
            density = multivariate_normal((basis @ model.mean)[seen], inner).logpdf(values[song, seen])
            rest = np.linalg.solve(inner, values[song, seen] - (basis @ model.mean)[seen])
            own = model.mean + model.covariance[c] @ basis[seen].T @ rest
            there = (basis @ model.mean)[5] + curve[5, seen] @ rest
            spread = curve[5, 5] - curve[5, seen] @ np.linalg.solve(inner, curve[seen, 5])
            parts.append((np.log(model.weight[c]) + density, own, there, spread))
        logs = np.array([part[0] for part in parts])
        share = np.exp(logs - np.logaddexp(*logs))
        assert found.log_likelihood[song] == pytest.approx(np.logaddexp(*logs), abs=1e-8)
        np.testing.assert_allclose(
            found.coefficients[song],
            share @ np.array([part[1] for part in parts]),
            atol=1e-8,
        )
        np.testing.assert_allclose(found.class_curve[song, :, 5], [part[2] for part in parts], atol=1e-8)
        np.testing.assert_allclose(found.class_variance[song, :, 5], [part[3] for part in parts], atol=1e-8)


def test_likelihood_never_falls():
    known = np.random.default_rng(1).uniform(0, 0.1, (80, 8))
    values, basis, *_ = songs(4, 80, known=known, shared=np.full(80, 0.1))
    fitted = micro.fit(values, basis, known=known, shared=np.full(80, 0.1), tolerance=1e-9)
    assert np.diff(fitted.log_likelihood).min() > -1e-8
    assert len(fitted.log_likelihood) > 5


def test_calm_and_restless_songs_are_distinguished():
    values, basis, own, kind = songs(5, 600, classes=((0.02, 0.001, 0.6), (0.6, 0.05, 0.4)))
    fitted = micro.fit(values, basis, classes=2)
    calm = int(np.argmin(fitted.noise))
    # standard error of a share of 600 is 0.02; of a variance over some 2,000 values 3 %
    assert fitted.weight[calm] == pytest.approx(0.6, abs=0.08)
    np.testing.assert_allclose(fitted.noise[[calm, 1 - calm]], [0.001, 0.05], rtol=0.15)
    found = micro.posterior(fitted, values, basis)
    assert np.mean(found.share.argmax(axis=1) == np.where(kind == 0, calm, 1 - calm)) > 0.97
    assert np.corrcoef(found.coefficients[:, 1], own[:, 1])[0, 1] > 0.98


def test_known_errors_do_not_count_as_differences_between_songs():
    # baselines vary by 0.16, raters by another 0.3: only the first is the songs' own
    shared = np.full(2000, 0.3)
    values, basis, own, _ = songs(6, 2000, shared=shared)
    blind = micro.fit(values, basis, classes=1)
    told = micro.fit(values, basis, shared=shared, classes=1)
    assert blind.covariance[0, 0, 0] == pytest.approx(0.46, rel=0.1)
    assert told.covariance[0, 0, 0] == pytest.approx(0.16, rel=0.2)
    found = micro.posterior(told, values, basis, shared=shared).coefficients[:, 0]
    raw = values.mean(axis=1)
    assert np.mean((found - own[:, 0]) ** 2) < 0.6 * np.mean((raw - own[:, 0]) ** 2)


def test_polynomials_are_orthogonal():
    basis = polynomials(10, 4)
    np.testing.assert_allclose(basis.T @ basis, 10 * np.eye(5), atol=1e-9)
    np.testing.assert_allclose(basis[:, 0], 1)
    assert (np.diff(basis[:, 1]) > 0).all()


def test_held_out_sections_and_baselines():
    assert (hold_out_random((50, 10), 3, seed=0).sum(axis=1) == 3).all()
    assert hold_out_last((2, 5), 2).tolist() == [[False] * 3 + [True] * 2] * 2
    values = np.array([[1.0, np.nan, 3.0, np.nan], [0.0, 0.0, np.nan, 6.0]])
    np.testing.assert_allclose(interpolation(values), [[1, 2, 3, 3], [0, 0, 3, 6]])
    np.testing.assert_allclose(constant(values), [[2] * 4, [2] * 4])
    learn = np.array([[0.0, 1.0, 2.0, 3.0], [5.0, 6.0, 7.0, 8.0]])
    np.testing.assert_allclose(
        common_curve(np.array([[4.0, np.nan, np.nan, np.nan]]), learn)[0], [4, 5, 6, 7]
    )


def test_scores_equal_their_definition():
    values, basis, *_ = songs(7, 300)
    held_out = hold_out_random(values.shape, 2, seed=1)
    model = micro.fit(values, basis, classes=1)
    found = score_model(model, values, basis, held_out)
    seen = np.where(held_out, np.nan, values)
    posterior = micro.posterior(model, seen, basis)
    error = (values - posterior.curve)[held_out]
    variance = (posterior.class_variance[:, 0] + model.noise[0])[held_out]
    assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    expected = np.mean(-0.5 * (error**2 / variance + np.log(2 * np.pi * variance)))
    assert found.log_density == pytest.approx(expected)
    plain = score_point(values, constant(seen), held_out, 0.2)
    assert plain.rmse == pytest.approx(np.sqrt(np.mean((values - constant(seen))[held_out] ** 2)))
    # songs that truly follow the basis: the model must beat their mean and a line
    assert found.rmse < 0.9 * score_point(values, interpolation(seen), held_out, 0.2).rmse < plain.rmse


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, b: (np.where(np.arange(len(v))[:, None] == 3, np.nan, v), b), "row 3 has no value"),
        (lambda v, b: (v, b[:, 1:]), "first column of basis"),
        (lambda v, b: (v[:3], b), "3 songs for 3 basis functions"),
        (lambda v, b: (np.ones_like(v), b), "expected variation within songs"),
    ],
)
def test_errors_name_invalid_input(change, message):
    values, basis, *_ = songs(8, 20)
    with pytest.raises(ValueError, match=message):
        micro.fit(*change(values, basis))


def test_negative_variance_is_refused():
    values, basis, *_ = songs(8, 20)
    with pytest.raises(ValueError, match="variances"):
        micro.fit(values, basis, shared=np.full(20, -1.0))


def test_under_a_brownian_path_a_held_out_section_is_interpolated():
    basis = polynomials(10, 9)
    covariance = np.zeros((1, 10, 10))
    covariance[0, 0, 0], covariance[0, 1:, 1:] = 1e6, brownian_shape(basis)
    model = micro.MicroFit(np.zeros(10), covariance, np.array([1e-6]), np.ones(1), np.array([]), True)
    values = np.random.default_rng(9).normal(size=(20, 10)).cumsum(axis=1)
    held_out = hold_out_random(values.shape, 3, seed=2)
    seen = np.where(held_out, np.nan, values)
    np.testing.assert_allclose(micro.posterior(model, seen, basis).curve, interpolation(seen), atol=1e-4)


def test_pooled_shape_is_the_highest_posterior():
    from scipy.optimize import minimize

    rng = np.random.default_rng(10)
    own, shape = (np.cov(rng.normal(size=(4, 30))) for _ in range(2))
    covariance = np.eye(5)
    covariance[1:, 1:] = own
    songs, strength = 12.0, 5.0
    found = shrink_covariance(covariance, songs, micro.Prior(shape, strength))[1:, 1:]

    def loss(x):
        root, scale = np.zeros((4, 4)), np.exp(x[-1])
        root[np.tril_indices(4)] = x[:-1]
        omega = root @ root.T
        inverse = np.linalg.inv(omega)
        fits = songs * (np.linalg.slogdet(omega)[1] + np.trace(own @ inverse))
        prior = np.linalg.slogdet(omega)[1] + scale * np.trace(shape @ inverse) - 4 * x[-1]
        return 0.5 * (fits + strength * prior)

    best = minimize(loss, np.r_[np.linalg.cholesky(own)[np.tril_indices(4)], 0.0], tol=1e-10).x
    root = np.zeros((4, 4))
    root[np.tril_indices(4)] = best[:-1]
    np.testing.assert_allclose(found, root @ root.T, atol=1e-4)


def test_shrinking_a_class_to_its_shape_predicts_better_and_never_falls():
    # 20 songs do not identify the covariance of nine amplitudes
    rng = np.random.default_rng(11)
    values = 0.3 * rng.normal(size=(420, 10)).cumsum(axis=1)
    basis, held_out = polynomials(10, 9), hold_out_random((400, 10), 3, seed=3)
    prior = micro.Prior(brownian_shape(basis), 100)
    alone = micro.fit(values[:20], basis, classes=1)
    shrunk = micro.fit(values[:20], basis, classes=1, prior=prior, tolerance=1e-9)
    assert np.diff(shrunk.log_likelihood).min() > -1e-7
    rmse = [score_model(model, values[20:], basis, held_out).rmse for model in (alone, shrunk)]
    assert rmse[1] ** 2 < 0.9 * rmse[0] ** 2
    # the line is the best there is for a Brownian path
    scored, excess, error = compare(shrunk, values[:20], values[20:], basis, [held_out])
    assert scored["model"].rmse == pytest.approx(rmse[1])
    assert excess == pytest.approx(rmse[1] ** 2 / scored["straight line"].rmse ** 2 - 1)
    assert abs(excess) < 0.05
    assert 0 < error < 0.05


def test_bases_of_sections():
    columns = contrasts(4)
    np.testing.assert_allclose(columns.T @ columns, 4 * np.eye(4), atol=1e-9)
    position = np.array([[0.0, 0.5, np.nan], [0.1, 0.2, 1.0]])
    found = section_bases(position, 3)
    np.testing.assert_allclose(found["position"][0, :, 1], [-1, 0, 0])
    assert {name: one.shape for name, one in found.items()} == {
        "baseline": (2, 3, 1), "position": (2, 3, 2), "kind": (2, 3, 3),
    }  # fmt: skip
    held_out = hold_out_one(position, seed=0)
    assert (held_out.sum(axis=1) == 1).all()
    assert not held_out[0, 2]


def test_held_out_sections_are_within_their_bands():
    # paths of one class: 1,200 held_out sections, so a share of 0.9 has a standard error of 0.01
    values = 0.3 * np.random.default_rng(12).normal(size=(800, 10)).cumsum(axis=1)
    basis, held_out = polynomials(10, 9), hold_out_random((400, 10), 3, seed=4)
    model = micro.fit(values[:400], basis, classes=1, prior=micro.Prior(brownian_shape(basis), 100))
    found = micro.posterior(model, np.where(held_out, np.nan, values[400:]), basis)
    off = (values[400:] - found.curve) / np.sqrt(found.curve_variance + found.noise[:, None])
    assert off[held_out].std() == pytest.approx(1, abs=0.06)
    assert np.mean(np.abs(off[held_out]) < 1.645) == pytest.approx(0.9, abs=0.03)
