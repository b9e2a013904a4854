"""Groups of files that the stage emotion-report reads.

Each holds a part of the outputs of a stage. The other arguments of the report are all outputs of a stage.
"""

from __future__ import annotations

from typing import NamedTuple

from statewright.contracts import Table
from tasks.checked import Quarantine
from tasks.emotion.fusion import Attention, FusionSummary
from tasks.emotion.ingest import IngestReport


class IngestResults(NamedTuple):
    """Counts of the stage emotion-ingest and the rows that it quarantined; without the raw tables."""

    quarantine: Table[Quarantine]
    ingest: IngestReport


class FusionResults(NamedTuple):
    """Attention weights and scores of the stage emotion-fusion; without the model and the states."""

    attention: Table[Attention]
    fusion: FusionSummary
