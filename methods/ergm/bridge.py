r"""Log-likelihood, AIC and BIC of a simulated fit by path sampling.

From a model whose likelihood is known, eta_0, a straight line leads to the estimate, eta_1. The derivative
of the log-likelihood along it is an expectation:

.. math:: l(\eta_1) - l(\eta_0) = \int_0^1 (\eta_1 - \eta_0) \cdot (E_t[g | \text{known}] - E_t[g]) dt

The integrand is smooth, so Gauss-Legendre nodes with a sample at each suffice. eta_0 are the maximum
likelihood estimates of the terms in which ties do not depend on each other, and 0 for the others. Without
missing ties, the first expectation is the observed statistic.

References
----------
Gelman and Meng, Simulating normalizing constants, Stat. Sci. 13 (1998). Hunter and Handcock (2006).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from methods.ergm.likelihood import maximise
from methods.ergm.result import ErgmFit
from methods.ergm.sampling import Budget, Chain, autocorrelation_time, retune, sample
from methods.ergm.simulation import initial_state
from methods.ergm.terms import Model, read_terms

Array = NDArray[np.float64]


def add_log_likelihood(
    fit: ErgmFit, *, seed: int, bridges: int = 16, effective: float = 200, most_steps: int = 100_000_000
) -> ErgmFit:
    """Return the fit with its log-likelihood, from which AIC and BIC follow.

    Parameters
    ----------
    fit : result of `fit` or `fit_temporal`; returned as it is if the log-likelihood is known.
    bridges : nodes of the integral.
    effective : independent networks at each node. `log_likelihood_error` of the result is the standard
        error by simulation.
    most_steps : maximum number of proposals.

    Raises
    ------
    ValueError
        If a statistic that depends on other ties has an infinite coefficient: no path leads there; or if
        the proposals do not suffice.
    """
    if fit.log_likelihood is not None:
        return fit
    model = read_terms(fit.graph, fit.terms).at(fit.coef)
    free = _free_columns(model)
    infinite = [n for n, c, f in zip(fit.names, fit.coef, free, strict=True) if np.isinf(c) and not f]
    if infinite:
        raise ValueError(
            f"ergm: {', '.join(infinite)} has an infinite coefficient: no path leads to the boundary of a "
            "statistic in which ties depend on each other; remove the term"
        )
    reference, value = _reference(fit, model, free)
    move = np.where(np.isfinite(fit.coef), model.weights(fit.coef) - reference, 0.0)
    budget, rng = Budget(most_steps), np.random.default_rng(seed)

    def chain(at_risk: NDArray[np.bool_] | None) -> Chain:
        state, statistics = initial_state(fit.graph, model, at_risk)
        return Chain(state, model, statistics, rng, budget)

    simulated = chain(fit.free)
    known = chain(fit.missing) if fit.missing.size else None
    nodes, weights = np.polynomial.legendre.leggauss(bridges)
    variance = 0.0
    # From the estimate back to the reference: the chain starts at a typical network.
    for node, weight in zip(nodes[::-1], weights[::-1] / 2, strict=True):
        coef = reference + (node + 1) / 2 * move
        mean, error = _expectation(simulated, coef, move, effective)
        given, error_given = float(fit.statistics @ move), 0.0
        if known is not None:
            given, error_given = _expectation(known, coef, move, effective)
        value += weight * (given - mean)
        variance += weight**2 * (error + error_given)
    return replace(fit, log_likelihood=value, log_likelihood_error=float(np.sqrt(variance)))


def _free_columns(model: Model) -> NDArray[np.bool_]:
    """Return the statistics of the reference: those of independent dyads."""
    columns = model.independent.copy()
    if model.mutual >= 0:
        columns[model.mutual] = True
    return columns


def _reference(fit: ErgmFit, model: Model, free: NDArray[np.bool_]) -> tuple[Array, float]:
    """Fit the independent terms; return their coefficients and log-likelihood."""
    start = np.where(np.isinf(fit.coef), fit.coef, 0.0)
    state = initial_state(fit.graph, model, fit.free)[0]
    try:
        maximum = maximise(state, model, start, exact=True, moving=free, missing=fit.missing)
    except ValueError:
        # Without a unique finite maximum, the path begins at 0, where every tie is a coin toss.
        nothing = np.zeros_like(free)
        maximum = maximise(state, model, start, exact=True, moving=nothing, missing=fit.missing)
    return maximum.coef, maximum.log_likelihood - maximum.decided * float(np.log(2))


def _expectation(chain: Chain, coef: Array, move: Array, effective: float) -> tuple[float, float]:
    """Return the mean along the path and its squared standard error."""
    found = sample(chain, coef, int(1.5 * effective), effective, chain.budget.left)
    if found.effective < 0.9 * effective:
        raise ValueError(
            f"ergm: the log-likelihood needs {effective:.0f} independent networks at each bridge, the "
            f"proposals gave {found.effective:.0f}; raise most_steps or lower effective"
        )
    along = found.statistics[:, move != 0] @ move[move != 0]
    retune(chain, found.statistics)
    return float(along.mean()), float(along.var() * autocorrelation_time(along[:, None])[0] / len(along))
