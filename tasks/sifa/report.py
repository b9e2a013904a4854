"""Stage sifa-report: one HTML page on which parts of the architecture pay.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself.
"""

from __future__ import annotations

from pathlib import Path

from statewright.contracts import Feedback
from tasks.report import feedback as feedback_loop
from tasks.report.blocks import (
    Commands,
    Opening,
    Prose,
    ReportOutputs,
    Section,
    count,
    findings,
    findings_text,
    grid,
    plural,
)
from tasks.report.page import report_page
from tasks.sifa.contracts.evaluate import Evaluation
from tasks.sifa.contracts.geometry import Geometry
from tasks.sifa.contracts.rows import PreprocessMetrics
from tasks.sifa.contracts.tables import SetsMetrics
from tasks.sifa.sections import optimisers as searched
from tasks.sifa.sections import overview, parts, robustness, scores
from tasks.sifa.sections.words import set_name

TITLE = "Which parts of a symmetric information field pay?"


def report(
    sets: SetsMetrics,
    preprocess: PreprocessMetrics,
    evaluate: Evaluation,
    geometry: Geometry,
    optimisers: Path,
    feedback: Feedback,
) -> ReportOutputs:
    """Return the page and its findings."""
    comparisons = searched.read_comparisons(optimisers)
    points = [
        *(point for question in parts.QUESTIONS for point in parts.finding(question, evaluate)),
        *searched.finding(comparisons),
        *scores.finding(evaluate),
        *robustness.finding(evaluate),
        *feedback_loop.finding(feedback),
    ]
    further = {"optimiser": searched.blocks(comparisons)}
    sections = (
        findings(points),
        *(parts.section(question, evaluate, *further.get(question.key, ())) for question in parts.QUESTIONS),
        scores.section(evaluate),
        robustness.section(evaluate),
        searched.geometry_section(geometry),
        data(sets, preprocess),
        feedback_loop.section(feedback),
        reproduction(),
    )
    end = "Written by the stage sifa-report. The page is one file and loads nothing from the network."
    opening = Opening(TITLE, overview.sentences(evaluate), overview.figures(evaluate))
    return ReportOutputs(report_page(opening, sections, end), findings_text(TITLE, points))


def data(sets: SetsMetrics, preprocess: PreprocessMetrics) -> Section:
    """Return the section on the sets and the rows that were quarantined."""
    quarantined = sum(table.rows_quarantined for table in sets.tables.values())
    return Section(
        "data",
        "The sets",
        (
            Prose(
                f"{plural(len(sets.tables), 'table')} with "
                f"{count(sum(t.rows_read for t in sets.tables.values()))} "
                f"rows were read, of which {count(quarantined)} broke their contract. CIFAR-10, "
                f"WikiText-2, QM9 "
                "and ClimateNet, which the specification names, cannot be had here; these sets stand for "
                "them."
            ),
            grid(
                "Rows of each set, and its shape: pixels, points, or atoms with their numbers.",
                ("set", "rows", "training rows", "test rows", "classes", "shape"),
                [
                    (
                        set_name(name),
                        count(figures.rows),
                        count(figures.train),
                        count(figures.test),
                        count(figures.classes) if figures.classes > 1 else "a number",
                        " x ".join(map(str, figures.shape)),
                    )
                    for name, figures in preprocess.sets.items()
                ],
                text=(4, 5),
            ),
        ),
        "Rows, classes and shape of each.",
    )


def reproduction() -> Section:
    """Return the section on the commands that reproduce the page."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Commands(
                (
                    "statewright plan sifa                            # the cells that would run, with "
                    "reasons",
                    "statewright run sifa                             # the whole pipeline, then this page",
                    "statewright run sifa --set sifa.matrix.seeds=[0,1,2,3,4,5,6,7,8,9]   # ten seeds",
                    "statewright loop sifa-feedback                   # improve the training in rounds",
                    "dvc repro sifa-report                            # the same pipeline with DVC alone",
                )
            ),
            Prose(
                "Each cell of the matrix is a stage of its own: cached, run in parallel, and recorded in "
                "MLflow. "
                "Seconds of training differ between runs; scores do not."
            ),
        ),
        "The commands, with Statewright or with DVC alone.",
    )
