"""Materials of photographs, and features compared with those that ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releaf.photographs import (
    directions,
    limit_confidence,
    load_novelty,
    load_observer,
)


def test_arrays_of_other_heads_are_an_error() -> None:
    with pytest.raises((KeyError, RuntimeError)):
        load_observer(
            {"temperature": np.array(1.0), "seed_0.heads.heads.material.weight": np.zeros((6, 3))},
            "abcdef",
            hidden=0,
            novelty=lambda features: np.zeros(len(features)),
        )


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0.5, 1))
def test_no_probability_exceeds_the_ceiling(weights: list[float], ceiling: float) -> None:
    weights[0] += 1e-3
    shares = {str(k): weight / sum(weights) for k, weight in enumerate(weights)}
    limited = limit_confidence(shares, ceiling)
    assert max(limited.values()) <= ceiling + 1e-9
    assert list(limited) == list(shares)
    if len([share for share in shares.values() if share > 0]) > 1:
        assert sum(limited.values()) == pytest.approx(1, abs=1e-6)
    if max(shares.values()) <= ceiling:
        assert limited == shares


def test_stored_distances_mark_far_features_only() -> None:
    rng = np.random.default_rng(0)
    near = np.zeros((40, 1280), dtype=np.float32)
    near[:, :8] = rng.uniform(0.9, 1.1, (40, 8))  # one direction
    far = np.zeros((1, 1280), dtype=np.float32)
    far[0, 1000:] = 1.0
    queries = np.concatenate([near[:1] * 3, far])  # the length of the features does not matter
    training = directions(near)
    stored = {"training": training.astype(np.float16), "nearest": np.array([2]), "threshold": np.array([0.5])}
    novelty = load_novelty(stored)(queries)
    # Orthogonal unit vectors have a distance of sqrt(2).
    assert novelty[0] < 0.2 and novelty[1] == pytest.approx(np.sqrt(2) / 0.5, rel=1e-3)
    by_class = {"means": training[:1], "whitening": np.eye(1280), "threshold": np.array(0.5)}
    novelty = load_novelty(by_class)(queries)
    assert novelty[0] < 0.2 and novelty[1] == pytest.approx(2 / 0.5, rel=1e-3)


def test_recomputed_features_equal_those_that_ship(external_data: Callable[..., Path]) -> None:
    from methods.vision.pictures import decode
    from methods.vision.shipped import shipped_features, torch_features

    root = Path(__file__).resolve().parents[2]
    photographs = external_data("waste", "trashnet_192x144.parquet")
    table = pd.read_parquet(root / "data" / "source" / "trashnet_features.parquet").iloc[[0, 900, 1800]]
    pictures = pd.read_parquet(photographs).set_index("file")["image"].loc[table["picture"]]
    found = shipped_features(torch_features(), [decode(picture) for picture in pictures])
    # Stored to half precision: one part in 2,048.
    np.testing.assert_allclose(found, np.stack(list(table["features"])), atol=2e-3)
