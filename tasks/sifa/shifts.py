"""Test rows that differ from the training rows: attacks and shifts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.sifa.params import TrainParams

if TYPE_CHECKING:
    from methods.sifa.model import Trained

Array = NDArray[np.float64]


class AttackScores(NamedTuple):
    """Accuracy by radius: under both attacks, and under that along the gradient."""

    robust: dict[str, float]
    gradient: dict[str, float]


def attacked_scores(
    name: str, trained: Trained, x: Array, y: NDArray[Any], params: TrainParams
) -> AttackScores:
    """Return the accuracy under attack by radius, and without one at radius 0.

    A model without a gradient is attacked by the random search alone.
    """
    import torch

    from methods.trust.black_box import Budget, random_search, robustness

    if not len(x):
        return AttackScores({}, {})
    labels = torch.as_tensor(y)
    radii = sorted({0.0, *params.radii})
    # Points of signals have no range; pixels do.
    bounds = None if name == "signals" else (0.0, 1.0)
    if trained.module is not None:
        kind = next(trained.module.parameters()).dtype
        results = robustness(
            trained.module, torch.as_tensor(x, dtype=kind), labels, radii=radii,
            budget=Budget(params.steps, params.restarts, params.queries), seed=params.seed, bounds=bounds,
        )  # fmt: skip
        return AttackScores(
            {f"{r.radius:g}": r.robust for r in results}, {f"{r.radius:g}": r.gradient for r in results}
        )

    def logits(points: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(np.log(np.clip(trained.predict(points.numpy()), 1e-12, 1)))

    inputs, standing = torch.as_tensor(x, dtype=torch.float64), np.ones(len(x), dtype=bool)
    robust = {}
    for radius in radii:
        found = random_search(
            logits, inputs, labels, radius=radius, queries=params.queries, seed=params.seed, bounds=bounds
        )
        standing &= trained.predict(found.numpy()).argmax(axis=1) == y
        robust[f"{radius:g}"] = float(standing.mean())
    return AttackScores(robust, {})


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
