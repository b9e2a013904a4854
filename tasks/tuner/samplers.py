"""Random search with the signature of the other samplers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class Random:
    """Uniformly random configs of a space."""

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        self.space, self.rng = dict(space), np.random.default_rng(seed)

    def ask(self) -> dict[str, Any]:
        """Return a random config."""
        from methods.search.space import sample

        return sample(self.space, self.rng)

    def tell(self, config: Mapping[str, Any], value: float | None) -> None:
        """Learn nothing."""
