"""Causal discovery from observations (PC) and prediction in time (Granger).

Neither proves a cause. PC is right where no common cause is left out and the data are nearly
Gaussian and independent; a Granger test says that the past of one series helps to forecast
another beyond its own past, which a common driver with two delays brings about as well.
"""

from methods.causal.discovery import (
    Background,
    Cpdag,
    Edge,
    bootstrap_graphs,
    discover,
    partial_correlation,
)
from methods.causal.panel import PanelTest, panel_granger
from methods.causal.prediction import GrangerTest, granger

__all__ = [
    "Background",
    "Cpdag",
    "Edge",
    "GrangerTest",
    "PanelTest",
    "bootstrap_graphs",
    "discover",
    "granger",
    "panel_granger",
    "partial_correlation",
]
