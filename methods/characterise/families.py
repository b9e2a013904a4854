r"""Family of a table by cross-validated likelihood.

.. math:: P = \arg\max_F L(F, D)

(specification 1, section 5.2, phase 2), with the mean log density of rows that were not fitted: in
sample, the largest family always wins. The candidates are the normal law, the Student t law, mixtures of
2 or more normal laws, and factor analysis.

- Of the candidates that are not worse than the best by more than one standard error of their paired
  difference, the one with the fewest parameters is chosen.
- A mixture never has more components than the Bayesian information criterion chooses on all rows: with
  few rows, cross-validation alone sometimes rewards an outlier with a component.
- Every covariance has a floor, because a component on few rows otherwise has an unbounded density.

References
----------
Smyth, "Model selection for probabilistic clustering using cross-validated likelihood", Statistics and
Computing 10 (2000).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from methods.characterise.student import distances, fit_student, floored, student_log_density

Floats = NDArray[np.float64]
Family = Literal["normal", "student", "mixture", "factors"]
LogDensity = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Score:
    """One candidate.

    Attributes
    ----------
    family : str
    size : int
        Components of a mixture, factors of factor analysis; else 1.
    parameters : int
        Number of free parameters.
    log_likelihood : float
        Mean log density of a row that was not fitted, of columns scaled to a standard deviation of 1.
    behind : float
        Difference to the best candidate, 0 or more.
    error : float
        Standard error of that difference.
    """

    family: Family
    size: int
    parameters: int
    log_likelihood: float
    behind: float
    error: float


@dataclass(frozen=True)
class Choice:
    """The chosen candidate, all candidates, and the components by BIC."""

    chosen: Score
    scores: list[Score]
    bic_components: int


def recognise(
    values: Floats,
    *,
    seed: int,
    most_components: int = 5,
    folds: int = 5,
    floor: float = 1e-3,
    with_factors: bool = True,
) -> Choice:
    """Choose the family of a table.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Finite, columns that vary, n >= 4 d and n >= 20.
    seed : int
        Seed of the folds and of the starts of the mixtures.
    most_components : int
        Largest number of components, >= 1.
    folds : int
        Parts of the cross-validation.
    floor : float
        Smallest variance in any direction, of columns scaled to a standard deviation of 1.
    with_factors : bool
        Whether factor analysis is a candidate. It is none on principal components, which are
        uncorrelated.
    """
    rows, columns = values.shape
    if rows < max(4 * columns, 20):
        raise ValueError(
            f"values has {rows} rows and {columns} columns; expected at least {max(4 * columns, 20)} rows"
        )
    # An affine map adds the same constant to the log density of every family.
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    components = _components_by_bic(scaled, most_components, floor, seed)
    candidates: list[tuple[Family, int]] = [("normal", 1), ("student", 1)]
    candidates += [("mixture", size) for size in range(2, components + 1)]
    if with_factors:
        candidates += [("factors", size) for size in range(1, most_factors(columns) + 1)]
    part = np.random.default_rng(seed).permutation(rows) % folds
    densities = np.empty((len(candidates), rows))
    for number, (family, size) in enumerate(candidates):
        for fold in range(folds):
            fitted = fit(family, size, scaled[part != fold], floor=floor, seed=seed)
            densities[number, part == fold] = fitted(scaled[part == fold])
    return _choose(candidates, densities, columns, components)


def fit(family: Family, size: int, values: Floats, *, floor: float, seed: int) -> LogDensity:
    """Fit one candidate; return the function that gives the log density of rows."""
    if family == "student":
        law = fit_student(values, floor=floor, tolerance=1e-6)
        return lambda rows: student_log_density(rows, law)
    if family == "mixture":
        return mixture(values, size, floor, seed).score_samples
    if family == "factors":
        from sklearn.decomposition import FactorAnalysis

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unfinished fit has a lower likelihood, which counts
            model = FactorAnalysis(size, tol=1e-3, svd_method="lapack").fit(values)
        mean, covariance = model.mean_, model.get_covariance()
    else:
        mean, covariance = values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False, bias=True))
    covariance = floored(covariance, floor)

    def normal(rows: Floats) -> Floats:
        distance, log_det = distances(rows, mean, covariance)
        return np.asarray(-(distance + log_det + rows.shape[1] * math.log(2 * math.pi)) / 2)

    return normal


def mixture(values: Floats, size: int, floor: float, seed: int) -> Any:
    """Fit a mixture of normal laws with full covariances."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(size, reg_covar=floor, random_state=seed, n_init=1, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(values)


def parameters(family: Family, size: int, columns: int) -> int:
    """Return the number of free parameters of a candidate."""
    square = columns * (columns + 1) // 2
    return {
        "normal": columns + square,
        "student": columns + square + 1,
        "mixture": size * (columns + square) + size - 1,
        "factors": 2 * columns + columns * size - size * (size - 1) // 2,
    }[family]


def most_factors(columns: int) -> int:
    """Return the largest number of factors with fewer parameters than the normal law."""
    normal = parameters("normal", 1, columns)
    return sum(parameters("factors", size, columns) < normal for size in range(1, columns))


def _components_by_bic(values: Floats, most: int, floor: float, seed: int) -> int:
    rows, columns = values.shape
    # A component needs more rows than columns for a covariance.
    most = max(1, min(most, rows // (columns + 2)))
    scores = [mixture(values, size, floor, seed).bic(values) for size in range(1, most + 1)]
    return 1 + int(np.argmin(scores))


def _choose(candidates: list[tuple[Family, int]], densities: Floats, columns: int, components: int) -> Choice:
    means = densities.mean(axis=1)
    difference = densities[int(np.argmax(means))] - densities
    errors = difference.std(axis=1, ddof=1) / math.sqrt(densities.shape[1])
    scores = [
        Score(
            family,
            size,
            parameters(family, size, columns),
            float(means[number]),
            float(difference[number].mean()),
            float(errors[number]),
        )
        for number, (family, size) in enumerate(candidates)
    ]
    near = [score for score in scores if score.behind <= score.error]
    return Choice(min(near, key=lambda score: score.parameters), scores, components)
