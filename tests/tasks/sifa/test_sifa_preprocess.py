"""Divisions and encodings of the sets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits

from tasks.sifa.contracts.rows import PreprocessOutputs
from tasks.sifa.contracts.tables import IngestOutputs

SETS = ("digits", "digits500", "signals", "molecules", "solubility", "sixnine")


@pytest.mark.parametrize("name", SETS)
def test_training_and_test_rows_never_overlap(preprocessed: PreprocessOutputs, name: str) -> None:
    tensors = getattr(preprocessed, name)
    for seed in (0, 1):
        train, test = tensors[f"train.{seed}"], tensors[f"test.{seed}"]
        assert len(np.intersect1d(train, test)) == 0
        assert len(np.unique(train)) == len(train)
        assert len(np.unique(test)) == len(test)


def test_every_turned_digit_is_a_turn_of_its_upright_picture(preprocessed: PreprocessOutputs) -> None:
    upright = load_digits().images / 16
    turned = preprocessed.digits["x"]
    turns = [
        [np.array_equal(np.rot90(picture, turn), moved) for turn in range(4)]
        for picture, moved in zip(upright, turned, strict=True)
    ]
    assert all(any(row) for row in turns)
    counts = np.argmax(turns, axis=1)
    assert np.bincount(counts, minlength=4).min() > 350  # 449 expected of 1,797, sd 18


def test_signals_keep_the_published_division(
    preprocessed: PreprocessOutputs, ingested: IngestOutputs
) -> None:
    test = preprocessed.signals["test.0"]
    assert ingested.signals.loc[test, "split"].eq("test").all()
    assert len(test) == 1000
    np.testing.assert_array_equal(test, preprocessed.signals["test.1"])


def test_repeated_molecules_are_in_one_part(preprocessed: PreprocessOutputs, ingested: IngestOutputs) -> None:
    names = ingested.solubility["canonical"]
    train, test = (set(names[preprocessed.solubility[f"{part}.0"]]) for part in ("train", "test"))
    assert ingested.sets.repeated == 11
    assert not train & test


def test_encoded_coordinates_keep_the_distances(
    preprocessed: PreprocessOutputs, ingested: IngestOutputs
) -> None:
    row = 1234
    encoded = preprocessed.molecules["x"][row]
    atoms = ingested.molecules.loc[row, "n_atoms"]
    assert np.count_nonzero(encoded[:, 0]) == atoms
    given = pdist(np.reshape(ingested.molecules.loc[row, "xyz"], (-1, 3)))
    np.testing.assert_allclose(pdist(encoded[:atoms, 1:]), given, rtol=1e-12)


def test_encoded_bonds_are_those_of_the_molecule(preprocessed: PreprocessOutputs) -> None:
    codes = preprocessed.solubility["x"][..., 7:]
    np.testing.assert_array_equal(codes, codes.transpose(0, 2, 1))
    assert set(np.unique(codes)) <= {
        a + 4 * b + 8 * c for a in (1, 2, 3, 4) for b in (0, 1) for c in (0, 1)
    } | {0}
