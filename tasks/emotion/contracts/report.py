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
    """Counts and quarantined rows of emotion-ingest, without the raw tables."""

    quarantine: Table[Quarantine]
    ingest: IngestReport


class FusionResults(NamedTuple):
    """Attention weights and scores of emotion-fusion, without model and states."""

    attention: Table[Attention]
    fusion: FusionSummary
