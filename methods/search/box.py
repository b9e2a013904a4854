"""Bounds of a search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Box(NamedTuple):
    """Lowest and highest value of each variable, (d,) each."""

    low: Floats
    high: Floats


def box(bounds: ArrayLike) -> Box:
    """Read bounds as pairs, (d, 2), or as two rows, (2, d).

    Raises
    ------
    ValueError
        If the shape is another, a bound is not finite, or a lowest value is not below the highest.
    """
    values = np.asarray(bounds, float)
    if values.ndim != 2 or 2 not in values.shape:
        raise ValueError(f"bounds have shape {values.shape}; expected (d, 2) pairs or (2, d) rows")
    low, high = values.T if values.shape[1] == 2 else values
    if not np.isfinite(values).all() or not (low < high).all():
        raise ValueError(
            f"bounds from {low.tolist()} to {high.tolist()}; expected finite numbers, each lowest value "
            "below its highest"
        )
    return Box(low.copy(), high.copy())
