r"""Gaussian process of an expensive function on the unit cube, with gradients.

.. math::
    f \sim GP(m,\ s^2\, k(r)), \qquad k(r) = (1 + \sqrt 5 r + 5 r^2 / 3)\, e^{-\sqrt 5 r}, \qquad
    r^2 = \sum_j (x_j - x'_j)^2 / \ell_j^2

Values are standardised. The length scales, the amplitude and the noise maximise the marginal likelihood
times a log-normal prior of the lengths, whose mode grows with the root of the dimension: with few points
in many dimensions the likelihood alone is flat, and its maximum is arbitrary.

References
----------
Rasmussen and Williams, "Gaussian processes for machine learning", MIT Press 2006, 2.2 and 5.4. Hvarfner,
Hellsten and Nardi, "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024, for the
prior. The likelihood and its gradient are scikit-learn's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.optimize import minimize

Floats = NDArray[np.float64]

LENGTHS = (0.02, 20.0)
AMPLITUDES = (0.05, 20.0)
NOISES = (1e-8, 1e-1)
"""Ranges of the length scales, the squared amplitude and the variance of the noise."""
STEPS = 60
"""Maximum number of steps of a fit."""


@dataclass(frozen=True)
class Prediction:
    """Mean and deviation of the function at n points, and their gradients.

    Attributes
    ----------
    mean, sd : (n,) float
        In units of the values; without the noise of an observation.
    mean_gradient, sd_gradient : (n, d) float
    """

    mean: Floats
    sd: Floats
    mean_gradient: Floats
    sd_gradient: Floats


@dataclass(frozen=True)
class Process:
    """A fitted process.

    Attributes
    ----------
    x : (n, d) float
        Known points in the unit cube.
    lengths : (d,) float
        Length scales in units of the cube.
    amplitude, noise : float
        Variances of the function and of the noise, of the standardised values.
    centre, scale : float
        Mean and deviation of the values.
    factor : (n, n) float
        Lower Cholesky factor of the covariance of the standardised values.
    coefficients : (n,) float
        Inverse of that covariance times the standardised values.
    """

    x: Floats
    lengths: Floats
    amplitude: float
    noise: float
    centre: float
    scale: float
    factor: Floats
    coefficients: Floats


def fit(x: Floats, y: Floats) -> Process:
    """Fit a process by maximum a posteriori.

    Parameters
    ----------
    x : (n, d) float
        Points in the unit cube, n >= 2.
    y : (n,) float
        Finite values.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    dimensions = x.shape[1]
    centre, scale = float(y.mean()), float(y.std()) or 1.0
    start = np.full(dimensions, 0.5 * np.sqrt(dimensions))
    kernel = ConstantKernel(1.0, AMPLITUDES) * Matern(start, LENGTHS, nu=2.5) + WhiteKernel(1e-6, NOISES)
    model = GaussianProcessRegressor(kernel, alpha=1e-10, optimizer=_posterior_mode(dimensions))
    with warnings.catch_warnings():
        # A parameter at the end of its range, such as no noise, is a valid result.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, (y - centre) / scale)
    amplitude, *lengths, noise = np.exp(model.kernel_.theta)
    return Process(
        x, np.array(lengths), float(amplitude), float(noise), centre, scale, model.L_, model.alpha_
    )


def _posterior_mode(dimensions: int) -> Callable[..., Any]:
    """Return the optimiser of the likelihood times the prior, for scikit-learn.

    Its parameters are the logarithms of amplitude, lengths and noise.
    """
    middle, spread = np.log(dimensions) / 2 - 0.5, 1.0
    lengths = slice(1, 1 + dimensions)

    def optimise(likelihood: Callable[..., Any], start: Floats, bounds: Floats) -> tuple[Floats, float]:
        def loss(theta: Floats) -> tuple[float, Floats]:
            value, gradient = likelihood(theta)
            distance = (theta[lengths] - middle) / spread
            gradient = np.array(gradient)
            gradient[lengths] += distance / spread
            return float(value + 0.5 * distance @ distance), gradient

        best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": STEPS})
        return best.x, float(best.fun)

    return optimise


def predict(process: Process, points: Floats) -> Prediction:
    """Predict the function at points of the cube.

    Parameters
    ----------
    process : Process
    points : (n, d) float
    """
    difference = (points[:, None, :] - process.x[None, :, :]) / process.lengths
    distance = np.sqrt(5.0) * np.linalg.norm(difference, axis=2)
    decay = process.amplitude * np.exp(-distance)
    covariance = decay * (1 + distance + distance**2 / 3)
    # k'(r) / r stays finite at r = 0
    slope = -(5 / 3) * decay * (1 + distance)
    gradient = slope[:, :, None] * difference / process.lengths
    solved = cho_solve((process.factor, True), covariance.T).T
    variance = process.amplitude - np.sum(covariance * solved, axis=1)
    sd = np.sqrt(np.maximum(variance, 1e-12 * process.amplitude))
    sd_gradient = -np.einsum("nij,ni->nj", gradient, solved) / sd[:, None]
    mean_gradient = np.einsum("nij,i->nj", gradient, process.coefficients)
    return Prediction(
        process.centre + process.scale * (covariance @ process.coefficients),
        process.scale * sd,
        process.scale * mean_gradient,
        process.scale * sd_gradient,
    )
