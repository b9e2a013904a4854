"""Fisher-Rao distances between classes, each class as one distribution.

Four families are fitted to the rows of each class:

    poisson          the mean of each feature as a rate, features independent
    categorical      the mean of each feature as its share of the sum
    normal           mean and deviation of each feature, features independent
    centred_normal   the covariance of the leading components of all rows, shrunk towards a multiple of 1

Independent features add in squares. Distributions of one class are far from any of these families; the
distances are descriptions, and `methods.sifa.measurement.rank_correlation` says how far they order the
confusions of a model.

References
----------
Ledoit and Wolf (2004) for the shrinkage.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from methods.sifa.manifold import Family, fisher_rao_distance

Array = NDArray[np.float64]

COMPONENTS = 8
LEAST_DEVIATION = 0.05
"""Lower bound of a deviation, as a share of that over all rows."""


def class_distances(x: Array, y: NDArray[np.int64]) -> dict[Family, Array]:
    """Return the distances of all pairs of classes, by family.

    Parameters
    ----------
    x : ndarray, shape (rows, features)
        0 or more, such as intensities.
    y : ndarray, shape (rows,)
        Class numbers.

    Returns
    -------
    dict of ndarray, shape (classes, classes)

    Raises
    ------
    ValueError
        If a value is negative.
    """
    if (x < 0).any():
        raise ValueError(f"x has the value {x.min():.6g}; expected values of at least 0, such as intensities")
    groups = [x[y == label] for label in np.unique(y)]
    members = {
        "poisson": [group.mean(axis=0) for group in groups],
        "categorical": [group.mean(axis=0) / group.mean(axis=0).sum() for group in groups],
        "normal": _normals(x, groups),
        "centred_normal": _covariances(x, groups),
    }
    distances = {}
    for family in get_args(Family):
        matrix = np.zeros((len(groups), len(groups)))
        for i in range(len(groups)):
            for j in range(i):
                a, b = members[family][i], members[family][j]
                if family == "normal":
                    each = [fisher_rao_distance(family, *pair) for pair in zip(a, b, strict=True)]
                    matrix[i, j] = matrix[j, i] = np.linalg.norm(each)
                else:
                    matrix[i, j] = matrix[j, i] = fisher_rao_distance(family, a, b)
        distances[family] = matrix
    return distances


def confusions(probabilities: Array, y: NDArray[np.int64]) -> Array:
    """Return the mean probability of each other class, symmetric, (classes, classes).

    Parameters
    ----------
    probabilities : ndarray, shape (rows, classes)
    y : ndarray, shape (rows,)
        Class numbers 0, 1, ... below the number of columns.
    """
    means = np.stack([probabilities[y == label].mean(axis=0) for label in range(probabilities.shape[1])])
    return (means + means.T) / 2


def pairs(matrix: Array) -> Array:
    """Return the entries below the diagonal."""
    return matrix[np.tril_indices(len(matrix), -1)]


def _normals(x: Array, groups: list[Array]) -> list[Array]:
    spread = x.std(axis=0)
    used = spread > 0
    least = LEAST_DEVIATION * spread[used]
    return [
        np.stack([group[:, used].mean(axis=0), np.maximum(group[:, used].std(axis=0), least)], axis=1)
        for group in groups
    ]


def _covariances(x: Array, groups: list[Array]) -> list[Array]:
    from sklearn.covariance import ledoit_wolf

    centre = x.mean(axis=0)
    axes = np.linalg.svd(x - centre, full_matrices=False)[2][:COMPONENTS]
    return [ledoit_wolf((group - centre) @ axes.T)[0] for group in groups]
