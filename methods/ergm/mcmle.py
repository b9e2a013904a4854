"""Maximum likelihood by simulation.

At the maximum the mean of the simulated statistics equals the observed ones. From networks
simulated at theta_0, the log likelihood ratio is
``(theta - theta_0) . g_obs - log mean exp((theta - theta_0) . g)``. Far from the maximum, its normal
approximation is maximised with the observed statistics moved towards the simulated mean (partial
stepping). Near the maximum, Newton's method maximises the ratio. Standard errors come from the covariance
of the simulated statistics at the estimate, plus the error of the simulation.

References
----------
Geyer and Thompson (1992); Hummel, Hunter and Handcock (2012).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.ergm.sampling import Chain, DegenerateModelError, autocorrelation_time, retune, sample

Array = NDArray[np.float64]

_TRUST = 1.5
"""Longest step, in standard deviations of the simulated statistics (Mahalanobis)."""
_NEAR = 0.2
"""Distance within which importance weights are reliable."""
_MOST_ROUNDS = 60
_MOST_BACK_OFFS = 6


class Estimate(NamedTuple):
    """Estimate by simulation.

    `covariance` excludes the error of the simulation; `monte_carlo` is that error.
    """

    coef: Array
    covariance: Array
    monte_carlo: Array
    sample: Array
    rounds: int
    distance: float
    interval: int
    proposals: int


def estimate(
    new_chain: Callable[[], Chain], starts: list[Array], observed: Array, effective: float, most_steps: int
) -> Estimate:
    """Estimate from the first of `starts` that converges.

    Infinite coefficients stay fixed. `new_chain` returns a chain at the observed network.

    Raises
    ------
    DegenerateModelError
        If no start converges; the message describes the simulated networks.
    """
    reasons = []
    for start in starts:
        try:
            return _approach(new_chain, start, observed, effective, most_steps)
        except DegenerateModelError as error:
            reasons.append(str(error))
    raise DegenerateModelError(" / ".join(dict.fromkeys(reasons)))


def _approach(
    new_chain: Callable[[], Chain], start: Array, observed: Array, effective: float, most_steps: int
) -> Estimate:
    moving, coef, reached = np.isfinite(start), start.copy(), None
    chain, backed_off = new_chain(), 0
    budget, allowed = chain.budget, chain.budget.left - most_steps // 4
    for rounds in range(1, _MOST_ROUNDS + 1):
        try:
            draws = sample(chain, coef, 400, 60, min(most_steps // 10, max(0, budget.left - allowed)))
            retune(chain, draws, worth=0.2)
            step, distance = _newton_step(draws[:, moving], observed[moving])
            reached = coef.copy()
            coef[moving] += min(1.0, _TRUST / max(distance, 1e-12)) * step
            if distance < _TRUST:
                retune(chain, draws)
            refined = _refine(chain, coef, observed, effective, most_steps) if distance < _TRUST else None
        except DegenerateModelError:
            backed_off += 1
            if reached is None or backed_off > _MOST_BACK_OFFS:
                raise
            coef[moving] = (coef + reached)[moving] / 2
            chain = new_chain()
            continue
        if refined is not None:
            return refined._replace(rounds=rounds)
    raise DegenerateModelError(
        f"after {_MOST_ROUNDS} rounds the simulated networks differ from the observed one by {distance:.1f} "
        f"standard deviations: {_compare(chain, draws.mean(axis=0), observed)}"
    )


def _refine(chain: Chain, coef: Array, observed: Array, effective: float, most_steps: int) -> Estimate | None:
    """Maximise the ratio itself from larger samples; return None if still far off."""
    moving = np.isfinite(coef)
    first = min(effective / 4, max(effective / 8, 150 * moving.sum()))
    for wanted in (first, effective):
        draws = sample(chain, coef, int(1.5 * wanted), wanted, most_steps)
        interval = chain.interval
        _, distance = _newton_step(draws[:, moving], observed[moving])
        if distance > (_TRUST if wanted < effective else _NEAR):
            return None
        at = coef.copy()
        retune(chain, draws)
        coef[moving] += _ratio_maximum(draws[:, moving], observed[moving])
    return _summarise(draws, coef, at, distance)._replace(interval=interval, proposals=chain.steps)


def _newton_step(draws: Array, observed: Array) -> tuple[Array, float]:
    """Compute the step of the normal approximation and the distance to the mean."""
    gap = observed - draws.mean(axis=0)
    covariance = np.atleast_2d(np.cov(draws.T))
    # A statistic without variation in the sample has no estimate of its variance: use that of a count
    # with mean |gap|.
    stuck = np.diag(np.where(np.diag(covariance) > 0, 0.0, np.maximum(np.abs(gap), 1e-6)))
    covariance = covariance + stuck
    scale = np.sqrt(np.diag(covariance))
    scaled = covariance / np.outer(scale, scale) + 1e-9 * np.eye(len(gap))
    step = np.linalg.solve(scaled, gap / scale) / scale
    return step, float(np.sqrt(max(gap @ step, 0.0)))


def _weights(draws: Array, move: Array) -> Array:
    log_weights = (draws - draws.mean(axis=0)) @ move
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _ratio_maximum(draws: Array, observed: Array) -> Array:
    """Find the move at which the reweighted mean equals the observed statistics."""
    move = np.zeros(len(observed))
    for _ in range(50):
        weights = _weights(draws, move)
        mean = weights @ draws
        centred = draws - mean
        step = np.linalg.solve((weights[:, None] * centred).T @ centred, observed - mean)
        move += step
        if np.abs(step * draws.std(axis=0)).max() < 1e-10:
            break
    return move


def _summarise(draws: Array, coef: Array, at: Array, distance: float) -> Estimate:
    moving = np.isfinite(coef)
    part = draws[:, moving]
    weights = _weights(part, (coef - at)[moving])
    centred = part - weights @ part
    inverse = np.linalg.inv((weights[:, None] * centred).T @ centred)
    error = inverse @ _covariance_of_mean(part) @ inverse
    full, monte_carlo = np.zeros((2, len(coef), len(coef)))
    full[np.ix_(moving, moving)], monte_carlo[np.ix_(moving, moving)] = inverse, error
    return Estimate(coef, full, monte_carlo, draws, 0, distance, 0, 0)


def _covariance_of_mean(draws: Array) -> Array:
    """Compute the covariance of the mean of a correlated sample.

    It is the covariance of the draws, scaled by their autocorrelation times.
    """
    stretch = np.sqrt(autocorrelation_time(draws) / len(draws))
    return np.atleast_2d(np.cov(draws.T)) * np.outer(stretch, stretch)


def _compare(chain: Chain, mean: Array, observed: Array) -> str:
    parts = zip(chain.model.names, mean, observed, strict=True)
    return "; ".join(f"{name} {m:.4g} simulated, {o:.4g} observed" for name, m, o in parts)
