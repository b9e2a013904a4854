"""Causal discovery (PC, BOSS, GES), structural causal models and Granger tests.

None of them proves a cause. The graphs are correct if no common cause is left out and the test or
score suits the data. A structural model is correct if its graph is. A Granger test says that the past
of one series helps to forecast another beyond its own past; a common cause that acts with two delays
has the same result.
"""

from methods.causal.confidence import EdgeConfidence, bootstrap_graphs, edge_confidence
from methods.causal.discovery import discover
from methods.causal.equivalence import ges
from methods.causal.graph import Background, Cpdag, Edge, cpdag_of_dag
from methods.causal.independence import partial_correlation
from methods.causal.intervention import Effect, Intervention
from methods.causal.linearity import linearity
from methods.causal.ordering import boss
from methods.causal.pairs import GrangerPairs, choose_lags, granger_pairs
from methods.causal.panel import PanelTest, panel_granger
from methods.causal.prediction import Causality, GrangerTest, WaldTest, causality, granger, instantaneous
from methods.causal.refutation import (
    Refutation,
    placebo_treatment,
    random_common_cause,
    robustness_value,
)
from methods.causal.stationarity import Stationarity, differences_needed, stationarity
from methods.causal.structural_model import StructuralCausalModel

__all__ = [
    "Background",
    "Causality",
    "Cpdag",
    "Edge",
    "EdgeConfidence",
    "Effect",
    "GrangerPairs",
    "GrangerTest",
    "Intervention",
    "PanelTest",
    "Refutation",
    "Stationarity",
    "StructuralCausalModel",
    "WaldTest",
    "bootstrap_graphs",
    "boss",
    "causality",
    "choose_lags",
    "cpdag_of_dag",
    "differences_needed",
    "discover",
    "edge_confidence",
    "ges",
    "granger",
    "granger_pairs",
    "instantaneous",
    "linearity",
    "panel_granger",
    "partial_correlation",
    "placebo_treatment",
    "random_common_cause",
    "robustness_value",
    "stationarity",
]
