"""Words for operators, baselines and scores that several sections use."""

from __future__ import annotations

from tasks.fusion.contracts.fuse import IntervalFigures
from tasks.report.blocks import count, interval, signed

OPERATORS = {
    "early": "all columns beside each other, one linear model",
    "late-average": "one model per modality, their predictions averaged",
    "late-stacked": "one model per modality, their predictions weighted",
    "boosting": "gradient boosting of all columns",
    "tensor": "weighted tensor fusion of encoded modalities",
    "interaction": "products of all modalities beside their sum",
    "attention": "attention between the modalities",
    "hierarchy": "attention from columns to modalities to the result",
    "blend": "the weighted mean of several operators",
    "prior": "no modality: the most common class, or the mean",
}
ONLY = "only:"


def described(name: str) -> str:
    """Return what an operator or baseline does."""
    if name.startswith(ONLY):
        return f"only the modality {name.removeprefix(ONLY)}"
    return OPERATORS.get(name, name)


def score_name(classes: list[str]) -> str:
    """Return the name of the score of a task."""
    return "accuracy" if classes else "R²"


def short(name: str) -> str:
    """Return the name of an operator or baseline for the axis of a figure."""
    return f"{name.removeprefix(ONLY)} alone" if name.startswith(ONLY) else name


def scored(value: float, classes: list[str]) -> str:
    """Format a score with its name: ``an accuracy of 98.8%`` or ``an R² of 0.870``."""
    return f"an accuracy of {value:.1%}" if classes else f"an R² of {value:.3f}"


def difference(value: IntervalFigures) -> str:
    """Format a paired difference in points: ``+1.2 (0.3 to 2.1)``."""
    return f"{signed(100 * value.mean, 1)} ({interval(100 * value.low, 100 * value.high, 1)})"


def drawn(rows: int, developed: int) -> str:
    """Return the number of used rows, and of how many they are a random part."""
    part = f" (drawn at random from {count(developed)})" if rows < developed else ""
    return f"{count(rows)} development rows{part}"
