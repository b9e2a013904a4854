"""Words for sets, variants and differences that several sections use."""

from __future__ import annotations

from tasks.report.blocks import interval, signed
from tasks.sifa.contracts.evaluate import Difference

SETS = {
    "digits": "turned digits (few rows)",
    "digits500": "turned digits (more rows)",
    "signals": "one-dimensional digits",
    "molecules": "heat of formation of molecules",
    "solubility": "solubility of molecules",
    "sixnine": "upright sixes and nines",
}
VARIANTS = {
    "sifa": "the whole architecture",
    "no-symmetry": "without the symmetry",
    "no-metric": "without the Fisher metric in attention",
    "no-information": "without information regularisation",
    "no-symplectic": "trained by AdamW",
    "no-renormalisation": "without coarse-graining",
    "plain": "plain transformer, as many parameters",
    "plain-flops": "plain transformer, as many operations",
    "augmented": "plain transformer with augmentation",
    "cnn": "convolutional network",
    "mlp": "perceptron",
    "svc": "support vector machine",
    "svc-augmented": "support vector machine with augmentation",
    "kernel": "kernel machine",
    "forest": "random forest of descriptors",
    "gat": "graph attention network",
}


def set_name(name: str) -> str:
    """Return what a set holds."""
    return SETS.get(name, name)


def variant_name(name: str) -> str:
    """Return what a variant is."""
    return VARIANTS.get(name, name)


def unit(measure: str) -> str:
    """Return the unit of a difference: points of accuracy, or percent of the error."""
    return " points" if measure == "accuracy" else "% of the error"


def change(value: Difference, unit: str = "") -> str:
    """Format a difference with its interval by seed: ``+1.2 points (0.3 to 2.1)``."""
    return f"{signed(value.mean, 1)}{unit} ({interval(value.low, value.high, 1)})"
