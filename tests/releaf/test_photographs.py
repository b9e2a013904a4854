"""Materials of photographs, and features compared with those that ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from releaf.photographs import load_namer


def test_arrays_of_other_heads_are_an_error() -> None:
    with pytest.raises((KeyError, RuntimeError)):
        load_namer(
            {"temperature": np.array(1.0), "seed_0.heads.heads.material.weight": np.zeros((6, 3))},
            "abcdef",
            hidden=0,
        )


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
