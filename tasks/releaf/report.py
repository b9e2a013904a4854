"""Stage releaf-report: one HTML page that a city's waste officer can read.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself. Each
``report_*.py`` beside this file is a topic; blocks, drawings and the template are those of ``tasks/report``.
"""

from __future__ import annotations

from statewright.contracts import Feedback, Table
from tasks.checked import Quarantine
from tasks.releaf.adapter.scores import AdaptSummary
from tasks.releaf.evaluate import EvaluateSummary
from tasks.releaf.feedback import HardNegatives
from tasks.releaf.graph import GraphMetrics, NodeScores
from tasks.releaf.ingest import IngestReport
from tasks.releaf.links.reasons import Recommendations
from tasks.releaf.links.tables import LinkScoresTable
from tasks.releaf.params import ReportParams
from tasks.releaf.passages.metrics import RetrievalScores, RetrieveMetrics
from tasks.releaf.photographs.scores import Confusion, Predictions, Scores, VisionSummary
from tasks.releaf.preprocess import PreprocessReport
from tasks.releaf.sections.assistant import assistant
from tasks.releaf.sections.assistant import verdict as assistant_verdict
from tasks.releaf.sections.benchmarks import elsewhere
from tasks.releaf.sections.corpus import corpus
from tasks.releaf.sections.corpus import verdict as corpus_verdict
from tasks.releaf.sections.graph import graph_section
from tasks.releaf.sections.graph import verdict as graph_verdict
from tasks.releaf.sections.language import language
from tasks.releaf.sections.language import verdict as language_verdict
from tasks.releaf.sections.photographs import photographs
from tasks.releaf.sections.photographs import verdict as vision_verdict
from tasks.releaf.sections.search import search, turned_down
from tasks.releaf.sections.search import verdict as search_verdict
from tasks.releaf.sections.serving import serving_section
from tasks.releaf.sections.serving import verdict as serving_verdict
from tasks.releaf.serving import Latencies, ServingSummary
from tasks.releaf.streams import StreamsSummary
from tasks.report.benchmark import Benchmark
from tasks.report.blocks import Commands, Prose, Section, count, joined, plural
from tasks.report.feedback import section as feedback_section
from tasks.report.page import page

TITLE = "Which bin, and why: what the waste assistant knows and how often it is right"


def report(
    waste_quarantine: Table[Quarantine],
    ingest: IngestReport,
    preprocess: PreprocessReport,
    retrieval_scores: Table[RetrievalScores],
    retrieve: RetrieveMetrics,
    streams: StreamsSummary,
    evaluate: EvaluateSummary,
    vision_scores: Table[Scores],
    vision_confusion: Table[Confusion],
    vision_predictions: Table[Predictions],
    vision: VisionSummary,
    link_scores: Table[LinkScoresTable],
    recommendations: Table[Recommendations],
    node_scores: Table[NodeScores],
    graph: GraphMetrics,
    adapt: AdaptSummary,
    serving_latencies: Table[Latencies],
    serving: ServingSummary,
    hard_negatives: Table[HardNegatives],
    feedback: Feedback,
    retrieval_benchmark: Benchmark,
    graph_benchmark: Benchmark,
    vision_benchmark: Benchmark,
    adapt_benchmark: Benchmark,
    serving_benchmark: Benchmark,
    runtimes_benchmark: Benchmark,
    load_benchmark: Benchmark,
    reranker_benchmark: Benchmark,
    feedback_benchmark: Benchmark,
    reasons_benchmark: Benchmark,
    *,
    params: ReportParams,
) -> str:
    """Write the page."""
    verdicts = (
        corpus_verdict(ingest, preprocess),
        search_verdict(retrieve),
        assistant_verdict(evaluate),
        vision_verdict(vision),
        graph_verdict(graph),
        language_verdict(adapt),
        serving_verdict(serving),
    )
    sections = (
        Section("findings", "What came out", (Prose(points=verdicts),)),
        corpus(ingest, preprocess, waste_quarantine),
        search(retrieval_scores, retrieve),
        assistant(evaluate, streams),
        photographs(vision_scores, vision_confusion, vision_predictions, vision),
        graph_section(link_scores, recommendations, node_scores, graph, params),
        language(adapt),
        serving_section(serving_latencies, serving),
        feedback_section(feedback, *turned_down(hard_negatives, params)),
        elsewhere(
            retrieval_benchmark,
            graph_benchmark,
            vision_benchmark,
            adapt_benchmark,
            reranker_benchmark,
            serving_benchmark,
            runtimes_benchmark,
            load_benchmark,
            feedback_benchmark,
            reasons_benchmark,
        ),
        reproduce(),
    )
    cities = joined(sorted({key.partition(":")[0] for key in preprocess.streams}))
    lede = (
        f"{count(preprocess.items)} names of things on the lists of {cities}, "
        f"{plural(preprocess.cards, 'card')} that explain them, {count(preprocess.photos)} photographs and a "
        "graph of what goes with what. Each figure says what it rests on, and where the assistant is wrong."
    )
    return page(
        TITLE,
        lede,
        sections,
        "Made by the stage releaf-report. One file, nothing fetched: keep it, mail it, print it.",
    )


def reproduce() -> Section:
    """The commands."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Prose(
                "All but the tables of the collections that do not ship is computed from data/source by the "
                "stages declared in dvc.yaml, with the parameters in params.yaml; dvc.lock holds the hash of "
                "every file, and MLflow the record of each run."
            ),
            Commands(
                (
                    "statewright plan releaf-report     # what would run, and why",
                    "dvc repro releaf-report            # by DVC alone",
                    "statewright run releaf-report      # the same as a Prefect flow",
                    "python -m benchmarks.releaf        # the collections that do not ship",
                )
            ),
            Prose("The same inputs and parameters give this page again, byte for byte. It needs no network."),
        ),
    )
