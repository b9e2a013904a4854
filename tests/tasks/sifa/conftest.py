"""The shipped sets, read and divided once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.sifa.contracts.rows import PreprocessOutputs
from tasks.sifa.contracts.tables import IngestOutputs
from tasks.sifa.ingest import ingest
from tasks.sifa.params import IngestParams, MatrixParams, PreprocessParams
from tasks.sifa.preprocess import preprocess

SOURCE = Path(__file__).resolve().parents[3] / "data" / "source"


@pytest.fixture(scope="session")
def ingested() -> IngestOutputs:
    return ingest(params=IngestParams(source=str(SOURCE), most_quarantined=0.2))


@pytest.fixture(scope="session")
def matrix() -> MatrixParams:
    return MatrixParams(
        data=("digits",),
        variants=("svc",),
        ablated=(),
        ablations=(),
        grids=(),
        grid_variants=(),
        graphs=(),
        graph_variants=(),
        seeds=(0, 1),
    )


@pytest.fixture(scope="session")
def preprocessed(ingested: IngestOutputs, matrix: MatrixParams) -> PreprocessOutputs:
    params = PreprocessParams(
        digits=100,
        digits_more=500,
        sixnine=100,
        signals=1000,
        molecules=1000,
        molecules_test=1500,
        seed=0,
    )
    tables = (ingested.digits, ingested.signals, ingested.molecules, ingested.solubility)
    return preprocess(*tables, params=params, matrix=matrix)
