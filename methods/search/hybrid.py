"""Genetic search, then Q-learning; in `statewright.search.hybrid`, which the wheel ships."""

from statewright.search.hybrid import Hybrid

__all__ = ["Hybrid"]
