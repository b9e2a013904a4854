r"""Predict from one modality by a Gaussian process.

Its held-out errors are known in closed form.

.. math:: f \sim GP(0, s\,k), \quad k(x, x') = \exp(-g |x - x'|^2 / m), \quad t = \mu + f(x) + \epsilon,
          \quad Var\,\epsilon = s \lambda

The columns of the modality are standardised and m is the median squared distance, so that the width g has
no unit. The targets t are the values, or an indicator of each class. Width and noise maximise the evidence,
with the scale s at its maximum:

.. math:: \log p = -\frac{n K}{2} \log \frac{\sum_k r_k' (K + \lambda I)^{-1} r_k}{n K}
          - \frac K2 \log |K + \lambda I| + const

With more training rows than landmarks, the kernel is that of Nyström: features
:math:`\Phi = K_{nm} K_{mm}^{-1/2}` of m rows drawn at random. Both cases are a ridge regression on
features, whose leave-out residual for a block of rows b is :math:`(I - H_{bb})^{-1} (r - H r)_b`. So no
operator that combines experts trains one twice.

References
----------
Rasmussen and Williams, Gaussian processes for machine learning (2006), §5.4.1 and §6.5 (least-squares
classification). Williams and Seeger, "Using the Nyström method", NeurIPS (2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.fusion.views import Floats, Ints, Problem, Scaler

WIDTHS = (0.3, 1.0, 3.0)
"""Candidates of g: correlation of two rows at the median distance of 0.74, 0.37 and 0.05."""

NOISES = tuple(10.0 ** np.arange(-3.0, 2.01, 0.5))
"""Candidates of the noise lambda, in units of the signal."""

WIDTH_ROWS = 256
"""Rows on which the width is chosen."""

LEAST_ROWS = 3


@dataclass(frozen=True)
class Ridge:
    """Ridge regression on features.

    Attributes
    ----------
    weights : (features, outputs)
    noise : float
    evidence : float
        Log evidence up to a constant of n and the outputs.
    held_out : (rows, outputs)
        Prediction of each training row without the rows of its block.
    """

    weights: Floats
    noise: float
    evidence: float
    held_out: Floats


@dataclass(frozen=True)
class Expert:
    """Gaussian process of one modality.

    Attributes
    ----------
    rows : (known,)
        Training rows that have the modality.
    held_out : (known, outputs)
        Deviation of each of them from the mean target, predicted without its block.
    width, noise, median : float
    """

    scaler: Scaler
    landmarks: Floats
    projection: Floats
    weights: Floats
    rows: Ints
    held_out: Floats
    width: float
    noise: float
    median: float

    def deviation(self, x: Floats) -> Floats:
        """Predict the deviation from the mean; 0 where the modality is absent."""
        shown = ~np.isnan(x).all(axis=1)
        result = np.zeros((len(x), self.weights.shape[1]))
        features = _kernel(_scaled(self.scaler, x[shown]), self.landmarks, self.width / self.median)
        result[shown] = features @ self.projection @ self.weights
        return result


def fit_expert(
    x: Floats,
    deviation: Floats,
    seed: int,
    landmarks: int = 600,
    groups: Ints | None = None,
) -> Expert:
    """Fit the expert of one modality.

    Parameters
    ----------
    x : (rows, columns) float
        NaN where a cell is missing; rows without any value are not used.
    deviation : (rows, outputs) float
        Targets minus their mean.
    seed : int
        Draws the landmarks, and the rows that choose the width.
    landmarks : int
        Number of rows that span the features.
    groups : (rows,) int, optional
        Rows of one group are left out together. By default each row is its own group.
    """
    rows = np.flatnonzero(~np.isnan(x).all(axis=1))
    if len(rows) < LEAST_ROWS:
        return _silent(x, deviation, rows)
    scaler = Scaler.fit(x[rows])
    scaled, targets = _scaled(scaler, x[rows]), deviation[rows]
    order = np.random.default_rng(seed).permutation(len(rows))
    few = order[:WIDTH_ROWS]
    median = _median(scaled[few])
    width = max(WIDTHS, key=lambda g: _evidence(scaled[few], targets[few], g / median))
    basis = scaled[np.sort(order[:landmarks])]
    projection = _inverse_root(_kernel(basis, basis, width / median))
    features = _kernel(scaled, basis, width / median) @ projection
    ridge = fit_ridge(features, targets, None if groups is None else groups[rows])
    return Expert(scaler, basis, projection, ridge.weights, rows, ridge.held_out, width, ridge.noise, median)


def fit_ridge(features: Floats, targets: Floats, groups: Ints | None = None) -> Ridge:
    """Fit a ridge regression whose noise maximises the evidence.

    Parameters
    ----------
    features : (rows, features) float
    targets : (rows, outputs) float
    groups : (rows,) int, optional
        Blocks of the held-out predictions.
    """
    n, outputs = targets.shape
    values, vectors = np.linalg.eigh(features.T @ features)
    values = np.maximum(values, 0.0)
    rotated = vectors.T @ (features.T @ targets)
    energy = (rotated**2).sum(axis=1)
    total = float((targets**2).sum())

    def log_evidence(noise: float) -> float:
        residual = max((total - float((energy / (values + noise)).sum())) / noise, 1e-300)
        determinant = np.log(values + noise).sum() + (n - len(values)) * np.log(noise)
        return float(-0.5 * n * outputs * np.log(residual / (n * outputs)) - 0.5 * outputs * determinant)

    noise = max(NOISES, key=log_evidence)
    weights = vectors @ (rotated / (values + noise)[:, None])
    root = features @ (vectors / np.sqrt(values + noise))
    residual = targets - features @ weights
    return Ridge(weights, float(noise), log_evidence(noise), targets - _left_out(root, residual, groups))


def _left_out(root: Floats, residual: Floats, groups: Ints | None) -> Floats:
    """Return residuals of models without the block of each row; ``H = root root'``."""
    if groups is None:
        leverage = np.minimum((root**2).sum(axis=1), 1 - 1e-9)
        return np.asarray(residual / (1 - leverage)[:, None])
    result = np.empty_like(residual)
    for group in np.unique(groups):
        block = np.flatnonzero(groups == group)
        hat = root[block] @ root[block].T
        result[block] = np.linalg.lstsq(np.eye(len(block)) - hat, residual[block], rcond=None)[0]
    return result


