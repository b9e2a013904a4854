"""Shipped tables, read and preprocessed once for all tests of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from shipped import shipped_params

from tasks.emotion.ingest import read_checked
from tasks.emotion.params import IngestParams, PreprocessParams
from tasks.emotion.preprocess import PreprocessOutputs, preprocess

SOURCE = Path(__file__).parents[3] / "data" / "source"
TABLES = (
    "career_audio",
    "artists",
    "influence",
    "music_years",
    "chart_years",
    "album_lyrics",
    "album_audio",
    "album_joint",
)


@pytest.fixture(scope="session")
def raw() -> dict[str, pd.DataFrame]:
    """Valid raw tables that `preprocess` reads."""
    return {
        table: read_checked(table, shipped_params(IngestParams, "emotion.ingest", source=str(SOURCE)))[0]
        for table in TABLES
    }


@pytest.fixture(scope="session")
def preprocessed(raw: dict[str, pd.DataFrame]) -> PreprocessOutputs:
    """Outputs of `preprocess` with the shipped parameters."""
    return preprocess(**raw, params=shipped_params(PreprocessParams, "emotion.preprocess"))
