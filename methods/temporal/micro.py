r"""Emotion over the course of a song: baseline, amplitude of a few shapes, noise; pooled over songs.

.. math::
    y_{ik} = \mu_i + \sum_j A_{ij} \phi_j(k) + u_i + e_{ik} + \epsilon_{ik},\qquad
    (\mu_i, A_i) \sim N(\beta, \Omega_{c(i)}),\quad
    \epsilon_{ik} \sim N(0, \sigma_{c(i)}^2),\quad c(i) \sim \mathrm{Categorical}(w)

Known errors enter as what they are: ``u_i ~ N(0, r_i)`` is shared by all sections of a song
(raters who hear the whole song a little higher), ``e_ik ~ N(0, v_ik)`` is each section's own.
How far a song moves and how noisy it is come from a few classes, calm to restless, learnt with
the rest: one normal law for all songs would shrink the restless ones too much. Everything is
closed form given the class, so EM is exact and its likelihood never falls.

Specification 3, section 1.2.1. Laird and Ware (1982), Random-effects models for longitudinal
data; the classes of noise are a finite mixture (McLachlan and Peel 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from methods.temporal.panel import Floats


@dataclass(frozen=True)
class MicroFit:
    """The population of songs.

    Attributes
    ----------
    mean : (q,) float
        beta: the average song's baseline and amplitudes.
    covariance : (classes, q, q) float
        Omega: how the songs of a class differ from the average.
    noise, weight : (classes,) float
        Variance of each class of noise, and the share of songs in it.
    log_likelihood : (iterations,) float
        Before each step of EM; it never falls.
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
class MicroPosterior:
    """What is known of each song once its sections are seen.

    Attributes
    ----------
    coefficients : (n, q) float
        Posterior mean of baseline and amplitudes, without the shared error.
    covariance : (n, q, q) float
    noise : (n,) float
        Posterior mean of the song's noise variance.
    curve, curve_variance : (n, k) float
        Prediction of every section's value before its own errors e and epsilon, seen or not; it
        holds the shared error, which the other sections of the song reveal.
    class_curve, class_variance : (n, classes, k) float
        The same within each class of noise.
    share : (n, classes) float
        Probability of each class.
    log_likelihood : (n,) float
    """

    coefficients: Floats
    covariance: Floats
    noise: Floats
    curve: Floats
    curve_variance: Floats
    class_curve: Floats
    class_variance: Floats
    share: Floats
    log_likelihood: Floats


class _Data(NamedTuple):
    """Values with zeros in the holes, where they are seen, the basis a song, the known errors."""

    values: Floats
    seen: Floats
    basis: Floats
    known: Floats
    shared: Floats


class _Expected(NamedTuple):
    """Given each class: ``c = b + u e_0`` and the songs' own ``b``, mean and covariance."""

    level: Floats
    level_covariance: Floats
    own: Floats
    own_covariance: Floats
    share: Floats
    log_likelihood: Floats


def fit(
    values: Floats,
    basis: Floats,
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
    classes: int = 4,
    start: MicroFit | None = None,
    iterations: int = 300,
    tolerance: float = 1e-5,
) -> MicroFit:
    """Maximise the marginal likelihood by EM.

    Parameters
    ----------
    values : (n, k) float
        Emotion of k sections of n songs; NaN where unknown.
    basis : (k, q) or (n, k, q) float
        Basis functions; the first column is all ones.
    known : (n, k) float, optional
        v: known error variance of each value, >= 0.
    shared : (n,) float, optional
        r: known variance of an error shared by all values of a song, >= 0.
    classes : int
        Classes of noise, >= 1.
    start : MicroFit, optional
        Where to start, in place of what the songs' means suggest; it sets the classes.
    iterations : int
        At most so many steps.
    tolerance : float
        Stop when a step adds less than this to the log-likelihood a value.

    Returns
    -------
    MicroFit

    Raises
    ------
    ValueError
        If a song has no value, the first basis function is not constant, or songs are fewer than
        basis functions.
    """
    data = _data(values, basis, known, shared)
    model = start or _start(data, classes)
    trace: list[float] = []
    small = tolerance * data.seen.sum()
    for _ in range(iterations):
        expected = _expect(data, model)
        trace.append(float(expected.log_likelihood.sum()))
        if len(trace) > 1 and trace[-1] - trace[-2] < small:
            break
        model = _maximise(data, model, expected)
    settled = len(trace) > 1 and trace[-1] - trace[-2] < small
    return MicroFit(model.mean, model.covariance, model.noise, model.weight, np.array(trace), settled)


