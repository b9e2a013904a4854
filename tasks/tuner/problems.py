"""Test problems of tuner-search, whose optimum is known and is 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.search.space import Choice, Float, Integer

Floats = NDArray[np.float64]
LOW, HIGH = -5.0, 5.0


@dataclass(frozen=True)
class Problem:
    """A space and a loss over its configs, at least 0.

    `values` computes the loss of many uniformly random points at once, for random search.
    """

    space: Mapping[str, Any]
    loss: Callable[[Mapping[str, Any]], float]
    values: Callable[[np.random.Generator, int], Floats]


def problem(name: str, dimension: int, instance: int) -> Problem:
    """Return a problem with the optimum of one instance.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    rng = np.random.default_rng([instance, sorted(PROBLEMS).index(name)])
    if name == "mixed":
        return _mixed(rng.uniform(0.2, 0.8, 3))
    centre, function = rng.uniform(-4, 4, dimension), PROBLEMS[name]
    space = {f"x{i}": Float(LOW, HIGH) for i in range(dimension)}

    def loss(config: Mapping[str, Any]) -> float:
        point = np.array([config[key] for key in space])
        return float(function(point[None] - centre)[0])

    def values(draws: np.random.Generator, count: int) -> Floats:
        return function(draws.uniform(LOW, HIGH, (count, dimension)) - centre)

    return Problem(space, loss, values)


def _sphere(x: Floats) -> Floats:
    return np.asarray(np.square(x).sum(axis=1))


def _rosenbrock(x: Floats) -> Floats:
    z = x + 1
    return np.asarray((100 * np.square(z[:, 1:] - z[:, :-1] ** 2) + np.square(z[:, :-1] - 1)).sum(axis=1))


def _rastrigin(x: Floats) -> Floats:
    return np.asarray((np.square(x) + 10 * (1 - np.cos(2 * np.pi * x))).sum(axis=1))


def _mixed(centre: Floats) -> Problem:
    """Return a space with a choice, whole numbers and a condition."""
    models = ("a", "b", "c")
    space = {
        "model": Choice(models),
        "rate": Float(1e-4, 1.0, log=True),
        "depth": Integer(1, 20),
        "width": Float(0.0, 1.0, when={"model": "b"}),
    }
    rate, depth, width = 10 ** (-4 * centre[0]), 1 + round(19 * centre[1]), centre[2]

    def parts(model: Any, r: Any, d: Any, w: Any) -> Any:
        shared = np.square(np.log10(r / rate)) + np.square((d - depth) / 5)
        return shared + np.where(model == "b", np.square(w - width), np.where(model == "a", 0.5, 1.0))

    def loss(config: Mapping[str, Any]) -> float:
        return float(parts(config["model"], config["rate"], config["depth"], config.get("width", 0.0)))

    def values(draws: np.random.Generator, count: int) -> Floats:
        return np.asarray(
            parts(
                draws.choice(models, count),
                10 ** draws.uniform(-4, 0, count),
                draws.integers(1, 21, count),
                draws.uniform(0, 1, count),
            )
        )

    return Problem(space, loss, values)


PROBLEMS: Mapping[str, Callable[[Floats], Floats]] = {
    "sphere": _sphere,
    "rosenbrock": _rosenbrock,
    "rastrigin": _rastrigin,
    "mixed": _sphere,
}
"""Functions of points relative to the optimum; `mixed` has a space of its own."""
