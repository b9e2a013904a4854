"""Probabilistic principal components of a table with missing values, by EM.

    x = mean + W z + noise,   z ~ N(0, I_q),   noise ~ N(0, s2 I)

Any value of a row may be missing. The posterior of ``z`` uses the observed values, and
``E[x | observed] = mean + W E[z | observed]`` fills in the missing ones. Without missing values the
columns of ``W`` span the ordinary principal components.

References
----------
Tipping and Bishop (1999), Probabilistic Principal Component Analysis.
Ilin and Raiko (2010), Practical Approaches to Principal Component Analysis in the Presence of
Missing Values, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Pattern = tuple[Array, Array]


@dataclass(frozen=True)
class Components:
    """A fitted model of probabilistic principal components.

    Attributes
    ----------
    mean : (columns,)
    loadings : (columns, width)
    noise : float
        Variance per column that the components leave unexplained.
    log_likelihood : (iterations,)
        Log-likelihood of the observed values before each step of EM; it never falls.
    """

    mean: Array
    loadings: Array
    noise: float
    log_likelihood: Array


def fit(values: Array, width: int, *, iterations: int = 200, tolerance: float = 1e-6) -> Components:
    """Maximise the likelihood of the observed values by EM.

    Parameters
    ----------
    values : (rows, columns)
        NaN where missing; every column has at least two values.
    width : int
        Number of components, 1 to columns - 1.
    iterations : int
        Maximum number of steps.
    tolerance : float
        Stop when a step adds less than this share to the log-likelihood.
    """
    if not 1 <= width < values.shape[1]:
        raise ValueError(
            f"width is {width}; expected 1 to {values.shape[1] - 1} for {values.shape[1]} columns"
        )
    known = np.isfinite(values)
    if (known.sum(axis=0) < 2).any():
        raise ValueError(
            f"column {int(np.argmin(known.sum(axis=0)))} has fewer than 2 values; drop the column"
        )
    patterns = list(_patterns(known))
    mean, loadings, noise = _start(values, known, width)
    trace: list[float] = []
    for _ in range(iterations):
        likelihood, mean, loadings, noise = _step(values, known, patterns, mean, loadings, noise)
        trace.append(likelihood)
        if len(trace) > 1 and trace[-1] - trace[-2] < tolerance * abs(trace[-2]):
            break
    return Components(mean, loadings, noise, np.array(trace))


def _start(values: Array, known: Array, width: int) -> tuple[Array, Array, float]:
    """Return the principal components after filling missing values by column means."""
    mean = np.nanmean(values, axis=0)
    filled = np.where(known, values - mean, 0.0)
    _, scales, axes = np.linalg.svd(filled, full_matrices=False)
    variances = scales**2 / len(values)
    noise = max(float(variances[width:].mean()), 1e-6)
    return mean, axes[:width].T * np.sqrt(np.maximum(variances[:width] - noise, 1e-6)), noise


def _step(
    values: Array, known: Array, patterns: list[Pattern], mean: Array, loadings: Array, noise: float
) -> tuple[float, Array, Array, float]:
    """Take one step of EM.

    The E step finds the posterior of ``(z, 1)`` for each row; the M step regresses each column on it.
    """
    columns, width = loadings.shape
    grams = np.zeros((columns, width + 1, width + 1))
    targets = np.zeros((columns, width + 1))
    likelihood = 0.0
    for rows, seen in patterns:
        observed = values[np.ix_(rows, seen)]
        centred = observed - mean[seen]
        scores, covariance = posterior(centred, loadings[seen], noise)
        likelihood += _log_likelihood(centred, scores, covariance, loadings[seen], noise)
        design = np.column_stack([scores, np.ones(len(rows))])
        gram = design.T @ design
        gram[:width, :width] += len(rows) * covariance
        grams[seen] += gram
        targets[seen] += observed.T @ design
    solved = np.linalg.solve(grams, targets[..., None])[..., 0]
    squares = np.where(known, values, 0.0) ** 2
    left = squares.sum(axis=0) - np.einsum("cw,cw->c", solved, targets)
    return likelihood, solved[:, width], solved[:, :width], max(float(left.sum() / known.sum()), 1e-9)


def _patterns(known: Array) -> Iterator[Pattern]:
    """Yield groups of rows that miss the same columns, with the columns observed."""
    patterns, member = np.unique(known, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.any():
            yield np.flatnonzero(member.ravel() == number), np.flatnonzero(pattern)


def posterior(centred: Array, loadings: Array, noise: float) -> tuple[Array, Array]:
    """Compute the posterior of ``z`` for rows with the same columns observed.

    The mean is ``(W'W + s2 I)^-1 W'x`` for each row, the covariance ``s2 (W'W + s2 I)^-1`` for all.
    """
    inverse = np.linalg.inv(loadings.T @ loadings + noise * np.eye(loadings.shape[1]))
    return centred @ loadings @ inverse, noise * inverse


def _log_likelihood(centred: Array, scores: Array, covariance: Array, loadings: Array, noise: float) -> float:
    """Compute ``sum log N(x; mean, W W' + s2 I)`` from the posterior (Woodbury)."""
    rows, columns = centred.shape
    distance = ((centred**2).sum() - (centred * (scores @ loadings.T)).sum()) / noise
    log_determinant = columns * np.log(noise) - np.linalg.slogdet(covariance)[1]
    return float(-0.5 * (rows * (columns * np.log(2 * np.pi) + log_determinant) + distance))


def transform(model: Components, values: Array, *, shrink: bool = True) -> Array:
    """Compute the scores of the rows from their observed values.

    Parameters
    ----------
    values : (rows, columns)
        NaN where missing.
    shrink : bool
        If true, the posterior mean; if false, the least-squares projection of ordinary PCA.
    """
    known = np.isfinite(values)
    scores = np.zeros((len(values), model.loadings.shape[1]))
    for rows, seen in _patterns(known):
        centred = values[np.ix_(rows, seen)] - model.mean[seen]
        if shrink:
            scores[rows] = posterior(centred, model.loadings[seen], model.noise)[0]
        else:
            scores[rows] = centred @ np.linalg.pinv(model.loadings[seen]).T
    return scores


def reconstruct(model: Components, values: Array, *, shrink: bool = True) -> Array:
    """Compute every value of the rows, ``mean + W z``, from their observed values."""
    return model.mean + transform(model, values, shrink=shrink) @ model.loadings.T
