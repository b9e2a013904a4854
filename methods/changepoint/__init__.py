"""Bayesian change-point detection in multivariate series."""

from methods.changepoint.default import Detection, detect
from methods.changepoint.exact import exact_posterior
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.regimes import NormalInverseWishart, segment_log_likelihood
from methods.changepoint.robust import robust_posterior
from methods.changepoint.sampler import sample_posterior
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.trend import TrendRegimes
from methods.changepoint.waic import Waic, waic

__all__ = [
    "ChangePointPosterior",
    "Detection",
    "NormalIndependentInverseWishart",
    "NormalInverseWishart",
    "TrendRegimes",
    "Waic",
    "detect",
    "exact_posterior",
    "robust_posterior",
    "sample_posterior",
    "segment_log_likelihood",
    "waic",
]
