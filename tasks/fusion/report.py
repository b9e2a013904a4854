"""Stage fusion-report: one HTML page on whether and how to fuse the tables.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself.
"""

from __future__ import annotations

from statewright.contracts import Feedback
from tasks.fusion.contracts.fuse import Attention, ChoiceMetrics, EvaluateOutputs, Judgement
from tasks.fusion.contracts.report import Descriptions, Tables
from tasks.fusion.sections import choice as chosen
from tasks.fusion.sections import data, failures, modalities, scores, shape
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
    joined,
)
from tasks.report.page import report_page


def report(
    tables: Tables,
    described: Descriptions,
    choice: ChoiceMetrics,
    attention: Attention,
    evaluated: EvaluateOutputs,
    judge: Judgement,
    feedback: Feedback,
) -> ReportOutputs:
    """Return the page and its findings."""
    schema, classes = tables.schema, tables.schema.classes
    evaluate, decisions = evaluated.evaluate, evaluated.decisions
    points = [
        *scores.finding(evaluate, judge, classes),
        *chosen.finding(choice, classes),
        *modalities.finding(evaluate),
        *data.finding(schema, tables.preprocess),
        *shape.finding(described, judge),
        *failures.finding(tables.records, decisions, classes),
        *feedback_loop.finding(feedback),
    ]
    sections = (
        findings(points),
        data.section(schema, tables.ingest, tables.preprocess, tables.quarantine),
        chosen.section(choice, classes, tables.preprocess.development),
        scores.section(evaluate, judge, classes, tables.preprocess.development),
        modalities.section(evaluate, attention, classes),
        failures.section(tables.records, decisions, classes),
        shape.section(described, judge),
        feedback_loop.section(feedback),
        reproduction(),
    )
    title = f"Predicting “{schema.target}” from {joined(schema.modalities)}"
    opening = Opening(
        title,
        (question(tables), *scores.sentences(evaluate, judge, classes)),
        (
            scores.figure(evaluate, classes),
            modalities.figure(evaluate, classes),
            failures.figure(decisions, classes),
        ),
    )
    end = "Written by the stage fusion-report. The page is one file and loads nothing from the network."
    return ReportOutputs(report_page(opening, sections, end), findings_text(title, points))


def question(tables: Tables) -> str:
    """Return the question of the page."""
    schema = tables.schema
    return (
        f"This page predicts “{schema.target}” of {count(tables.ingest.records)} records from "
        f"{count(len(schema.modalities))} kinds of data ({joined(schema.modalities)}), and asks whether it "
        "pays to have all of them."
    )


def reproduction() -> Section:
    """Return the section on the commands that reproduce the page."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Prose(
                "The stages declared in dvc.yaml compute every number above from the tables that "
                "fusion.ingest in params.yaml names. dvc.lock holds the hash of every file, and MLflow the "
                "record of each run."
            ),
            Commands(
                (
                    "statewright plan fusion           # the stages that would run, with reasons",
                    "statewright run fusion            # the whole pipeline, then this page",
                    "statewright loop fusion-feedback  # improve the params in rounds",
                    "dvc repro fusion-report           # the same pipeline with DVC alone",
                )
            ),
            Prose("The same inputs and parameters give the same page, byte for byte. It needs no network."),
        ),
        "The commands, with Statewright or with DVC alone.",
    )
