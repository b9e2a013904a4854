"""Stage sifa-geometry: Fisher traces, generalisation and class distances."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from tasks.sifa.contracts.geometry import FamilyDistances, GapOfTask, GapRow, Geometry, MatrixErrors
from tasks.sifa.contracts.rows import Rows
from tasks.sifa.learning_tasks import learning_task
from tasks.sifa.params import GeometryParams

if TYPE_CHECKING:
    from methods.sifa.comparison import Problem
    from methods.sifa.measurement import Measurement

TASKS = ("digits-mlp", "signals-mlp", "molecules-mlp")

INTENSITIES = 16
"""Largest value of a pixel as it was counted; the rows have shares of it."""


def geometry(digits500: Rows, signals: Rows, molecules: Rows, *, params: GeometryParams) -> Geometry:
    """Measure what theorems 1 and 2 of specification 4 are about."""
    from methods.sifa.measurement import measure

    tasks = {name: learning_task(name, digits500, signals, molecules, params.seed) for name in TASKS}
    seeds = range(params.seed, params.seed + params.repetitions)
    gaps = {}
    for name, task in tasks.items():
        models = [
            model
            for rows in tqdm(params.rows, desc=name)
            for seed in seeds
            for model in measure(task, rows, params.steps, seed, params.measured)
        ]
        gaps[name] = _gap(models)
    return Geometry(
        gaps=gaps,
        matrices=_matrices(tasks["digits-mlp"], params),
        distances=_distances(digits500, tasks["digits-mlp"], params),
        curvature=_curvatures(),
    )


def _gap(models: list[Measurement]) -> GapOfTask:
    from methods.sifa.measurement import rank_correlation

    gap = np.array([model.test - model.train for model in models])
    rows = np.array([model.rows for model in models], float)
    traces = {name: np.array([getattr(model, name) for model in models]) for name in ("exact", "empirical")}

    def at_equal_rows(trace: np.ndarray) -> float:
        each = [rank_correlation(trace[rows == count], gap[rows == count]) for count in np.unique(rows)]
        return float(np.mean(each))

    return GapOfTask(
        models=[GapRow(**dataclasses.asdict(model)) for model in models],
        bound=_finite(rank_correlation(np.sqrt(traces["exact"] / rows), gap)),
        rows_alone=_finite(rank_correlation(1 / np.sqrt(rows), gap)),
        at_equal_rows=_finite(at_equal_rows(traces["exact"])),
        empirical_at_equal_rows=_finite(at_equal_rows(traces["empirical"])),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _matrices(task: Problem, params: GeometryParams) -> list[MatrixErrors]:
    """Compare the matrices before, during and after a training."""
    from methods.sifa.comparison import Rows as Part
    from methods.sifa.measurement import agreement, trained_models

    part = Part(task.train.x[: params.measured], task.train.y[: params.measured])
    steps = (0, *params.steps)
    return [
        MatrixErrors(steps=count, **dataclasses.asdict(agreement(model, part, task, params.seed)))
        for count, model in zip(steps, trained_models(task, steps, params.seed), strict=True)
    ]


def _distances(digits500: Rows, task: Problem, params: GeometryParams) -> dict[str, FamilyDistances]:
    """Order the pairs of digits by distance and by the confusion of a trained model."""
    import torch

    from methods.sifa.classes import class_distances, confusions, pairs
    from methods.sifa.measurement import rank_correlation, trained_models

    *_, model = trained_models(task, params.steps, params.seed)
    with torch.no_grad():
        shares = torch.softmax(model(task.test.x), dim=1).double().numpy()
    confused = pairs(confusions(shares, task.test.y.numpy()))
    x, y = INTENSITIES * digits500["x"].reshape(len(digits500["y"]), -1), digits500["y"]
    found: dict[str, FamilyDistances] = {}
    for family, matrix in class_distances(x, y).items():
        apart = pairs(matrix)
        masked = matrix + np.where(np.eye(len(matrix), dtype=bool), np.inf, 0)
        nearest = sorted(int(label) for label in np.unravel_index(masked.argmin(), matrix.shape))
        found[family] = FamilyDistances(
            mean=float(apart.mean()),
            smallest=float(apart.min()),
            largest=float(apart.max()),
            nearest=nearest,
            with_confusion=rank_correlation(apart, confused),
        )
    return found


def _curvatures() -> dict[str, float]:
    """Return the curvature of three families, each from one triangle."""
    import torch

    from methods.sifa.geodesic import curvature, geodesic
    from methods.sifa.manifold import Family, fisher_rao_distance

    def of_triangle(family: Family, a: np.ndarray, b: np.ndarray, c: np.ndarray, middle: np.ndarray) -> float:
        sides = ((a, b), (a, c), (b, c), (a, middle))
        return curvature(*(fisher_rao_distance(family, *side) for side in sides))

    def half_plane(theta: torch.Tensor) -> torch.Tensor:
        return torch.diag(torch.stack([1 / theta[1] ** 2, 2 / theta[1] ** 2]))

    a, b, c = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6]), np.array([0.3, 0.6, 0.1])
    root = np.sqrt(b) + np.sqrt(c)
    rates = (np.array([1.0, 2.0]), np.array([3.0, 1.0]), np.array([2.0, 5.0]))
    middle = ((np.sqrt(rates[1]) + np.sqrt(rates[2])) / 2) ** 2
    normals = (np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([-1.0, 1.5]))
    path = geodesic(half_plane, normals[1], normals[2], points=3).path
    return {
        "categorical": of_triangle("categorical", a, b, c, root**2 / (root**2).sum()),
        "poisson": of_triangle("poisson", *rates, middle),
        "normal": of_triangle("normal", *normals, path[1]),
    }
