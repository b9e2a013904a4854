r"""The contrastive bound on mutual information (InfoNCE), in nats.

.. math:: I(X; Y) \ge \log K + E \left[ \frac{1}{K} \sum_i \log
    \frac{e^{f(x_i, y_i)}}{\sum_j e^{f(x_i, y_j)}} \right]

for K pairs and any critic f. The second term is at most 0, so the bound *never exceeds* ``log K``: a value
near ``log K`` says that the information is at least that, not that it is that. Of a deterministic layer the
true value is infinite, and the bound reports the batch size.

References
----------
Specification 4, §6.2. Van den Oord, Li and Vinyals, "Representation learning with contrastive predictive
coding" (2018). Poole et al., "On variational bounds of mutual information", ICML (2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from methods.training.randomness import seeded

HELD_OUT = 0.5
LEARNING_RATE = 3e-3
WIDTH, FEATURES = 64, 16


@dataclass(frozen=True)
class Bound:
    """A lower bound of mutual information in nats, and its ceiling ``log K``."""

    value: float
    ceiling: float


def info_nce(scores: Tensor) -> Tensor:
    """Return the contrastive bound of a table of scores, differentiable.

    Parameters
    ----------
    scores : (K, K) float
        Score of each x (row) with each y (column); pairs are on the diagonal.

    Returns
    -------
    scalar
        Nats, at most ``log K``. Its negative is a loss that keeps information.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores have shape {tuple(scores.shape)}; expected (K, K)")
    count = len(scores)
    return math.log(count) - cross_entropy(scores, torch.arange(count, device=scores.device))


def info_nce_bound(x: ArrayLike, y: ArrayLike, *, batch: int = 64, steps: int = 400, seed: int = 0) -> Bound:
    """Estimate the contrastive bound with a critic that is trained on other rows.

    The critic is the product of 16 features of x and 16 of y, each of a perceptron with one layer of 64
    units. Half of the rows train it; the value is a mean over batches of the others, so that what the
    critic remembers does not count.

    Parameters
    ----------
    x, y : (n,) or (n, d) float
        Columns are standardised. At least ``2 * batch`` rows.
    batch : int
        K, at least 2.
    steps : int
        Updates of the critic.
    seed : int

    Returns
    -------
    Bound
        Exactly 0 if x or y is constant. Below 0 by chance for independent pairs.

    Raises
    ------
    ValueError
        If rows are too few, not finite, or of different numbers.
    """
    left, right = _standardised(x, "x"), _standardised(y, "y")
    if len(left) != len(right):
        raise ValueError(f"there are {len(left)} rows of x and {len(right)} of y; expected equal numbers")
    if batch < 2 or len(left) < 2 * batch:
        raise ValueError(f"{len(left)} rows and batch {batch}; expected batch >= 2 and 2 * batch rows")
    ceiling = math.log(batch)
    if not left.shape[1] or not right.shape[1]:
        return Bound(0.0, ceiling)
    with seeded(seed) as generator:
        order = torch.randperm(len(left), generator=generator)
        held_out = max(batch, int(HELD_OUT * len(left)))
        judged, learned = order[:held_out], order[held_out:]
        critics = nn.ModuleList([_critic(left.shape[1]), _critic(right.shape[1])])
        optimiser = torch.optim.AdamW(critics.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
        for _ in range(steps):
            rows = learned[torch.randperm(len(learned), generator=generator)[:batch]]
            loss = -info_nce(critics[0](left[rows]) @ critics[1](right[rows]).T)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            values = [
                float(info_nce(critics[0](left[rows]) @ critics[1](right[rows]).T))
                for rows in judged.split(batch)
                if len(rows) == batch
            ]
    return Bound(float(np.mean(values)), ceiling)


def _critic(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.GELU(), nn.Linear(WIDTH, FEATURES))


def _standardised(values: ArrayLike, name: str) -> Tensor:
    array = np.asarray(values, dtype=np.float64)
    array = array.reshape(len(array), -1)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a NaN or infinite value; expected finite numbers")
    varies = np.ptp(array, axis=0) > 0
    kept = array[:, varies]
    return torch.as_tensor((kept - kept.mean(axis=0)) / kept.std(axis=0), dtype=torch.float32)
