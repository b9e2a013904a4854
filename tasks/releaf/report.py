"""Stage ``releaf-report``: one HTML page for readers outside the field.

Every sentence, figure and table is computed from the inputs, and the page loads nothing from outside. The
page opens with three sentences and three figures that a reader can explore; the rest is folded. Each module
in ``sections`` is one topic. Blocks, drawings and the template come from ``tasks/report``.
"""

from __future__ import annotations

from tasks.releaf.adapter.scores import AdaptSummary
from tasks.releaf.contracts.report import (
    GraphResults,
    IngestResults,
    ItemResults,
    ServingResults,
    VisionResults,
)
from tasks.releaf.evaluate import EvaluateOutputs
from tasks.releaf.explorer.script import SCRIPT
from tasks.releaf.feedback import FeedbackOutputs
from tasks.releaf.params import ReportParams
from tasks.releaf.preprocess import PreprocessReport
from tasks.releaf.questions import QuestionsOutputs
from tasks.releaf.retrieve import RetrieveOutputs
from tasks.releaf.sections import assistant, corpus, language, photographs, ratings, search, unfamiliar
from tasks.releaf.sections import graph as links
from tasks.releaf.sections import opening as first_screens
from tasks.releaf.sections import questions as everyday
from tasks.releaf.sections import serving as load
from tasks.releaf.streams import StreamsSummary
from tasks.report.blocks import Commands, Prose, ReportOutputs, Section, findings, findings_text
from tasks.report.page import report_page


def report(
    ingest: IngestResults,
    preprocess: PreprocessReport,
    items: ItemResults,
    retrieve: RetrieveOutputs,
    streams: StreamsSummary,
    evaluate: EvaluateOutputs,
    asked: QuestionsOutputs,
    vision: VisionResults,
    graph: GraphResults,
    adapt: AdaptSummary,
    serving: ServingResults,
    feedback: FeedbackOutputs,
    *,
    params: ReportParams,
) -> ReportOutputs:
    """Return the page and its findings.

    The page has an opening, the findings, and one section per topic.
    """
    explored = first_screens.explored(items, evaluate, graph)
    points = (
        everyday.finding(asked),
        assistant.finding(evaluate.evaluate),
        search.finding(retrieve.retrieve),
        photographs.finding(vision.vision),
        unfamiliar.finding(vision.novelty),
        links.finding(graph.graph),
        language.finding(adapt),
        load.finding(serving.serving),
        ratings.finding(feedback),
        corpus.finding(ingest.ingest, preprocess),
    )
    sections = (
        findings(points),
        everyday.section(asked),
        assistant.section(evaluate.evaluate, streams),
        photographs.section(vision),
        unfamiliar.section(vision.novelty),
        links.section(graph, explored.lists.spelling),
        search.section(retrieve),
        language.section(adapt),
        load.section(serving),
        ratings.section(feedback, params),
        corpus.section(ingest, preprocess),
        reproduction(),
    )
    html = report_page(
        first_screens.opening(explored, evaluate, streams.test),
        sections,
        "Written by the stage releaf-report. The page is one file and loads nothing from the network.",
        SCRIPT,
    )
    return ReportOutputs(html, findings_text(first_screens.TITLE, points))


def reproduction() -> Section:
    """Return the commands that reproduce the page."""
    return Section(
        "reproduce",
        "Reproduce this page",
        (
            Prose(
                "The stages in dvc.yaml compute this page from data/source, with the parameters in "
                "params.yaml. The file dvc.lock holds the hash of every file, and MLflow the record of each "
                "run. Benchmarks on public collections are in docs/releaf-benchmarks.md."
            ),
            Commands(
                (
                    "statewright plan releaf-report     # show what would run, and why",
                    "dvc repro releaf-report            # run with DVC alone",
                    "statewright run releaf-report      # run as a Prefect flow",
                    "python -m benchmarks.releaf        # run the benchmarks",
                )
            ),
            Prose("The same inputs and parameters give the same page, byte for byte. No network is needed."),
        ),
        "The commands, and where the benchmarks are.",
    )
