r"""Attacks that see scores only, and robust accuracy under both kinds of attack.

Projected gradient ascent fails where gradients lie: rounding, saturation, and averages over blocks can hide
the direction that changes the class (gradient masking). A random search needs no gradient. A model on which
it breaks rows that the gradient does not break owes its robustness to masking, not to its decisions.

References
----------
Specification 4, §6.2. Andriushchenko et al., "Square attack", ECCV (2020). Athalye, Carlini and Wagner,
"Obfuscated gradients give a false sense of security", ICML (2018). Carlini et al., "On evaluating
adversarial robustness" (2019): an example is robust only if no attack breaks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from methods.trust.attacks import Ball, Model, frozen, margin, pgd

# Share of the queries after which the share of changed features halves, as in the paper for 10,000 queries.
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
FIRST_SHARE = 0.5


@dataclass(frozen=True)
class Budget:
    """Cost of the two attacks.

    Attributes
    ----------
    steps, restarts : int
        Of projected gradient ascent, at least 1 each.
    queries : int
        Scores of the random search, at least 1.
    """

    steps: int = 20
    restarts: int = 3
    queries: int = 200


@dataclass(frozen=True)
class Robustness:
    """Accuracy under attack within one radius.

    Attributes
    ----------
    radius : float
    gradient : float
        Share of rows that no start of projected gradient ascent breaks.
    black_box : float
        Share of rows that the random search does not break.
    robust : float
        Share of rows that neither breaks.
    """

    radius: float
    gradient: float
    black_box: float
    robust: float

    @property
    def masked(self) -> float:
        """Share of rows that only the random search breaks: evidence of gradient masking."""
        return self.gradient - self.robust


def random_search(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    radius: float,
    queries: int,
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> Tensor:
    """Return the worst inputs that a random search over blocks finds.

    Each query moves one block of neighbouring features of a row (a window, a square) to the upper or lower
    end of its range, and keeps the change if the margin grows. Blocks shrink with the share of queries used.

    Parameters
    ----------
    model : callable
        From (n, ...) inputs to (n, classes) logits; no gradient is used.
    x : (n, ...) float
    y : (n,) int
        True classes.
    radius : float
        >= 0, largest change of a feature. For 0 the result is x.
    queries : int
        Scores of each row, at least 1.
    seed : int
    bounds : (float, float), optional
        Range of every feature.

    Returns
    -------
    (n, ...) float
        Per row, the point of the largest margin that was found. A row is left alone once it is wrong.
    """
    if queries < 1:
        raise ValueError(f"queries is {queries}; expected 1 or more")
    low, high = bounds or (-torch.inf, torch.inf)
    ball, generator = Ball(radius, "inf", low, high), np.random.default_rng(seed)
    centre, labels = ball.clip(torch.as_tensor(x).detach()), torch.as_tensor(y)
    with frozen(model), torch.no_grad():
        found = centre.clone()
        worst = margin(model(centre), labels)
        for query in range(queries):
            rows = torch.nonzero(worst < 0)[:, 0]
            if radius == 0 or not len(rows):
                break
            signs, block = _proposal(tuple(centre[rows].shape), query, queries, generator)
            corner = centre[rows] + radius * torch.as_tensor(signs).to(centre)
            point = ball.clip(torch.where(torch.as_tensor(block), corner, found[rows]))
            value = margin(model(point), labels[rows])
            better = value > worst[rows]
            worst[rows[better]], found[rows[better]] = value[better], point[better]
    return found


def robustness(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    radii: Sequence[float],
    budget: Budget,
    seed: int,
    bounds: tuple[float, float] | None = None,
) -> list[Robustness]:
    """Measure accuracy under both attacks by radius.

    A point that breaks a row within a radius breaks it within every larger one, so no accuracy rises with
    the radius. Ties of the two largest scores count as errors.

    Parameters
    ----------
    model : callable
        From (n, ...) inputs to (n, classes) logits.
    x : (n, ...) float
    y : (n,) int
    radii : sequence of float
        Ascending, each >= 0. Radius 0 gives the accuracy without an attack.
    budget : Budget
    seed : int
    bounds : (float, float), optional
        Range of every feature.
    """
    if list(radii) != sorted(radii):
        raise ValueError(f"radii are {list(radii)}; expected ascending values")
    inputs, labels = torch.as_tensor(x), torch.as_tensor(y)

    def climb(points: Tensor, classes: Tensor, radius: float) -> Tensor:
        return pgd(
            model, points, classes, radius=radius, steps=budget.steps, restarts=budget.restarts, seed=seed,
            bounds=bounds,
        )  # fmt: skip

    def search(points: Tensor, classes: Tensor, radius: float) -> Tensor:
        return random_search(
            model, points, classes, radius=radius, queries=budget.queries, seed=seed, bounds=bounds
        )

    standing = [torch.ones(len(labels), dtype=torch.bool) for _ in range(2)]
    results = []
    for radius in radii:
        for attack, kept in zip((climb, search), standing, strict=True):
            rows = torch.nonzero(kept)[:, 0]
            if len(rows):
                point = attack(inputs[rows], labels[rows], radius) if radius else inputs[rows]
                with frozen(model), torch.no_grad():
                    kept[rows] = (margin(model(point), labels[rows]) < 0).cpu()
        shares = [float(kept.double().mean()) for kept in (*standing, standing[0] & standing[1])]
        results.append(Robustness(float(radius), *shares))
    return results


def _proposal(
    shape: tuple[int, ...], query: int, queries: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return signs, and the block of features to move, for each row.

    The first query moves every feature, each to a random end. Later blocks have one sign.
    """
    rows, features = shape[0], shape[1:]
    if query == 0:
        return generator.choice([-1.0, 1.0], size=shape), np.ones(shape, dtype=bool)
    halvings = sum(query / queries >= share for share in HALVINGS)
    side = (FIRST_SHARE / 2**halvings) ** (1 / max(len(features), 1))
    block = np.ones(shape, dtype=bool)
    for axis, size in enumerate(features, 1):
        length = max(1, round(side * size))
        start = generator.integers(0, size - length + 1, size=rows)[:, None]
        place = np.arange(size)[None, :]
        inside = (place >= start) & (place < start + length)
        block &= inside.reshape(rows, *[size if a == axis else 1 for a in range(1, len(shape))])
    signs = generator.choice([-1.0, 1.0], size=(rows, *[1] * len(features)))
    return np.broadcast_to(signs, shape).copy(), block
