"""Small problems on which optimisers and Fisher matrices are compared.

Each is a model of linear layers and the rows of one set, standardised by the training rows: an MLP on
pictures, an MLP on signals, an MLP on the Coulomb spectrum of molecules (a regression), and a multinomial
logistic regression on pictures, whose loss is convex.

References
----------
Rupp, Tkatchenko, Müller and von Lilienfeld (2012) for the Coulomb matrix and its spectrum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from methods.sifa.comparison import Problem, Rows

Array = NDArray[np.float64]

HIDDEN = 32
VALIDATION_SHARE = 0.25
"""Share of the training rows that chooses a trial."""


def coulomb_spectrum(x: Array) -> Array:
    """Return the eigenvalues of the Coulomb matrices, the largest in size first.

    M_ii = Z_i^2.4 / 2,  M_ij = Z_i Z_j / |R_i - R_j|. The spectrum does not change when a molecule is moved,
    turned, or its atoms are numbered otherwise.

    Parameters
    ----------
    x : ndarray, shape (rows, atoms, 4)
        Atomic number (0: no atom) and coordinates in angstrom.

    Returns
    -------
    ndarray, shape (rows, atoms)
    """
    z, place = x[:, :, 0], x[:, :, 1:]
    distance = np.linalg.norm(place[:, :, None] - place[:, None], axis=3)
    own = np.eye(x.shape[1], dtype=bool)
    pairs = z[:, :, None] * z[:, None] / np.where(own | (distance == 0), 1.0, distance)
    matrices = np.where(own, 0.5 * z[:, :, None] ** 2.4, pairs)
    values = np.linalg.eigvalsh(matrices)
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=1), axis=1)


def problem(
    x: Array,
    y: NDArray[np.float64] | NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    *,
    hidden: int = HIDDEN,
    seed: int = 0,
) -> Problem:
    """Return the problem of predicting y from x by a network.

    Parameters
    ----------
    x : ndarray, shape (rows, ...)
        Flattened to features.
    y : ndarray, shape (rows,)
        Class numbers (int64), or values.
    train, test : ndarray
        Row numbers. A quarter of the training rows, drawn at random, is for validation.
    hidden : int
        Width of the hidden layer; 0 for a linear model.
    seed : int
        Seed of the validation rows.
    """
    features = x.reshape(len(x), -1)
    order = np.random.default_rng(seed).permutation(train)
    held = round(VALIDATION_SHARE * len(order))
    validation, learned = order[:held], order[held:]
    centre, scale = features[learned].mean(axis=0), features[learned].std(axis=0)
    inputs = torch.tensor((features - centre) / np.where(scale > 1e-9, scale, 1.0), dtype=torch.float32)
    if y.dtype == np.int64:
        targets, outputs = torch.tensor(y), int(y.max()) + 1
    else:
        values = (y - y[learned].mean()) / y[learned].std()
        targets, outputs = torch.tensor(values, dtype=torch.float32)[:, None], 1
    return Problem(
        _builder(inputs.shape[1], hidden, outputs),
        "classification" if y.dtype == np.int64 else "regression",
        Rows(inputs[learned], targets[learned]),
        Rows(inputs[validation], targets[validation]),
        Rows(inputs[test], targets[test]),
    )


def _builder(inputs: int, hidden: int, outputs: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        if hidden == 0:
            return nn.Sequential(nn.Linear(inputs, outputs))
        return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))

    return build
