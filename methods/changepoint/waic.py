"""The widely applicable information criterion (WAIC)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Beyond this variance of a point's log likelihood the criterion is unreliable (Vehtari et al. 2017).
UNRELIABLE_VARIANCE = 0.4


@dataclass(frozen=True)
class Waic:
    """WAIC on the deviance scale: lower is better.

    Attributes
    ----------
    value : float
        ``-2 (lppd - p_waic)``.
    standard_error : float
        ``sqrt(n var(pointwise))``, which assumes that the n observations are independent.
    lppd : float
        Log pointwise predictive density, summed over observations.
    p_waic : float
        Effective number of parameters: the sum of `variances`.
    pointwise : array (n,)
        Each observation's share of `value`.
    variances : array (n,)
        Posterior variance of each observation's log likelihood.
    warning : str or None
        Set if a variance exceeds 0.4: the criterion is unreliable there.
    """

    value: float
    standard_error: float
    lppd: float
    p_waic: float
    pointwise: Array
    variances: Array
    warning: str | None


def waic(log_likelihood: Array) -> Waic:
    r"""Compute WAIC from posterior draws.

    ``lppd = sum_i log (1/S sum_s p(y_i | theta_s))``, ``p_waic = sum_i var_s log p(y_i | theta_s)``,
    ``WAIC = -2 (lppd - p_waic)``.

    Parameters
    ----------
    log_likelihood : array (S, n)
        Log likelihood of each of n observations under each of S draws, S >= 2.

    Returns
    -------
    Waic

    Raises
    ------
    ValueError
        If the array is not (S, n) with at least two draws and one observation, or a value is not finite.
        A log likelihood of -inf has an infinite variance, so that there is no WAIC.

    Warns
    -----
    UserWarning
        If the variance of an observation's log likelihood exceeds 0.4.

    References
    ----------
    Watanabe, Journal of Machine Learning Research 11 (2010); Vehtari, Gelman, Gabry, Statistics and
    Computing 27 (2017); spec 3 section 4.3.
    """
    log_likelihood = np.asarray(log_likelihood, dtype=float)
    if log_likelihood.ndim != 2 or len(log_likelihood) < 2 or log_likelihood.shape[1] == 0:
        raise ValueError(
            f"log likelihood has shape {log_likelihood.shape}; expected (draws >= 2, observations >= 1)"
        )
    if not np.isfinite(log_likelihood).all():
        bad = np.flatnonzero(~np.isfinite(log_likelihood).all(axis=0))[:8].tolist()
        raise ValueError(
            f"log likelihood is NaN or infinite for observations {bad}; expected finite numbers. WAIC does "
            "not exist if a draw gives an observation the probability 0: leave the observation out or use "
            "a model that allows it"
        )
    lppd = np.logaddexp.reduce(log_likelihood, axis=0) - math.log(len(log_likelihood))
    return waic_of_points(lppd, log_likelihood.var(axis=0))


def waic_of_points(lppd: Array, variances: Array) -> Waic:
    """Compute WAIC from pointwise log densities (n,) and likelihood variances (n,).

    Raises
    ------
    ValueError
        If the two arrays differ in shape, or a value is not finite or a variance below 0.
    """
    if lppd.shape != variances.shape:
        raise ValueError(f"lppd has shape {lppd.shape} and variances {variances.shape}; expected the same")
    valid = np.isfinite(lppd) & np.isfinite(variances) & (variances >= 0)
    if not valid.all():
        raise ValueError(
            f"lppd or variance is invalid for observations {np.flatnonzero(~valid)[:8].tolist()}; expected "
            "finite numbers and variances >= 0"
        )
    pointwise = -2 * (lppd - variances)
    unreliable = np.flatnonzero(variances > UNRELIABLE_VARIANCE)
    warning = None
    if len(unreliable):
        warning = (
            f"the variance of the log likelihood exceeds {UNRELIABLE_VARIANCE} at {len(unreliable)} of "
            f"{len(lppd)} observations (first at {unreliable[0]}): WAIC is unreliable there"
        )
        warnings.warn(warning, UserWarning, stacklevel=3)
    return Waic(
        value=float(pointwise.sum()),
        standard_error=float(np.sqrt(len(pointwise) * pointwise.var())),
        lppd=float(lppd.sum()),
        p_waic=float(variances.sum()),
        pointwise=pointwise,
        variances=variances,
        warning=warning,
    )
