"""Exponential random graph models (ERGM), for one network and over time."""

from methods.ergm.bridge import add_log_likelihood
from methods.ergm.goodness import Distribution, GoodnessOfFit, goodness_of_fit
from methods.ergm.model import fit
from methods.ergm.result import ErgmFit, McmcDiagnostics
from methods.ergm.sampling import DegenerateModelError
from methods.ergm.simulation import Simulation, simulate
from methods.ergm.temporal import fit_temporal

__all__ = [
    "DegenerateModelError",
    "Distribution",
    "ErgmFit",
    "GoodnessOfFit",
    "McmcDiagnostics",
    "Simulation",
    "add_log_likelihood",
    "fit",
    "fit_temporal",
    "goodness_of_fit",
    "simulate",
]
