"""Maximum likelihood by simulation.

At the maximum the mean of the simulated statistics equals the observed ones. From networks
simulated at theta_0, the log likelihood ratio is
``(theta - theta_0) . g_obs - log mean exp((theta - theta_0) . g)``. Far from the maximum, its normal
approximation is maximised with the observed statistics moved towards the simulated mean (partial
stepping). Near the maximum, Newton's method maximises the ratio. Standard errors come from the covariance
of the simulated statistics at the estimate, plus the error of the simulation.

*Missing ties.* The likelihood is the sum over all networks that agree with the known ties. A second chain
draws such networks; ``log mean exp((theta - theta_0) . g)`` over its draws takes the place of the first
term, and its covariance is subtracted from the information.

*Effort.* A chain that mixes slowly gets more proposals, up to the budget; a network that grows without bound
halves the steps.

References
----------
Geyer and Thompson (1992); Hummel, Hunter and Handcock (2012); Handcock and Gile, Modeling social networks
from sampled data, AOAS 4 (2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.ergm.sampling import (
    BudgetSpentError,
    Chain,
    DegenerateModelError,
    Sample,
    autocorrelation_time,
    place,
    retune,
    sample,
)

Array = NDArray[np.float64]

_TRUST = 1.5
"""Longest step, in standard deviations of the simulated statistics (Mahalanobis)."""
_NEAR = 0.2
"""Distance within which importance weights are reliable."""
_NEAR_CURVED = 0.03
"""The same for curved models, whose last step is linear in the decay, but not below the simulation error."""
_MOST_ROUNDS = 60
_MOST_BACK_OFFS = 12
_SEARCH_EFFECTIVE = 60
"""Independent networks of a sample of the search."""
_LEAST_EFFECTIVE = 20
"""Independent networks below which a sample gives no direction."""
_DECAYS = (0.01, 10.0)


class Estimate(NamedTuple):
    """Estimate by simulation.

    `covariance` excludes the error of the simulation; `monte_carlo` is that error. `reason` says why the
    estimate is not the maximum; it is empty otherwise. `effective` is the size of the sample in
    independent networks.
    """

    coef: Array
    covariance: Array
    monte_carlo: Array
    sample: Array
    rounds: int
    distance: float
    interval: int
    proposals: int
    reason: str = ""
    effective: float = 0.0


@dataclass
class Sampler:
    """Chains of all networks and of those that agree with the known ties.

    `observed` (1, p) are the statistics of the graph; `edges` recomputes them for other decays.
    """

    chain: Chain
    known: Chain | None
    observed: Array
    restate: Callable[[Chain, Array], Array]

    def draw(self, coef: Array, draws: int, effective: float, most_steps: int) -> Draws:
        """Draw statistics of both chains at the coefficients."""
        place(self.chain, coef)
        if self.known is None:
            simulated = sample(self.chain, coef, draws, effective, most_steps)
            if self.chain.model.is_decay.any():
                self.observed = self.restate(self.chain, coef)[None]
            return Draws(simulated.statistics, self.observed, simulated.effective)
        place(self.known, coef)
        half = most_steps // 2
        simulated = sample(self.chain, coef, draws, effective, half)
        given: Sample = sample(self.known, coef, draws, effective, half)
        return Draws(simulated.statistics, given.statistics, min(simulated.effective, given.effective))


class Draws(NamedTuple):
    """Statistics of simulated networks (m, p) and of observed ones (k, p).

    With missing ties, the observed ones are completions of the network.
    """

    simulated: Array
    given: Array
    effective: float

    def only(self, moving: NDArray[np.bool_]) -> Draws:
        """Return the columns `moving`."""
        return Draws(self.simulated[:, moving], self.given[:, moving], self.effective)


def estimate(
    new_sampler: Callable[[], Sampler], starts: list[Array], effective: float, most_steps: int
) -> Estimate:
    """Estimate from the first of `starts` that converges.

    Infinite coefficients stay fixed. `new_sampler` returns chains at the observed network. If no start
    converges, the rest of the budget goes to the one that came closest; the result then has a `reason`.

    Raises
    ------
    DegenerateModelError
        If every start leads to networks that grow without bound.
    """
    reasons: list[str] = []
    partial: list[Estimate] = []
    for start in starts:
        try:
            found = _approach(
                new_sampler, start, effective, _Effort(most_steps // 4, most_steps // 10, False)
            )
        except DegenerateModelError as error:
            reasons.append(str(error))
            continue
        if not found.reason:
            return found
        partial.append(found)
    if not partial:
        raise DegenerateModelError(" / ".join(dict.fromkeys(reasons)))
    closest = min(partial, key=lambda one: one.distance)
    try:
        more = _approach(new_sampler, closest.coef, effective, _Effort(most_steps, most_steps // 10, True))
    except DegenerateModelError:
        return closest
    return closest if more.distance > closest.distance and more.reason else more


class _Effort(NamedTuple):
    """Proposals for the search, and for each of its samples.

    A `patient` search doubles the proposals of a sample until it gives a direction, and accepts a last
    sample that is worth less than was wanted.
    """

    search: int
    sample: int
    patient: bool


def _approach(
    new_sampler: Callable[[], Sampler], start: Array, effective: float, effort: _Effort
) -> Estimate:
    moving, coef, sampler = np.isfinite(start), start.copy(), new_sampler()
    budget = sampler.chain.budget
    reserve = max(0, budget.left - effort.search)
    reached, trust, backed_off = None, _TRUST, 0
    reason = f"{_MOST_ROUNDS} rounds did not suffice"
    for rounds in range(1, _MOST_ROUNDS + 1):
        try:
            draws, effort = _search(sampler, coef, effort, budget.left - reserve)
            step, distance = _newton_step(*draws.only(moving)[:2])
            reached = _Reached(coef.copy(), draws, rounds, distance)
            if draws.effective < (_LEAST_EFFECTIVE if effort.patient else 0.99 * _SEARCH_EFFECTIVE):
                reason = _slow(sampler.chain, draws, _SEARCH_EFFECTIVE)
                break
            retune(sampler.chain, draws.simulated, worth=0.2)
            if not draws.simulated[:, moving].std(axis=0).all():
                # Without variation there is no scale: the unit of log odds.
                step = np.clip(step, -1.0, 1.0)
            # With missing ties, a step that is short for the known part may be long for the networks.
            length = max(distance, _length(draws.simulated[:, moving], step))
            coef, _ = _moved(coef, moving, min(1.0, trust / max(length, 1e-12)) * step, sampler)
            trust = min(_TRUST, 1.5 * trust)
            if length < _TRUST:
                retune(sampler.chain, draws.simulated)
                refined = _refine(sampler, coef, effective, effort.patient)
                if refined is not None:
                    return refined._replace(rounds=rounds)
        except DegenerateModelError:
            backed_off += 1
            trust /= 2
            if reached is None or backed_off > _MOST_BACK_OFFS:
                raise
            coef[moving] = (coef + reached.coef)[moving] / 2
            sampler = new_sampler()
        except BudgetSpentError as error:
            reason = str(error)
            break
    return _unfinished(sampler, reached or _Reached(coef, None, rounds, np.inf), reason)


def _search(sampler: Sampler, coef: Array, effort: _Effort, left: int) -> tuple[Draws, _Effort]:
    """Draw a short sample; a patient search doubles its proposals where needed."""
    while True:
        draws = sampler.draw(coef, 400, _SEARCH_EFFECTIVE, max(0, min(effort.sample, left)))
        if draws.effective >= _LEAST_EFFECTIVE or not effort.patient or effort.sample >= left:
            return draws, effort
        effort = effort._replace(sample=2 * effort.sample)


class _Reached(NamedTuple):
    """Last coefficients with a sample, and its distance from the observation."""

    coef: Array
    draws: Draws | None
    rounds: int
    distance: float


def _slow(chain: Chain, draws: Draws, wanted: float) -> str:
    low, high = draws.simulated[:, 0].min(), draws.simulated[:, 0].max()
    return (
        f"{chain.steps:,} proposals gave {draws.effective:.0f} independent networks; expected "
        f"{wanted:.0f}; in them {chain.model.names[0]} ranges from {low:.4g} to {high:.4g}"
    )


def _moved(coef: Array, moving: NDArray[np.bool_], step: Array, sampler: Sampler) -> tuple[Array, float]:
    """Add a step, or the part of it for which a curved model is about linear.

    A decay and its weight change by at most half; the decay stays in its range. The second value is the
    part of the step.
    """
    whole = np.zeros(len(coef))
    whole[moving] = step
    decays = np.flatnonzero(moving & sampler.chain.model.is_decay)
    least = np.r_[np.full(len(decays), 0.2), np.full(len(decays), 0.5)]
    curved = np.r_[decays, decays - 1]
    most = 0.5 * np.maximum(np.abs(coef[curved]), least)
    part = float(np.min(most / np.maximum(np.abs(whole[curved]), 1e-300), initial=1.0))
    new = coef + np.where(moving, part * whole, 0.0)
    new[decays] = new[decays].clip(*_DECAYS)
    return new, part


def _refine(sampler: Sampler, coef: Array, effective: float, patient: bool) -> Estimate | None:
    """Maximise the ratio itself from larger samples; return None if still far off."""
    moving, chain = np.isfinite(coef), sampler.chain
    curved = chain.model.is_decay[moving].any()
    near = max(_NEAR_CURVED, 1.6 * float(np.sqrt(moving.sum() / effective))) if curved else _NEAR
    first = min(effective / 4, max(effective / 8, 150 * moving.sum()))
    for wanted in (first, effective):
        draws = sampler.draw(coef, int(1.5 * wanted), wanted, chain.budget.left)
        interval, part = chain.interval, draws.only(moving)
        _, distance = _newton_step(*part[:2])
        short = draws.effective < 0.99 * wanted
        if short and not (patient and draws.effective >= _LEAST_EFFECTIVE * moving.sum()):
            raise BudgetSpentError(_slow(chain, draws, wanted))
        if distance > (_TRUST if wanted < effective else near):
            return None
        at = coef.copy()
        retune(chain, draws.simulated)
        move = _ratio_maximum(*part[:2])
        coef, share = _moved(coef, moving, move, sampler)
        if share < 1 or _length(part.simulated, move) > _TRUST:
            return None
        if short:
            break
    reason = _at_limit(chain, coef)
    if short and not reason:
        reason = (
            f"the last sample is worth {draws.effective:.0f} independent networks, expected {effective:.0f}; "
            "the standard errors include the larger error of the simulation"
        )
    return _summarise(draws, coef, at, distance)._replace(interval=interval, reason=reason)


def _at_limit(chain: Chain, coef: Array) -> str:
    names = [
        name
        for name, decay in zip(chain.model.names, np.where(chain.model.is_decay, coef, 1.0), strict=True)
        if not _DECAYS[0] < decay < _DECAYS[1]
    ]
    return f"{', '.join(names)} is at a limit of its range; fix the decay" if names else ""


def _newton_step(draws: Array, given: Array) -> tuple[Array, float]:
    """Compute the step of the normal approximation and the distance to the mean."""
    given = np.atleast_2d(given)
    gap = given.mean(axis=0) - draws.mean(axis=0)
    covariance = _information(np.atleast_2d(np.cov(draws.T)), _covariance(given))
    # A statistic without variation in the sample has no estimate of its variance: use that of a count
    # with mean |gap|.
    stuck = np.diag(np.where(np.diag(covariance) > 0, 0.0, np.maximum(np.abs(gap), 1e-6)))
    covariance = covariance + stuck
    scale = np.sqrt(np.diag(covariance))
    scaled = covariance / np.outer(scale, scale) + 1e-9 * np.eye(len(gap))
    step = np.linalg.solve(scaled, gap / scale) / scale
    return step, float(np.sqrt(max(gap @ step, 0.0)))


def _length(draws: Array, step: NDArray[np.floating]) -> float:
    """Return the length of a step in standard deviations of simulated networks."""
    return float(((draws - draws.mean(axis=0)) @ step).std())


def _covariance(given: Array) -> Array:
    """Compute the covariance of the completions of the network, 0 for one network."""
    if len(given) == 1:
        return np.zeros((given.shape[1], given.shape[1]))
    return np.atleast_2d(np.cov(given.T))


def _information(complete: Array, missing: Array) -> Array:
    """Subtract the information of missing ties, if the rest is positive definite.

    Elsewhere that of complete networks gives a shorter step in a rising direction.
    """
    if not missing.any():
        return complete
    scale = np.sqrt(np.maximum(np.diag(complete), 1e-300))
    rest = complete - missing
    return rest if np.linalg.eigvalsh(rest / np.outer(scale, scale))[0] > 1e-3 else complete


def _reweighted(draws: Array, move: Array) -> tuple[Array, Array]:
    """Compute mean and covariance of the statistics at coefficients moved by `move`."""
    log_weights = (draws - draws.mean(axis=0)) @ move
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    mean = weights @ draws
    centred = draws - mean
    return mean, (weights[:, None] * centred).T @ centred


def _ratio_maximum(draws: Array, given: Array) -> Array:
    """Find the move at which the reweighted mean equals that of the given networks."""
    move = np.zeros(draws.shape[1])
    for _ in range(50):
        mean, covariance = _reweighted(draws, move)
        target, inner = _reweighted(given, move)
        step = np.linalg.lstsq(_information(covariance, inner), target - mean, rcond=1e-12)[0]
        move = move + step * min(1.0, _TRUST / max(_length(draws, step), 1e-12))
        if np.abs(step * draws.std(axis=0)).max() < 1e-10:
            break
    return move


def _summarise(draws: Draws, coef: Array, at: Array, distance: float) -> Estimate:
    moving = np.isfinite(coef)
    part, move = draws.only(moving), coef[moving] - at[moving]
    complete, missing = _reweighted(part.simulated, move)[1], _reweighted(part.given, move)[1]
    inverse = np.linalg.inv(_information(complete, missing))
    noise = _covariance_of_mean(part.simulated)
    if len(part.given) > 1:
        noise = noise + _covariance_of_mean(part.given)
    full, monte_carlo = np.zeros((2, len(coef), len(coef)))
    full[np.ix_(moving, moving)] = inverse
    monte_carlo[np.ix_(moving, moving)] = inverse @ noise @ inverse
    return Estimate(coef, full, monte_carlo, draws.simulated, 0, distance, 0, 0, "", draws.effective)


def _covariance_of_mean(draws: Array) -> Array:
    """Compute the covariance of the mean of a correlated sample.

    It is the covariance of the draws, scaled by their autocorrelation times.
    """
    stretch = np.sqrt(autocorrelation_time(draws) / len(draws))
    return np.atleast_2d(np.cov(draws.T)) * np.outer(stretch, stretch)


def _unfinished(sampler: Sampler, reached: _Reached, reason: str) -> Estimate:
    """Return the last coefficients and their sample, without standard errors."""
    chain, p = sampler.chain, len(reached.coef)
    unknown = np.full((p, p), np.nan)
    draws = np.empty((0, p)) if reached.draws is None else reached.draws.simulated
    if reached.draws is not None:
        mean, observed = draws.mean(axis=0), reached.draws.given.mean(axis=0)
        parts = zip(chain.model.names, mean, observed, strict=True)
        compared = "; ".join(f"{name} {m:.4g} simulated, {o:.4g} observed" for name, m, o in parts)
        reason += f"; the last sample differs by {reached.distance:.1f} standard deviations: {compared}"
    return Estimate(
        reached.coef, unknown, unknown, draws, reached.rounds, reached.distance, chain.interval,
        chain.budget.total - chain.budget.left, reason,
        0.0 if reached.draws is None else reached.draws.effective,
    )  # fmt: skip
