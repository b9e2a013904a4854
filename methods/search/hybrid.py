"""Genetic search, then Q-learning; defined in `statewright.search.hybrid`."""

from statewright.search.hybrid import Hybrid

__all__ = ["Hybrid"]
