"""Bayesian change-point detection in multivariate series."""

from methods.changepoint.counts import CountRegimes
from methods.changepoint.default import Detection, detect
from methods.changepoint.exact import count_evidence, exact_posterior
from methods.changepoint.no_change import no_change_p_value, simulate_without_change
from methods.changepoint.persistent import (
    ChangePrior,
    NoisySeries,
    PersistentRegimes,
    evidence_by_count,
    log_odds_of_change,
    persistent_posterior,
)
from methods.changepoint.persistent_fit import fit_persistent, fit_rate
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.regimes import NormalInverseWishart, segment_log_likelihood
from methods.changepoint.robust import robust_posterior
from methods.changepoint.sampler import sample_posterior
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.trend import TrendRegimes
from methods.changepoint.waic import Waic, waic

__all__ = [
    "ChangePointPosterior",
    "ChangePrior",
    "CountRegimes",
    "Detection",
    "NoisySeries",
    "NormalIndependentInverseWishart",
    "NormalInverseWishart",
    "PersistentRegimes",
    "TrendRegimes",
    "Waic",
    "count_evidence",
    "detect",
    "evidence_by_count",
    "exact_posterior",
    "fit_persistent",
    "fit_rate",
    "log_odds_of_change",
    "no_change_p_value",
    "persistent_posterior",
    "robust_posterior",
    "sample_posterior",
    "segment_log_likelihood",
    "simulate_without_change",
    "waic",
]
