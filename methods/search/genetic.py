"""Genetic search; defined in `statewright.search.genetic`, which the wheel ships."""

from statewright.search.genetic import Genetic, crossover, latin_hypercube, mutate

__all__ = ["Genetic", "crossover", "latin_hypercube", "mutate"]
