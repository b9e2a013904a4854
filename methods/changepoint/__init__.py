"""Bayesian change points of a multivariate series: where the regime changes, and how surely."""

from methods.changepoint.exact import exact_posterior
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.regimes import NormalInverseWishart, segment_log_likelihood
from methods.changepoint.sampler import sample_posterior
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.trend import TrendRegimes
from methods.changepoint.waic import Waic, waic

__all__ = [
    "ChangePointPosterior",
    "NormalIndependentInverseWishart",
    "NormalInverseWishart",
    "TrendRegimes",
    "Waic",
    "exact_posterior",
    "sample_posterior",
    "segment_log_likelihood",
    "waic",
]
