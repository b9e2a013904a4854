"""Samplers of other libraries behind the same interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statewright.search.sampler import Proposals, cost
from statewright.search.space import Config, Space, sample


class Random:
    """Uniform sampling of the unit cube, independent of what is told."""

    def __init__(self, space: Space, *, seed: int = 0) -> None:
        self._proposals = Proposals(space, seed)

    def ask(self) -> Config:
        """Return the next config to evaluate."""
        return self._proposals.add(sample(self._proposals.space, self._proposals.rng()))

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Report the value of a config."""
        cost(value)
        self._proposals.remove(config)
