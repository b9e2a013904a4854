r"""Emotion over the course of a song: a mixed model with a few basis functions.

.. math::
    y_{ik} = \mu_i + \sum_j A_{ij} \phi_j(k) + u_i + e_{ik} + \epsilon_{ik},\qquad
    (\mu_i, A_i) \sim N(\beta, \Omega_{c(i)}),\quad
    \epsilon_{ik} \sim N(0, \sigma_{c(i)}^2),\quad c(i) \sim \mathrm{Categorical}(w)

Errors of known variance enter separately: ``u_i ~ N(0, r_i)`` is shared by all sections of a song (raters
who rate the whole song a little higher), ``e_ik ~ N(0, v_ik)`` is each section's own. Amplitudes and noise
of a song come from a few classes, calm to restless, which are estimated too: one normal distribution for
all songs would shrink the restless ones too much. Given the class everything has a closed form, so EM is
exact and its likelihood never falls (`micro_em`).

A class of few songs does not identify the covariance of many amplitudes. ``Omega_c`` is then shrunk
towards a fixed shape with a scale per class (`Prior`), such as that of a Brownian path, under which the
forecast between two known sections is a straight line.

Specification 3, section 1.2.1. Laird and Ware (1982), Random-effects models for longitudinal
data; the classes of noise are a finite mixture (McLachlan and Peel 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.temporal.micro_em import (
    MicroFit,
    Prior,
    class_curves,
    expect,
    initial_fit,
    log_prior,
    maximise,
    validate,
)
from methods.temporal.panel import Floats

__all__ = ["MicroFit", "MicroPosterior", "Prior", "fit", "posterior"]


@dataclass(frozen=True)
class MicroPosterior:
    """Posterior of each song given its sections.

    Attributes
    ----------
    coefficients : (n, q) float
        Posterior mean of baseline and amplitudes, without the shared error.
    covariance : (n, q, q) float
    noise : (n,) float
        Posterior mean of the song's noise variance.
    curve, curve_variance : (n, k) float
        Prediction of the value of every section, observed or not, without its own errors e and epsilon.
        It contains the shared error, which the other sections of the song inform.
    class_curve, class_variance : (n, classes, k) float
        Curve and variance within each class of noise.
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


def fit(
    values: Floats,
    basis: Floats,
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
    classes: int = 4,
    prior: Prior | None = None,
    start: MicroFit | None = None,
    iterations: int = 300,
    tolerance: float = 1e-5,
) -> MicroFit:
    """Maximise the marginal likelihood by EM.

    Parameters
    ----------
    values : (n, k) float
        Emotion of k sections of n songs; NaN if unknown.
    basis : (k, q) or (n, k, q) float
        Basis functions; the first column is all ones.
    known : (n, k) float, optional
        v: known error variance of each value, >= 0.
    shared : (n,) float, optional
        r: known variance of an error shared by all values of a song, >= 0.
    classes : int
        Number of classes of noise, >= 1.
    prior : Prior, optional
        Shape to which the amplitudes of each class are shrunk; the level is then independent of them.
    start : MicroFit, optional
        Start of the iterations, with its classes; by default derived from the means of songs.
    iterations : int
        Maximum number of steps.
    tolerance : float
        Stop when a step adds less than this to the log-likelihood per value.

    Returns
    -------
    MicroFit

    Raises
    ------
    ValueError
        If a song has no value, the first basis function is not constant, or songs are fewer than
        basis functions.
    """
    data = validate(values, basis, known, shared)
    model = start or initial_fit(data, classes, prior)
    trace: list[float] = []
    threshold = tolerance * data.observed.sum()
    for _ in range(iterations):
        expected = expect(data, model)
        trace.append(float(expected.log_likelihood.sum()) + log_prior(model, prior))
        if len(trace) > 1 and trace[-1] - trace[-2] < threshold:
            break
        model = maximise(data, model, expected, prior)
    converged = len(trace) > 1 and trace[-1] - trace[-2] < threshold
    return MicroFit(model.mean, model.covariance, model.noise, model.weight, np.array(trace), converged)


def posterior(
    model: MicroFit,
    values: Floats,
    basis: Floats,
    *,
    known: Floats | None = None,
    shared: Floats | None = None,
) -> MicroPosterior:
    """Compute the posterior of songs, of the fitted data or new ones; see `fit`."""
    data = validate(values, basis, known, shared)
    expected = expect(data, model)
    curves, spread = class_curves(data, expected)
    mean, covariance = _mixed(expected.share, expected.own, expected.own_covariance)
    curve = np.einsum("nc,nck->nk", expected.share, curves)
    variance = np.einsum("nc,nck->nk", expected.share, spread + (curves - curve[:, None]) ** 2)
    return MicroPosterior(
        mean, covariance, expected.share @ model.noise, curve, variance, curves, spread,
        expected.share, expected.log_likelihood,
    )  # fmt: skip


def _mixed(share: Floats, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Compute the mean and covariance of a mixture."""
    mean = np.einsum("nc,ncp->np", share, means)
    off = means - mean[:, None]
    return mean, np.einsum("nc,ncpq->npq", share, covariances + off[..., :, None] * off[..., None, :])
