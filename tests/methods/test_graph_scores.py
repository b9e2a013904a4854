"""Compare scores of graphs with published ones and with counts by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.causal import cpdag_of_dag
from methods.evaluation.graphs import arrow_agreement, skeleton_agreement, structural_hamming_distance


def graph(**marks: str) -> np.ndarray:
    """Return a graph of four nodes; ``ab="->"`` is an edge from a to b."""
    matrix = np.zeros((4, 4), dtype=int)
    for (a, b), mark in marks.items():
        i, j = "abcd".index(a), "abcd".index(b)
        matrix[i, j], matrix[j, i] = {"->": (-1, 1), "--": (-1, -1), "<>": (1, 1)}[mark]
    return matrix


def test_scores_counted_by_hand():
    true = graph(ab="->", bc="->", cd="--")
    estimated = graph(ab="->", cb="->", cd="->", ad="--")
    assert structural_hamming_distance(estimated, true) == 3
    skeleton, arrows = skeleton_agreement(estimated, true), arrow_agreement(estimated, true)
    assert (skeleton.precision, skeleton.recall) == (3 / 4, 1)
    assert skeleton.f1 == pytest.approx(6 / 7)
    assert (arrows.precision, arrows.recall) == (1 / 3, 1 / 2)
    assert structural_hamming_distance(graph(ab="<>"), graph(ab="--")) == 1
    assert arrow_agreement(graph(), graph(ab="--")).f1 == 1
    assert arrow_agreement(graph(ab="->"), graph(ba="->")).f1 == 0


def test_different_shapes_raise_an_error():
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        structural_hamming_distance(graph(), np.zeros((2, 2), dtype=int))


def test_scores_equal_the_published_ones(external_data: Callable[..., Path]):
    folder = external_data("benchmarks", "causal")
    table = pd.read_csv(folder / "pc_reference_scores.csv")
    for row in table.itertuples():
        name, *rule = row.data.split()
        graphs = json.loads((folder / (f"{name if rule else f'bn_{name}'}_graphs.json")).read_text())
        references = graphs["reference_pc"] if rule else [graphs["reference_pc"]]
        keys = dict(part.split("=") for part in rule)
        [reference] = [r for r in references if all(r[key] == int(value) for key, value in keys.items())]
        estimated = np.array(reference["graph"])
        true = cpdag_of_dag(graphs["nodes"], graphs["true_edges"]).matrix
        skeleton = skeleton_agreement(estimated, true)
        assert structural_hamming_distance(estimated, true) == row.shd_cpdag
        assert skeleton.precision == pytest.approx(row.skeleton_precision, abs=5e-5)
        assert skeleton.recall == pytest.approx(row.skeleton_recall, abs=5e-5)
        assert skeleton.f1 == pytest.approx(row.skeleton_f1, abs=5e-5)
        assert arrow_agreement(estimated, true).f1 == pytest.approx(row.arrow_f1, abs=5e-5)
