"""Stage ``releaf-report``: one HTML page for readers outside the field.

Every sentence, figure and table is computed from the inputs, and the page loads nothing from outside.
Each module in ``sections`` is one topic. Blocks, drawings and the template come from ``tasks/report``.
"""

from __future__ import annotations

from tasks.releaf.adapter.scores import AdaptSummary
from tasks.releaf.contracts.report import (
    Benchmarks,
    GraphResults,
    IngestResults,
    ServingResults,
    VisionResults,
)
from tasks.releaf.evaluate import EvaluateSummary
from tasks.releaf.feedback import FeedbackOutputs
from tasks.releaf.params import ReportParams
from tasks.releaf.preprocess import PreprocessReport
from tasks.releaf.retrieve import RetrieveOutputs
from tasks.releaf.sections import (
    assistant,
    corpus,
    language,
    photographs,
    ratings,
    search,
)
from tasks.releaf.sections import (
    benchmarks as benchmark_tables,
)
from tasks.releaf.sections import (
    graph as links,
)
from tasks.releaf.sections import (
    serving as load,
)
from tasks.releaf.streams import StreamsSummary
from tasks.report.blocks import (
    Commands,
    Prose,
    ReportOutputs,
    Section,
    count,
    findings,
    findings_text,
    joined,
    plural,
)
from tasks.report.page import page

TITLE = "Which bin? How often the waste assistant is right, and where it fails"


def report(
    ingest: IngestResults,
    preprocess: PreprocessReport,
    retrieve: RetrieveOutputs,
    streams: StreamsSummary,
    evaluate: EvaluateSummary,
    vision: VisionResults,
    graph: GraphResults,
    adapt: AdaptSummary,
    serving: ServingResults,
    feedback: FeedbackOutputs,
    benchmarks: Benchmarks,
    *,
    params: ReportParams,
) -> ReportOutputs:
    """Return the page and its findings.

    The page has an introduction, the findings, and one section per topic.
    """
    points = (
        assistant.finding(evaluate),
        search.finding(retrieve.retrieve),
        photographs.finding(vision.vision),
        links.finding(graph.graph),
        language.finding(adapt),
        load.finding(serving.serving),
        ratings.finding(feedback),
        corpus.finding(ingest.ingest, preprocess),
        benchmark_tables.finding(benchmarks),
    )
    sections = (
        findings(points),
        corpus.section(ingest, preprocess),
        search.section(retrieve),
        assistant.section(evaluate, streams),
        photographs.section(vision),
        links.section(graph, params),
        language.section(adapt),
        load.section(serving),
        ratings.section(feedback, params),
        benchmark_tables.section(benchmarks),
        reproduction(),
    )
    html = page(
        TITLE,
        introduction(preprocess),
        sections,
        "Written by the stage releaf-report. The page is one file and loads nothing from the network.",
    )
    return ReportOutputs(html, findings_text(TITLE, points))


def introduction(preprocess: PreprocessReport) -> str:
    """Return three sentences for a reader outside the field."""
    cities = joined(sorted({key.partition(":")[0] for key in preprocess.streams}))
    return (
        f"The waste assistant tells a resident of {cities} which bin an item belongs in, from its name or a "
        f"photo. It has learned from {count(preprocess.items)} entries of the cities' own lists, "
        f"{plural(preprocess.cards, 'card')} with explanations, and {count(preprocess.photos)} photos. This "
        "page reports how often it is right for names and photos that it has not seen before, and where it "
        "is wrong."
    )


def reproduction() -> Section:
    """Return the commands that reproduce the page."""
    return Section(
        "reproduce",
        "Reproduce this page",
        (
            Prose(
                "The stages in dvc.yaml compute this page from data/source, with the parameters in "
                "params.yaml. Only the benchmark tables use data that do not ship. The file dvc.lock holds "
                "the hash of every file, and MLflow the record of each run."
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
    )
