"""Check the metrics of the Turing benchmark by hand and against published ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.evaluation.segmentation import change_point_f1, segmentation_cover


def test_scores_of_no_change_equal_the_published_ones(external_data: Callable[..., Path]):
    folder = external_data("benchmarks", "changepoint")
    annotations = json.loads((folder / "tcpd_annotations.json").read_text())
    lengths = pd.read_csv(folder / "tcpd_info.csv").set_index("dataset")["n_obs"]
    published = pd.read_csv(folder / "tcpd_scores.csv").query("method == 'zero' and setting == 'default'")
    published = published.set_index(["dataset", "metric"])["score"]
    assert len(annotations) == 22
    for name, annotators in annotations.items():
        # The table gives six digits.
        f1 = change_point_f1(list(annotators.values()), [])
        cover = segmentation_cover(list(annotators.values()), [], lengths[name])
        assert f1 == pytest.approx(published[name, "f1"], abs=5e-7)
        assert cover == pytest.approx(published[name, "cover"], abs=5e-7)
    nile = list(annotations["nile"].values())
    assert change_point_f1(nile, [28]) == 1.0
    assert segmentation_cover(nile, [28], 100) == pytest.approx(0.888)


def test_scores_counted_by_hand():
    # 0 and 48 are hit (52 predicts the same point again), 80 is missed: P = 2/3, R = (1 + 2/3) / 2.
    assert change_point_f1([[50], [50, 80]], [48, 52]) == pytest.approx(2 * (2 / 3) * (5 / 6) / (9 / 6))
    # Of 0..50 and 50..100, the whole is the best match of both: Jaccard 1/2.
    assert segmentation_cover([[50]], [], 100) == 0.5


points = st.sets(st.integers(1, 59), max_size=6)


@given(truth=st.lists(points, min_size=1, max_size=4), predicted=points)
def test_scores_are_in_the_unit_interval_and_the_truth_scores_one(truth, predicted):
    assert 0 < change_point_f1(truth, predicted) <= 1
    assert 0 < segmentation_cover(truth, predicted, 60) <= 1 + 1e-12
    assert change_point_f1([predicted], predicted) == 1
    assert segmentation_cover([predicted], predicted, 60) == pytest.approx(1)


def test_invalid_input_raises_an_error():
    with pytest.raises(ValueError, match="no annotator"):
        change_point_f1([], [3])
    with pytest.raises(ValueError, match=r"0\.\.59"):
        segmentation_cover([[3]], [60], 60)
