"""Weigh the scales of a kernel, and its noise, by an information criterion.

    K = sum over scales of w_s K_s + noise I
    evidence:       L = n log(y' K^-1 y / n) / 2 + log det K / 2   (nats; the amplitude of K maximises it)
    leave one out:  r_i = (K^-1 y)_i / (K^-1)_ii

``log det(I + K_s / noise) / 2`` is the mutual information of the values and the field in nats, so the
evidence is the misfit plus the information that the field takes from its data. Without that term the misfit
has no minimum (it falls as the weights grow); the criterion without information is the squared error left
one out.

Steps are those of the conformal leapfrog or of AdamW on the logarithms of weights and noise, on a sample of
the rows: the criterion costs the cube of their number.

References
----------
Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, 5.4; Seeger, Kakade and Foster (2008),
Information consistency of nonparametric Gaussian process methods, IEEE Trans. Information Theory 54.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor, nn

Floats = NDArray[np.float64]

SAMPLE = 400
"""Largest number of rows of the criterion."""
LEAST_NOISE = 1e-9
"""Variance that is always added, in units of the values' variance: the products are exact to about 1e-12."""


@dataclass(frozen=True)
class Search:
    """Settings of the search for the weights of the scales.

    Attributes
    ----------
    information : bool
        Whether the criterion is the evidence, or the squared error left one out.
    symplectic : bool
        Whether the steps are those of the conformal leapfrog, or of AdamW.
    steps : int
    rate : float
        Step size of the leapfrog, or learning rate of AdamW.
    friction : float
        Of the leapfrog.
    noise : float
        Variance of the noise at the start, in units of the values' variance.
    """

    information: bool = True
    symplectic: bool = True
    steps: int = 60
    rate: float = 0.5
    friction: float = 1.0
    noise: float = 1e-3


@dataclass(frozen=True)
class Field:
    """A fitted field.

    Attributes
    ----------
    coefficients : (n,) float array
    weights : (scales,) float array
    noise : float
        Variance, in units of the values' variance.
    mean : float
    losses : tuple of float
        Criterion before each step: nats a row, or squared standard deviations.
    """

    coefficients: Floats
    weights: Floats
    noise: float
    mean: float
    losses: tuple[float, ...]

    def predict(self, kernels: Floats) -> Floats:
        """Return the mean of the field from kernels of shape (scales, rows, n)."""
        return self.mean + np.tensordot(self.weights, kernels, 1) @ self.coefficients


def criterion(weights: Tensor, noise: Tensor, kernels: Tensor, y: Tensor, *, information: bool) -> Tensor:
    """Return the criterion a row.

    Parameters
    ----------
    weights : (scales,) tensor
    noise : scalar tensor
    kernels : (scales, n, n) tensor
    y : (n,) tensor
    information : bool
        Whether it is the evidence in nats, without ``log(2 pi) / 2``, or the squared error left one out.
    """
    total = torch.tensordot(weights, kernels, 1) + noise * torch.eye(len(y), dtype=y.dtype)
    factor = torch.linalg.cholesky(total)
    if information:
        misfit = torch.linalg.solve_triangular(factor, y[:, None], upper=False).square().sum()
        return (misfit / len(y)).log() / 2 + factor.diagonal().log().mean()
    inverse = torch.cholesky_inverse(factor)
    return ((inverse @ y) / inverse.diagonal()).square().mean()


def fit(kernels: Floats, y: Floats, search: Search, *, seed: int) -> Field:
    """Find the weights of the scales, then the coefficients.

    Parameters
    ----------
    kernels : (scales, n, n) float array
        Symmetric, positive semi-definite. The weights are found on a sample of the rows.
    y : (n,) float array
    search : Search
    seed : int
        Of the sample.
    """
    mean, sd = float(y.mean()), float(y.std())
    if sd == 0:
        # The evidence of a constant has no maximum: the field is its mean.
        return Field(np.zeros(len(y)), np.ones(len(kernels)), search.noise, mean, ())
    values = (y - mean) / sd
    # Spread of the field of each scale over the rows: what all rows share is the mean, whatever its weight.
    units = np.maximum(np.einsum("sii->s", kernels) / len(y) - kernels.mean((1, 2)), 1e-12)
    rows = np.random.default_rng(seed).permutation(len(y))[:SAMPLE]
    sample = torch.as_tensor(kernels[:, rows][:, :, rows] / units[:, None, None])
    losses, found = _search(sample, torch.as_tensor(values[rows]), search)
    weights, noise = found[:-1] / units, float(found[-1]) + LEAST_NOISE
    total = np.tensordot(weights, kernels, 1)
    total[np.diag_indices_from(total)] += noise
    coefficients = cho_solve(cho_factor(total, lower=True, overwrite_a=True), values)
    return Field(coefficients * sd, weights, noise, mean, losses)


def _search(kernels: Tensor, y: Tensor, search: Search) -> tuple[tuple[float, ...], Floats]:
    scales = len(kernels)
    start = torch.full((scales + 1,), -float(np.log(scales)), dtype=kernels.dtype)
    start[-1] = float(np.log(search.noise))
    logs = nn.Parameter(start)

    def closure() -> float:
        optimiser.zero_grad()
        sizes = logs.exp()
        loss = criterion(sizes[:-1], sizes[-1] + LEAST_NOISE, kernels, y, information=search.information)
        loss.backward()
        return float(loss.detach())

    optimiser = _optimiser(logs, search)
    losses = [float(optimiser.step(closure)) for _ in range(search.steps)]
    return tuple(losses), logs.detach().exp().numpy()


def _optimiser(logs: nn.Parameter, search: Search) -> torch.optim.Optimizer:
    if not search.symplectic:
        return torch.optim.AdamW([logs], lr=search.rate, weight_decay=0.0)
    from methods.sifa.optimiser import ConformalLeapfrog

    return ConformalLeapfrog([logs], lr=search.rate, friction=search.friction)
