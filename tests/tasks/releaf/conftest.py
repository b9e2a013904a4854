"""The shipped tables and cards, read once for all tests of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.releaf.ingest import Ingest, ingest
from tasks.releaf.params import IngestParams, PreprocessParams
from tasks.releaf.preprocess import Preprocess, preprocess

SOURCE = Path(__file__).parents[3] / "data" / "source"


@pytest.fixture(scope="session")
def shipped() -> Ingest:
    """What `ingest` makes of data/source."""
    return ingest(params=IngestParams(source=str(SOURCE)))


@pytest.fixture(scope="session")
def preprocessed(shipped: Ingest) -> Preprocess:
    """What `preprocess` makes of it with the default parameters."""
    return preprocess(*shipped[:5], params=PreprocessParams())