def posterior(
    model: MicroFit,
    values: Floats,
    basis: Floats,
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
) -> MicroPosterior:
    """Apply a fitted population to songs, those that it was fitted to or new ones; see `fit`."""
    data = _data(values, basis, known, shared)
    found = _expect(data, model)
    curves, spread = _curve(data, found)
    mean, covariance = _mixed(found.share, found.own, found.own_covariance)
    curve = np.einsum("nc,nck->nk", found.share, curves)
    variance = np.einsum("nc,nck->nk", found.share, spread + (curves - curve[:, None]) ** 2)
    return MicroPosterior(
        mean, covariance, found.share @ model.noise, curve, variance, curves, spread,
        found.share, found.log_likelihood,
    )  # fmt: skip


def _mixed(share: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of a mixture."""
    mean = np.einsum("nc,ncp->np", share, means)
    off = means - mean[:, None]
    return mean, np.einsum("nc,ncpq->npq", share, covariances + off[..., :, None] * off[..., None, :])


def polynomials(sections: int, degree: int) -> Floats:
    """Orthogonal polynomials over equally spaced sections, of mean square 1; column 0 is ones."""
    place = np.linspace(-1, 1, sections)
    columns, triangle = np.linalg.qr(np.vander(place, degree + 1, increasing=True))
    return columns * np.sign(np.diag(triangle)) * np.sqrt(sections)


def _data(values: Floats, basis: Floats, known: Floats | None, shared: Floats | None) -> _Data:
    n, k = values.shape
    full = np.broadcast_to(basis, (n, k, basis.shape[-1]))
    if not np.allclose(full[..., 0], 1):
        raise ValueError("micro: the first basis function is the baseline; its column must be all ones")
    seen = np.isfinite(values)
    if not seen.any(axis=1).all():
        raise ValueError(f"micro: song in row {int(np.argmin(seen.any(axis=1)))} has no value; leave it out")
    if n <= basis.shape[-1]:
        raise ValueError(f"micro: {n} songs for {basis.shape[-1]} basis functions; expected more songs")
    known = np.zeros((n, k)) if known is None else np.where(seen, known, 0.0)
    shared = np.zeros(n) if shared is None else shared
    if not (known >= 0).all() or not (shared >= 0).all():
        raise ValueError("micro: known and shared are variances; found a negative or missing one")
    return _Data(np.where(seen, values, 0.0), seen.astype(float), full, known, shared)


def _start(data: _Data, classes: int) -> MicroFit:
    """Mean and spread of the songs' means; classes of noise spread over what is left."""
    counts = data.seen.sum(axis=1)
    means = data.values.sum(axis=1) / counts
    inner = ((data.values - means[:, None]) ** 2 * data.seen).sum(axis=1)
    if (counts < 2).all() or inner.sum() == 0:
        raise ValueError("micro: no song has two different values, so there is no course to model")
    q = data.basis.shape[-1]
    scale = inner.sum() / (counts - 1).sum()
    spread = 10.0 ** np.linspace(-1.5, 0.5, classes) if classes > 1 else np.array([0.5])
    covariance = np.zeros((classes, q, q))
    covariance[:, 0, 0] = means.var() + 1e-9 * scale
    covariance[:, range(1, q), range(1, q)] = scale * spread[:, None] / max(q - 1, 1)
    noise = scale * spread / 2
    mean = np.r_[means.mean(), np.zeros(q - 1)]
    return MicroFit(mean, covariance, noise, np.full(classes, 1 / classes), np.array([]), False)


def _expect(data: _Data, model: MicroFit) -> _Expected:
    """E step. ``c = b + u e_0`` is what the sections show; ``b`` follows from it by regression."""
    n, q = len(data.values), len(model.mean)
    prior = np.broadcast_to(model.covariance, (n, *model.covariance.shape)).copy()
    prior[..., 0, 0] += data.shared[:, None]
    inverse = np.linalg.inv(prior)
    variance = model.noise[None, :, None] + data.known[:, None, :]
    precision = data.seen[:, None, :] / variance
    rest = data.values - data.basis @ model.mean
    products = (data.basis[..., :, None] * data.basis[..., None, :]).reshape(n, -1, q * q)
    covariance = np.linalg.inv((precision @ products).reshape(prior.shape) + inverse)
    pull = (precision * rest[:, None]) @ data.basis
    shift = (covariance @ pull[..., None])[..., 0]
    # log N by the determinant lemma and Woodbury's identity
    determinant = (np.log(variance) * data.seen[:, None, :]).sum(axis=2)
    determinant += np.linalg.slogdet(prior)[1] - np.linalg.slogdet(covariance)[1]
    distance = (precision * rest[:, None, :] ** 2).sum(axis=2) - (pull * shift).sum(axis=2)
    count = data.seen.sum(axis=1)[:, None] * np.log(2 * np.pi)
    with np.errstate(divide="ignore"):
        joint = -0.5 * (count + determinant + distance) + np.log(model.weight)
    likelihood = logsumexp(joint, axis=1)
    regression = model.covariance @ inverse
    own = (regression @ shift[..., None])[..., 0]
    left = model.covariance - regression @ model.covariance
    own_covariance = left + regression @ covariance @ np.swapaxes(regression, -1, -2)
    return _Expected(
        model.mean + shift, covariance, model.mean + own, own_covariance,
        np.exp(joint - likelihood[:, None]), likelihood,
    )  # fmt: skip


def _curve(data: _Data, found: _Expected) -> tuple[Floats, Floats]:
    """Mean and variance of every section's curve, class by class, (n, classes, k)."""
    mean = found.level @ np.swapaxes(data.basis, 1, 2)
    wide = data.basis[:, None] @ found.level_covariance
    return mean, (wide * data.basis[:, None]).sum(axis=-1)


def _maximise(data: _Data, model: MicroFit, found: _Expected) -> MicroFit:
    """M step, in closed form: covariances about the old mean's successor, then noise and shares.

    A known error is a missing datum like any other.
    """
    share = found.share
    total = share.sum(axis=0)
    inverse = np.linalg.inv(model.covariance)
    pull = np.einsum("cpq,nc,ncq->p", inverse, share, found.own, optimize=True)
    mean = np.linalg.solve(np.einsum("c,cpq->pq", total, inverse), pull)
    off = found.own - mean
    second = found.own_covariance + off[..., :, None] * off[..., None, :]
    covariance = np.einsum("nc,ncpq->cpq", share, second) / np.maximum(total, 1e-300)[:, None, None]
    curve, spread = _curve(data, found)
    part = model.noise[None, :, None] / (model.noise[None, :, None] + data.known[:, None])
    squares = part**2 * ((data.values[:, None] - curve) ** 2 + spread) + part * data.known[:, None]
    weight = share[:, :, None] * data.seen[:, None, :]
    noise = (weight * squares).sum(axis=(0, 2)) / np.maximum(weight.sum(axis=(0, 2)), 1e-300)
    return MicroFit(mean, covariance, noise, total / len(share), model.log_likelihood, False)
