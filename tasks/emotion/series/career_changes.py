"""Changes of careers under persistence, tested against careers without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.emotion.params import ChangepointParams
from tasks.emotion.series.persistence import Components
from tasks.emotion.series.regimes import Panel, regime_prior

if TYPE_CHECKING:
    from methods.changepoint import ChangePointPosterior

# Simulated sets of careers that the model of levels, which is slow, is tried on.
LEVELS_SETS = 2


class CareerChanges(NamedTuple):
    """All careers under persistent regimes, in the order of the components.

    `null_changed` (simulations, careers) is the probability of a change of simulated careers without one.
    `log_likelihood` is without changes, `gain` how many nats changes at `rate` add.
    """

    posteriors: list[ChangePointPosterior]
    p_values: np.ndarray
    adjusted: np.ndarray
    null: list[np.ndarray]
    null_changed: np.ndarray
    rate: float
    log_likelihood: float
    gain: float


class LevelChanges(NamedTuple):
    """Probability of a change if the years of a regime are independent.

    `null_changed` (sets, careers) is that of simulated careers without a change.
    """

    changed: np.ndarray
    null_changed: np.ndarray
    log_evidence: float


def persistent_changes(careers: Components, params: ChangepointParams) -> CareerChanges:
    """Fit persistence and rate, test each career, and compute its posterior."""
    from scipy.stats import false_discovery_control
    from tqdm import tqdm

    from methods.changepoint import (
        ChangePrior,
        evidence_by_count,
        fit_persistent,
        fit_rate,
        log_odds_of_change,
        no_change_p_value,
        persistent_posterior,
        simulate_without_change,
    )

    fitted = fit_persistent(careers.series)
    shape = params.career_min_length, params.k_max
    evidence = [evidence_by_count(one.y[None], one, fitted.prior, *shape)[0] for one in careers.series]
    rate = fit_rate(evidence)
    changes = ChangePrior(rate.rate, *shape)
    rng = np.random.default_rng(params.seed)
    null, odds, p_values, posteriors = [], [], [], []
    for number, one in enumerate(tqdm(careers.series, desc="careers", mininterval=1)):
        null.append(simulate_without_change(one, fitted.prior, params.career_simulations, rng))
        odds.append(log_odds_of_change(evidence_by_count(null[-1], one, fitted.prior, *shape), rate.rate))
        seed = (params.seed, number)
        p_values.append(no_change_p_value(one, fitted.prior, changes, seed=seed))
        posteriors.append(persistent_posterior(one, fitted.prior, changes))
    tested = np.array(p_values)
    return CareerChanges(
        posteriors, tested, false_discovery_control(tested), null, 1 / (1 + np.exp(-np.stack(odds, axis=1))),
        rate.rate, fitted.log_likelihood + careers.log_jacobian * sum(map(len, careers.rows)), rate.gain,
    )  # fmt: skip


def level_changes(
    panel: Panel, careers: Components, null: list[np.ndarray], params: ChangepointParams
) -> LevelChanges:
    """Compute the changes under regimes of independent years, for comparison."""
    from methods.changepoint import count_evidence

    prior = regime_prior(panel, params.career_strength)
    model = (prior, params.career_rate, params.career_min_length, params.k_max)
    changed, null_changed, total = [], [], 0.0
    for rows, simulated in zip(careers.rows, null, strict=True):
        weights = panel.weights[rows]
        counts = count_evidence(panel.values[rows], *model, weights=weights)
        total += float(np.logaddexp.reduce(counts))
        changed.append(_changed(counts))
        values = careers.values(simulated[:LEVELS_SETS], panel.year[rows])
        null_changed.append([_changed(count_evidence(y, *model, weights=weights)) for y in values])
    return LevelChanges(np.array(changed), np.array(null_changed).T, total)


def _changed(log_evidence: np.ndarray) -> float:
    return float(1 - np.exp(log_evidence[0] - np.logaddexp.reduce(log_evidence)))
