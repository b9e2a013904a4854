"""Student t by EM, and the choice of a family, on simulated tables."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats
from sklearn.mixture import GaussianMixture

from methods.characterise import StudentT, fit_student, recognise, student_log_density
from methods.characterise.families import Family, fit, most_factors, parameters
from methods.characterise.simulate import FAMILIES, draw

Floats = NDArray[np.float64]


def heavy(rows: int, degrees: float, seed: int) -> Floats:
    scatter = np.array([[2.0, 0.6], [0.6, 1.0]])
    law = stats.multivariate_t([1.0, -2.0], scatter, df=degrees)
    return np.asarray(law.rvs(rows, random_state=np.random.default_rng(seed)))


def test_the_density_is_that_of_scipy() -> None:
    values = heavy(200, 4, 0)
    law = StudentT(np.array([0.5, -1.0]), np.array([[1.5, 0.2], [0.2, 0.8]]), 3.7, np.array([0.0]))
    expected = stats.multivariate_t(law.location, law.scatter, df=law.degrees).logpdf(values)
    np.testing.assert_allclose(student_log_density(values, law), expected, rtol=1e-12)


def test_em_reaches_the_maximum_of_a_general_optimiser_and_never_falls() -> None:
    values = heavy(400, 3, 1)
    law = fit_student(values, tolerance=1e-12, rounds=500)
    assert (np.diff(law.log_likelihood) > -1e-8).all()

    def loss(point: Floats) -> float:
        root = np.array([[np.exp(point[2]), 0], [point[3], np.exp(point[4])]])
        density = stats.multivariate_t(point[:2], root @ root.T, df=np.exp(point[5]))
        return -float(density.logpdf(values).sum())

    best = optimize.minimize(loss, [1, -2, 0, 0, 0, 1], method="L-BFGS-B")
    assert law.log_likelihood[-1] == pytest.approx(-best.fun, abs=1e-3)
    assert law.degrees == pytest.approx(np.exp(best.x[5]), rel=0.02)
    np.testing.assert_allclose(law.location, best.x[:2], atol=0.01)


def test_normal_rows_give_many_degrees_of_freedom() -> None:
    values = np.random.default_rng(0).normal(size=(5000, 3))
    law = fit_student(values)
    assert law.degrees > 50
    np.testing.assert_allclose(law.scatter, np.eye(3), atol=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_candidate_is_a_density(family: Family) -> None:
    """Integrate by importance sampling from a wide proposal."""
    random = np.random.default_rng(0)
    values = draw("mixture", 300, columns=3, seed=0)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    density = fit(family, 2 if family == "mixture" else 1, values, floor=1e-3, seed=0)
    proposal = stats.multivariate_t(np.zeros(3), 2 * np.eye(3), df=3)
    points = proposal.rvs(200_000, random_state=random)
    ratio = np.exp(density(points) - proposal.logpdf(points))
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(len(ratio)))


def test_parameters_are_counted() -> None:
    assert parameters("normal", 1, 3) == 9
    assert parameters("student", 1, 3) == 10
    assert parameters("mixture", 2, 3) == 19
    # Loadings of 2 factors of 5 columns less one rotation, 5 variances, 5 means.
    assert parameters("factors", 2, 5) == 10 - 1 + 5 + 5
    assert most_factors(5) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_is_recognised_with_2000_rows(family: Family) -> None:
    """Check few tables; `python -m benchmarks.fusion recognise` has more."""
    chosen = [recognise(draw(family, 2000, seed=seed), seed=seed, folds=3).chosen for seed in range(2)]
    assert [score.family for score in chosen] == [family] * 2
    if family in ("mixture", "factors"):
        assert [score.size for score in chosen] == [3 if family == "mixture" else 2] * 2


@pytest.mark.parametrize("seed", range(6))
def test_few_rows_never_give_more_components_than_bic(seed: int) -> None:
    family = FAMILIES[seed % len(FAMILIES)]
    values = draw(family, 50, columns=3, seed=seed)
    choice = recognise(values, seed=seed, with_factors=False)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    scores = [
        GaussianMixture(size, reg_covar=1e-3, random_state=seed, max_iter=200).fit(scaled).bic(scaled)
        for size in range(1, 6)
    ]
    assert choice.chosen.size <= choice.bic_components == 1 + int(np.argmin(scores))


def test_units_change_nothing_and_a_column_that_repeats_another_is_floored() -> None:
    values = draw("student", 400, columns=3, seed=0)
    first = recognise(values, seed=0, most_components=2)
    second = recognise(values * [1e-6, 1.0, 1e6] + 5, seed=0, most_components=2)
    assert [score.log_likelihood for score in first.scores] == pytest.approx(
        [score.log_likelihood for score in second.scores], abs=1e-5
    )
    copied = recognise(np.column_stack([values, values[:, 0]]), seed=0, most_components=2)
    assert all(np.isfinite(score.log_likelihood) for score in copied.scores)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 20 rows"):
        recognise(np.random.default_rng(0).normal(size=(15, 2)), seed=0)
