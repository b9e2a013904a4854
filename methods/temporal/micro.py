r"""Emotion over the course of a song: baseline, amplitude of a few shapes, noise; pooled over songs.

.. math::
    y_{ik} = \mu_i + \sum_j A_{ij} \phi_j(k) + u_i + e_{ik} + \epsilon_{ik},\qquad
    (\mu_i, A_i) \sim N(\beta, \Omega_{c(i)}),\quad
    \epsilon_{ik} \sim N(0, \sigma_{c(i)}^2),\quad c(i) \sim \mathrm{Categorical}(w)

Known errors enter as what they are: ``u_i ~ N(0, r_i)`` is shared by all sections of a song
(raters who hear the whole song a little higher), ``e_ik ~ N(0, v_ik)`` is each section's own.
How far a song moves and how noisy it is come from a few classes, calm to restless, learnt with
the rest: one normal law for all songs would shrink the restless ones too much. Everything is
closed form given the class, so EM is exact and its likelihood never falls (`micro_em`).

A class of few songs cannot tell the covariance of many amplitudes: ``Omega_c`` is then shrunk
towards one shape of the class's own scale (`Prior`), such as a Brownian path's, under which the
forecast between two known sections is the straight line.

Specification 3, section 1.2.1. Laird and Ware (1982), Random-effects models for longitudinal
data; the classes of noise are a finite mixture (McLachlan and Peel 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.temporal.micro_em import (
    MicroFit,
    Prior,
    checked,
    class_curves,
    expect,
    first_guess,
    log_prior,
    maximise,
)
from methods.temporal.panel import Floats

__all__ = ["MicroFit", "MicroPosterior", "Prior", "fit", "posterior"]


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
        Emotion of k sections of n songs; NaN where unknown.
    basis : (k, q) or (n, k, q) float
        Basis functions; the first column is all ones.
    known : (n, k) float, optional
        v: known error variance of each value, >= 0.
    shared : (n,) float, optional
        r: known variance of an error shared by all values of a song, >= 0.
    classes : int
        Classes of noise, >= 1.
    prior : Prior, optional
        Shape that the amplitudes of each class are shrunk to; the level is then independent of them.
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
    data = checked(values, basis, known, shared)
    model = start or first_guess(data, classes, prior)
    trace: list[float] = []
    small = tolerance * data.seen.sum()
    for _ in range(iterations):
        expected = expect(data, model)
        trace.append(float(expected.log_likelihood.sum()) + log_prior(model, prior))
        if len(trace) > 1 and trace[-1] - trace[-2] < small:
            break
        model = maximise(data, model, expected, prior)
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
    data = checked(values, basis, known, shared)
    found = expect(data, model)
    curves, spread = class_curves(data, found)
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
