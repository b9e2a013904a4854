"""Views of a file of tensors by modality, for the stages that compute with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PREFIX = "x."


def modality_arrays(views: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return modality -> array (rows, columns), in the order of the names."""
    return {name.removeprefix(PREFIX): views[name] for name in sorted(views) if name.startswith(PREFIX)}