def _evidence(x: Floats, targets: Floats, scale: float) -> float:
    kernel = _kernel(x, x, scale)
    return fit_ridge(kernel @ _inverse_root(kernel), targets).evidence


def _scaled(scaler: Scaler, x: Floats) -> Floats:
    return np.asarray(scaler.apply(x) / np.sqrt(max(x.shape[1], 1)))


def _squared_distances(a: Floats, b: Floats) -> Floats:
    cross = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(cross, 0.0)


def _kernel(a: Floats, b: Floats, scale: float) -> Floats:
    return np.exp(-scale * _squared_distances(a, b))


def _median(x: Floats) -> float:
    distances = _squared_distances(x, x)[np.triu_indices(len(x), 1)]
    positive = distances[distances > 1e-12]
    return float(np.median(positive)) if len(positive) else 1.0


def _inverse_root(kernel: Floats) -> Floats:
    """Return a matrix R with ``R R' = pinv(kernel)``, of full column rank."""
    values, vectors = np.linalg.eigh(kernel)
    kept = values > values[-1] * 1e-10
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _silent(x: Floats, deviation: Floats, rows: Ints) -> Expert:
    """Return an expert that always predicts the mean."""
    columns, outputs = x.shape[1], deviation.shape[1]
    scaler = Scaler(np.zeros(columns), np.full(columns, np.inf))
    nothing = np.zeros((len(rows), outputs))
    return Expert(
        scaler, np.zeros((1, columns)), np.zeros((1, 1)), np.zeros((1, outputs)), rows, nothing, 1.0, 1.0, 1.0
    )


def class_prior(y: Floats | Ints, problem: Problem) -> Floats:
    """Return the mean target: shares of the classes, or the mean value."""
    return np.asarray(problem.targets(y).mean(axis=0))
