"""Stage sifa-preprocess: the sets as tensors, with a division by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from statewright.contracts import Table
from tasks.sifa.contracts.rows import PreprocessMetrics, PreprocessOutputs, SetFigures
from tasks.sifa.contracts.tables import ATOM, BOND, Digits, Molecules, Signals, Solubility
from tasks.sifa.params import MatrixParams, PreprocessParams

Tensors = dict[str, NDArray[Any]]
Division = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Training rows and test rows, sorted."""

SIX, NINE = 6, 9


def preprocess(
    digits: Table[Digits],
    signals: Table[Signals],
    molecules: Table[Molecules],
    solubility: Table[Solubility],
    *,
    params: PreprocessParams,
    matrix: MatrixParams,
) -> PreprocessOutputs:
    """Encode every set and divide its rows once for each seed.

    Digits are turned by a random multiple of 90 degrees, in training and test rows alike. Sixes and nines
    stay upright: turned by 180 degrees, one becomes the other. The divisions of signals and solubility are
    the published ones, whose training rows are drawn at random if fewer are asked for.
    """
    seeds = matrix.seeds
    pictures = np.stack([np.asarray(pixels, float).reshape(8, 8) / 16 for pixels in digits["pixels"]])
    labels = digits["label"].to_numpy(np.int64)
    turns = np.random.default_rng(params.seed).integers(4, size=len(pictures))
    turned = np.stack([np.rot90(picture, turn) for picture, turn in zip(pictures, turns, strict=True)])
    pair = np.isin(labels, (SIX, NINE))
    given = signals["split"].to_numpy(str)
    by_scaffold = solubility["scaffold_split"].to_numpy(str)
    sets = {
        "digits": _divided(turned, labels, [_random(labels, params.digits, seed) for seed in seeds], seeds),
        "digits500": _divided(
            turned, labels, [_random(labels, params.digits_more, seed) for seed in seeds], seeds
        ),
        "signals": _divided(
            np.stack([np.asarray(points, float) for points in signals["points"]]),
            signals["label"].to_numpy(np.int64),
            [_given(given, params.signals, seed) for seed in seeds],
            seeds,
        ),
        "molecules": _divided(
            encode_molecules(molecules),
            molecules["hof_pbe0"].to_numpy(float),
            [_shuffled(len(molecules), params.molecules, params.molecules_test, seed) for seed in seeds],
            seeds,
        ),
        "solubility": _divided(
            encode_graphs(solubility),
            solubility["y"].to_numpy(float),
            [_given(by_scaffold, len(solubility), seed) for seed in seeds],
            seeds,
        ),
        "sixnine": _divided(
            pictures[pair],
            (labels[pair] == NINE).astype(np.int64),
            [_random(labels[pair], params.sixnine, seed) for seed in seeds],
            seeds,
        ),
    }
    figures = {name: _figures(tensors, seeds[0]) for name, tensors in sets.items()}
    return PreprocessOutputs(**sets, preprocess=PreprocessMetrics(sets=figures))


def _divided(
    x: NDArray[np.float64], y: NDArray[Any], divisions: list[Division], seeds: Iterable[int]
) -> Tensors:
    tensors: Tensors = {"x": x, "y": y}
    for seed, (train, test) in zip(seeds, divisions, strict=True):
        tensors |= {f"train.{seed}": train, f"test.{seed}": test}
    return tensors


def _random(labels: NDArray[np.int64], train: int, seed: int) -> Division:
    """Return `train` rows with the classes in proportion, and the others."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    first, second = train_test_split(rows, train_size=train, stratify=labels, random_state=seed)
    return np.sort(first), np.sort(second)


def _shuffled(rows: int, train: int, test: int, seed: int) -> Division:
    """Return the first rows of a random order, and its last ones as test.

    So the test rows of a seed are the same for every number of training rows.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[:train]), np.sort(order[rows - test :])


def _given(split: NDArray[np.str_], train: int, seed: int) -> Division:
    """Return a published division, with a random part of its training rows."""
    first, second = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
    if train < len(first):
        first = np.sort(np.random.default_rng(seed).choice(first, train, replace=False))
    return first, second


def encode_molecules(molecules: pd.DataFrame) -> NDArray[np.float64]:
    """Return (rows, atoms, 4): atomic number and coordinates; absent atoms are zero."""
    encoded = np.zeros((len(molecules), int(molecules["n_atoms"].max()), 4))
    for row, (z, xyz) in enumerate(zip(molecules["z"], molecules["xyz"], strict=True)):
        encoded[row, : len(z), 0] = z
        encoded[row, : len(z), 1:] = np.reshape(xyz, (-1, 3))
    return encoded


def encode_graphs(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return (rows, atoms, 7 + atoms): features of each atom, then its bonds.

    The code of a bond is its type (1 to 4), plus 4 if it is in a ring, plus 8 if it is conjugated.
    """
    most = int(table["n_atoms"].max())
    encoded = np.zeros((len(table), most, ATOM + most))
    for row, (atoms, bonds) in enumerate(zip(table["atoms"], table["bonds"], strict=True)):
        features = np.reshape(atoms, (-1, ATOM))
        encoded[row, : len(features), :ATOM] = features
        for i, j, kind, ring, conjugated in np.reshape(bonds, (-1, BOND)):
            code = kind + 4 * ring + 8 * conjugated
            encoded[row, int(i), ATOM + int(j)] = encoded[row, int(j), ATOM + int(i)] = code
    return encoded


def _figures(tensors: Mapping[str, NDArray[Any]], seed: int) -> SetFigures:
    classes = len(np.unique(tensors["y"])) if tensors["y"].dtype == np.int64 else 1
    return SetFigures(
        rows=len(tensors["y"]),
        train=len(tensors[f"train.{seed}"]),
        test=len(tensors[f"test.{seed}"]),
        classes=classes,
        shape=list(tensors["x"].shape[1:]),
    )
