"""The shipped tables and cards, read once for all tests of the pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import shipped_params

from tasks.releaf.ingest import IngestOutputs, ingest
from tasks.releaf.params import IngestParams, PreprocessParams
from tasks.releaf.preprocess import PreprocessOutputs, preprocess

SOURCE = Path(__file__).parents[3] / "data" / "source"


@pytest.fixture(scope="session")
def shipped() -> IngestOutputs:
    """Outputs of `ingest` for data/source."""
    return ingest(params=shipped_params(IngestParams, "releaf.ingest", source=str(SOURCE)))


@pytest.fixture(scope="session")
def preprocessed(shipped: IngestOutputs) -> PreprocessOutputs:
    """Outputs of `preprocess` for data/source, with the shipped params."""
    return preprocess(*shipped[:5], params=shipped_params(PreprocessParams, "releaf.preprocess"))
