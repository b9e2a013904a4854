"""Errors on molecules by their similarity to the training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from statewright.contracts import Tensors
from tasks.sifa.contracts.evaluate import SimilarityShift
from tasks.sifa.params import EvaluateParams
from tasks.sifa.results import BySeed, Result, difference, row_losses

Array = NDArray[np.float64]
THIRDS = 3


def by_similarity(
    variants: Mapping[str, BySeed], whole: str, baselines: list[str], data: Tensors, params: EvaluateParams
) -> SimilarityShift:
    """Divide the test rows in thirds by their similarity to the training molecules.

    Parameters
    ----------
    variants : mapping
        Variant -> seed -> result, of a set of molecular graphs.
    whole : str
        The variant that `gains` compare the baselines with.
    data : mapping
        Tensors of the set: `x`, and ``train.SEED`` of each seed.
    """
    from methods.sifa import similarity

    graphs = similarity.molecule_graphs(data["x"])
    prints = [similarity.fingerprint(graph) for graph in graphs]
    rings = [similarity.ring_system(graph) for graph in graphs]
    closest: dict[int, Array] = {}
    known = []
    for seed, result in variants[whole].items():
        judged, learned = result.predictions["row"], data[f"train.{seed}"]
        closest[seed] = similarity.nearest([prints[i] for i in judged], [prints[i] for i in learned])
        trained = {rings[i] for i in learned}
        known.append(np.mean([rings[i] in trained for i in judged]))
    thirds = {seed: np.array_split(np.argsort(near, kind="stable"), THIRDS) for seed, near in closest.items()}
    first = min(closest)
    parts = [
        np.concatenate([closest[seed][thirds[seed][third]] for seed in closest]) for third in range(THIRDS)
    ]
    return SimilarityShift(
        nearest=_rounded(np.median(np.concatenate([*closest.values()]))),
        within=_rounded(np.median(similarity.nearest_other([prints[i] for i in data[f"train.{first}"]]))),
        known_rings=_rounded(np.mean(known)),
        bounds=[(_rounded(part.min()), _rounded(part.max())) for part in parts],
        errors={
            name: [_error(cells, thirds, third) for third in range(THIRDS)]
            for name, cells in variants.items()
        },
        correlation={name: _correlation(cells, closest) for name, cells in variants.items()},
        gains={
            name: difference(_part(variants[name], thirds), _part(variants[whole], thirds), params)
            for name in baselines
        },
    )


def _thirds(near: Array) -> list[NDArray[np.intp]]:
    """Return the rows of each third, the least similar first."""
    return np.array_split(np.argsort(near, kind="stable"), THIRDS)


def _error(cells: BySeed, thirds: Mapping[int, list[NDArray[np.intp]]], third: int) -> float:
    """Return the root mean square, or mean absolute, error of one third of the rows."""
    losses = np.concatenate([row_losses(cells[seed])[rows[third]] for seed, rows in thirds.items()])
    measure = next(iter(cells.values())).scores.measure
    return _rounded(np.sqrt(losses.mean()) if measure.startswith("root") else losses.mean())


def _correlation(cells: BySeed, closest: Mapping[int, Array]) -> float | None:
    """Return the mean over seeds of the rank correlation of error and similarity."""
    from scipy.stats import spearmanr

    values = [float(spearmanr(row_losses(cells[seed]), near).statistic) for seed, near in closest.items()]
    return _rounded(np.mean(values)) if np.isfinite(values).all() else None


def _part(cells: BySeed, thirds: Mapping[int, list[NDArray[np.intp]]]) -> dict[int, Result]:
    """Return the results on the least similar third of the test rows."""
    return {
        seed: replace(
            cells[seed],
            predictions={name: values[rows[0]] for name, values in cells[seed].predictions.items()},
        )
        for seed, rows in thirds.items()
    }


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 5)
