"""Expectation and maximisation steps for the model of songs in `micro`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq
from scipy.special import logsumexp

from methods.temporal.panel import Floats


@dataclass(frozen=True)
class MicroFit:
    """Fitted parameters of the population of songs.

    Attributes
    ----------
    mean : (q,) float
        beta: the average song's baseline and amplitudes.
    covariance : (classes, q, q) float
        Omega: how the songs of a class differ from the average.
    noise, weight : (classes,) float
        Variance of each class of noise, and the share of songs in it.
    log_likelihood : (iterations,) float
        Log-likelihood before each step of EM, plus the log prior density if given; it never falls.
    converged : bool
        Whether the last step gained less than the tolerance.
    """

    mean: Floats
    covariance: Floats
    noise: Floats
    weight: Floats
    log_likelihood: Floats
    converged: bool


@dataclass(frozen=True)
class Prior:
    """Prior of the amplitudes of a class.

    Attributes
    ----------
    shape : (q - 1, q - 1) float
        K: covariance of the amplitudes up to a factor for each class.
    strength : float
        nu > 0: number of songs that the shape counts as.
    """

    shape: Floats
    strength: float


class Data(NamedTuple):
    """Values (0 if missing), mask of observed values, basis per song, known errors."""

    values: Floats
    observed: Floats
    basis: Floats
    known: Floats
    shared: Floats


class Expectation(NamedTuple):
    """Moments given each class of ``c = b + u e_0`` (`level`) and of ``b`` (`own`)."""

    level: Floats
    level_covariance: Floats
    own: Floats
    own_covariance: Floats
    share: Floats
    log_likelihood: Floats


def validate(values: Floats, basis: Floats, known: Floats | None, shared: Floats | None) -> Data:
    """Check the arguments of `micro.fit` and bring them to full shape."""
    n, k = values.shape
    full = np.broadcast_to(basis, (n, k, basis.shape[-1]))
    if not np.allclose(full[..., 0], 1):
        raise ValueError("micro: the first column of basis is not constant; expected ones, the baseline")
    observed = np.isfinite(values)
    if not observed.any(axis=1).all():
        raise ValueError(f"micro: song in row {int(np.argmin(observed.any(axis=1)))} has no value; drop it")
    if n <= basis.shape[-1]:
        raise ValueError(f"micro: found {n} songs for {basis.shape[-1]} basis functions; expected more songs")
    known = np.zeros((n, k)) if known is None else np.where(observed, known, 0.0)
    shared = np.zeros(n) if shared is None else shared
    if not (known >= 0).all() or not (shared >= 0).all():
        raise ValueError("micro: known or shared has a negative or missing value; expected variances >= 0")
    return Data(np.where(observed, values, 0.0), observed.astype(float), full, known, shared)


def initial_fit(data: Data, classes: int, prior: Prior | None) -> MicroFit:
    """Create the start of EM from the songs' means; classes of noise split the rest.

    If the basis can explain everything, noise starts small: EM would need hundreds of steps to reduce it.
    """
    counts = data.observed.sum(axis=1)
    means = data.values.sum(axis=1) / counts
    inner = ((data.values - means[:, None]) ** 2 * data.observed).sum(axis=1)
    if (counts < 2).all() or inner.sum() == 0:
        raise ValueError("micro: no song has two different values; expected variation within songs")
    q = data.basis.shape[-1]
    scale = inner.sum() / (counts - 1).sum()
    spread = 10.0 ** np.linspace(-1.5, 0.5, classes) if classes > 1 else np.array([0.5])
    covariance = np.zeros((classes, q, q))
    covariance[:, 0, 0] = means.var() + 1e-9 * scale
    covariance[:, range(1, q), range(1, q)] = scale * spread[:, None] / max(q - 1, 1)
    noise = scale * spread / (200 if prior else 2)
    mean = np.r_[means.mean(), np.zeros(q - 1)]
    return MicroFit(mean, covariance, noise, np.full(classes, 1 / classes), np.array([]), False)


def expect(data: Data, model: MicroFit) -> Expectation:
    """Run the E step: infer ``c = b + u e_0``, then ``b`` by regression on it."""
    n, q = len(data.values), len(model.mean)
    prior = np.broadcast_to(model.covariance, (n, *model.covariance.shape)).copy()
    prior[..., 0, 0] += data.shared[:, None]
    inverse = np.linalg.inv(prior)
    variance = model.noise[None, :, None] + data.known[:, None, :]
    precision = data.observed[:, None, :] / variance
    rest = data.values - data.basis @ model.mean
    products = (data.basis[..., :, None] * data.basis[..., None, :]).reshape(n, -1, q * q)
    covariance = np.linalg.inv((precision @ products).reshape(prior.shape) + inverse)
    pull = (precision * rest[:, None]) @ data.basis
    shift = (covariance @ pull[..., None])[..., 0]
    # log N by the determinant lemma and Woodbury's identity
    determinant = (np.log(variance) * data.observed[:, None, :]).sum(axis=2)
    determinant += np.linalg.slogdet(prior)[1] - np.linalg.slogdet(covariance)[1]
    distance = (precision * rest[:, None, :] ** 2).sum(axis=2) - (pull * shift).sum(axis=2)
    count = data.observed.sum(axis=1)[:, None] * np.log(2 * np.pi)
    with np.errstate(divide="ignore"):
        joint = -0.5 * (count + determinant + distance) + np.log(model.weight)
    likelihood = logsumexp(joint, axis=1)
    regression = model.covariance @ inverse
    own = (regression @ shift[..., None])[..., 0]
    left = model.covariance - regression @ model.covariance
    own_covariance = left + regression @ covariance @ np.swapaxes(regression, -1, -2)
    return Expectation(
        model.mean + shift, covariance, model.mean + own, own_covariance,
        np.exp(joint - likelihood[:, None]), likelihood,
    )  # fmt: skip


def class_curves(data: Data, expected: Expectation) -> tuple[Floats, Floats]:
    """Compute mean and variance of the curve by class, (n, classes, k) each."""
    mean = expected.level @ np.swapaxes(data.basis, 1, 2)
    wide = data.basis[:, None] @ expected.level_covariance
    return mean, (wide * data.basis[:, None]).sum(axis=-1)


def maximise(data: Data, model: MicroFit, expected: Expectation, prior: Prior | None) -> MicroFit:
    """Run the M step in closed form: mean, covariances about it, noise and shares.

    Known errors are missing data like the other latent variables.
    """
    share = expected.share
    total = share.sum(axis=0)
    inverse = np.linalg.inv(model.covariance)
    pull = np.einsum("cpq,nc,ncq->p", inverse, share, expected.own, optimize=True)
    mean = np.linalg.solve(np.einsum("c,cpq->pq", total, inverse), pull)
    off = expected.own - mean
    second = expected.own_covariance + off[..., :, None] * off[..., None, :]
    covariance = np.einsum("nc,ncpq->cpq", share, second) / np.maximum(total, 1e-300)[:, None, None]
    if prior:
        covariance = np.stack(
            [shrink_covariance(block, n, prior) for block, n in zip(covariance, total, strict=True)]
        )
    fitted, spread = class_curves(data, expected)
    part = model.noise[None, :, None] / (model.noise[None, :, None] + data.known[:, None])
    squares = part**2 * ((data.values[:, None] - fitted) ** 2 + spread) + part * data.known[:, None]
    weight = share[:, :, None] * data.observed[:, None, :]
    noise = (weight * squares).sum(axis=(0, 2)) / np.maximum(weight.sum(axis=(0, 2)), 1e-300)
    return MicroFit(mean, covariance, noise, total / len(share), model.log_likelihood, False)


def shrink_covariance(covariance: Floats, songs: float, prior: Prior) -> Floats:
    r"""Shrink the amplitudes of one class towards the prior's shape.

    .. math::
        \Omega = (n B + \nu v K) / (n + \nu),\qquad v = k / \mathrm{tr}(K \Omega^{-1})

    maximises ``-n/2 (log|Omega| + tr(B Omega^-1))`` plus the log of an inverse Wishart density about
    ``v K``; v, the scale of the class, has a flat prior. In the eigenvalues b of B over
    K the second equation is ``mean((n + nu) v / (n b + nu v)) = 1``, which rises in v.
    """
    out = np.zeros_like(covariance)
    out[0, 0] = covariance[0, 0]
    own = covariance[1:, 1:] + 1e-12 * covariance[1:, 1:].trace() * prior.shape
    ratio = eigh(own, prior.shape, eigvals_only=True)
    low, high = np.log(ratio[0]), np.log(ratio[-1])

    def excess(log_scale: float) -> float:
        scale = np.exp(log_scale)
        return float(np.mean((songs + prior.strength) * scale / (songs * ratio + prior.strength * scale)) - 1)

    scale = np.exp(brentq(excess, low - 1e-9, high + 1e-9)) if high > low else ratio[0]
    out[1:, 1:] = (songs * own + prior.strength * scale * prior.shape) / (songs + prior.strength)
    return out


def log_prior(model: MicroFit, prior: Prior | None) -> float:
    """Compute the log prior of all classes at their best scales, up to a constant."""
    if prior is None:
        return 0.0
    total, k = 0.0, len(prior.shape)
    for covariance in model.covariance[:, 1:, 1:]:
        scale = k / np.trace(np.linalg.solve(covariance, prior.shape))
        total += k * np.log(scale) - np.linalg.slogdet(covariance)[1]
    return float(0.5 * prior.strength * total)
