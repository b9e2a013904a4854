"""Exponential random graph models (ERGM), also for networks over time."""

from methods.ergm.model import ErgmFit, McmcDiagnostics, fit
from methods.ergm.sampling import DegenerateModelError
from methods.ergm.simulation import Simulation, simulate
from methods.ergm.temporal import fit_temporal

__all__ = [
    "DegenerateModelError",
    "ErgmFit",
    "McmcDiagnostics",
    "Simulation",
    "fit",
    "fit_temporal",
    "simulate",
]
