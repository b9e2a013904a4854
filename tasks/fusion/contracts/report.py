"""Groups of files that the stage fusion-report reads."""

from __future__ import annotations

from typing import NamedTuple

from statewright.contracts import Table
from tasks.fusion.contracts.characterise import Characterisation, Recognition
from tasks.fusion.contracts.tables import IngestMetrics, PreprocessMetrics, QuarantinedCells, Records, Schema


class Tables(NamedTuple):
    """The joined tables, what is in them, and how they were divided."""

    records: Table[Records]
    schema: Schema
    quarantine: Table[QuarantinedCells]
    ingest: IngestMetrics
    preprocess: PreprocessMetrics


class Descriptions(NamedTuple):
    """Description and family of each modality."""

    characterise: Characterisation
    recognise: Recognition
