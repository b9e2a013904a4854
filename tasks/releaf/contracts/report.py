"""Inputs of the report: the files of each stage that the report shows.

Where a stage also writes a model or a raw table, the report takes a smaller tuple than the outputs
of the stage, so that it neither loads these files nor depends on them.
"""

from __future__ import annotations

from typing import NamedTuple

from statewright.contracts import Table
from tasks.checked import Quarantine
from tasks.releaf.contracts.tables import Items
from tasks.releaf.graph import GraphMetrics, NodeScores
from tasks.releaf.ingest import IngestReport
from tasks.releaf.links.checking import SuggestionLabels
from tasks.releaf.links.reasons import Recommendations
from tasks.releaf.links.tables import LinkScoresTable
from tasks.releaf.photographs.novelty_scores import NoveltySummary
from tasks.releaf.photographs.scores import Confusion, Predictions, Scores, VisionSummary
from tasks.releaf.serving import Latencies, ServingSummary
from tasks.releaf.streams import Names


class IngestResults(NamedTuple):
    """Counts of ``releaf-ingest`` and its quarantine, without the raw tables."""

    ingest: IngestReport
    waste_quarantine: Table[Quarantine]


class ItemResults(NamedTuple):
    """Items of the lists, and the vectors of their names."""

    items: Table[Items]
    names: Table[Names]


class VisionResults(NamedTuple):
    """Scores and predictions of photos, and the test for unfamiliar ones.

    It has neither models nor history.
    """

    vision: VisionSummary
    novelty: NoveltySummary
    vision_scores: Table[Scores]
    vision_confusion: Table[Confusion]
    vision_predictions: Table[Predictions]


class GraphResults(NamedTuple):
    """Scores and recommendations of ``releaf-graph``, and the checked suggestions."""

    graph: GraphMetrics
    link_scores: Table[LinkScoresTable]
    recommendations: Table[Recommendations]
    node_scores: Table[NodeScores]
    suggestion_labels: Table[SuggestionLabels]


class ServingResults(NamedTuple):
    """Latencies and summary of ``releaf-serving``, without the table for its plot."""

    serving: ServingSummary
    serving_latencies: Table[Latencies]
