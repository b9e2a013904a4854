"""Stage tuner-report: one HTML page on whether each step of the tuner pays.

Every sentence, figure and table is computed from the inputs; the page needs nothing outside itself.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from statewright.contracts import ContractError, Feedback, check
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
from tasks.tuner.contracts.choose import Choices, Evaluation
from tasks.tuner.contracts.measure import GenerateSummary
from tasks.tuner.contracts.policy import PolicyMetrics
from tasks.tuner.contracts.search import SearchMetrics
from tasks.tuner.contracts.tables import IngestMetrics
from tasks.tuner.measured import read_summary
from tasks.tuner.params import MatrixParams, ProgramsParams
from tasks.tuner.sections import attention, choice, samplers
from tasks.tuner.sections import policy as learnt
from tasks.tuner.sections import programs as written

TITLE = "Does each step of the tuner pay?"


def report(
    ingest: IngestMetrics,
    policy: PolicyMetrics,
    search: SearchMetrics,
    generate: Path,
    measure: Path,
    choices: Choices,
    evaluate: Evaluation,
    feedback: Feedback,
    *,
    matrix: MatrixParams,
    programs: ProgramsParams,
) -> ReportOutputs:
    """Return the page and its findings."""
    measured = [read_summary(measure / f"{spec}-{rows}") for spec, rows in product(matrix.specs, matrix.rows)]
    cells = [generate / f"{spec}-{engine}" for spec, engine in product(matrix.specs, programs.engines)]
    generated = [read_generated(cell) for cell in cells]
    shown = {cells[-1].name: (cells[-1] / "program.txt").read_text(encoding="utf-8")}
    points = [
        *choice.finding(choices, evaluate),
        *attention.finding(choices),
        *samplers.finding(search),
        *learnt.finding(policy),
        *written.finding(measured),
        *feedback_loop.finding(feedback),
    ]
    sections = (
        findings(points),
        choice.section(choices, evaluate),
        attention.section(choices),
        samplers.section(search),
        learnt.section(policy),
        written.section(generated, measured, shown),
        data(ingest),
        feedback_loop.section(feedback),
        reproduction(),
    )
    opening = Opening(
        TITLE,
        sentences(search, choices, evaluate, policy),
        (choice.figure(choices, evaluate), attention.figure(choices), samplers.figure(search)),
    )
    end = "Written by the stage tuner-report. The page is one file and loads nothing from the network."
    return ReportOutputs(report_page(opening, sections, end), findings_text(TITLE, points))


def sentences(
    search: SearchMetrics, choices: Choices, evaluate: Evaluation, policy: PolicyMetrics
) -> tuple[str, str, str]:
    """Return what the page asks, what a few measurements find, and which steps pay."""
    first = next(iter(choices.cells.values()))
    gains = [cell.default["cpu"].median for cell in evaluate.cells.values()]
    ratios = [seed.ratio for seed in policy.seeds]
    learnt = (
        "can get stuck"
        if None in ratios
        else f"comes within {100 * (max(r for r in ratios if r is not None) - 1):.1f}% of the best policy"
    )
    return (
        "This page tests a tuner that searches by a genetic algorithm, refines by Q-learning and predicts by "
        "attention, and measures each step beside simpler methods.",
        f"With {first.evaluations} measurements of {count(first.programs)} generated programs, it finds one "
        f"within {100 * (evaluate.tolerance - 1):.0f}% of the fastest on {evaluate.within_cpu} of "
        f"{plural(len(evaluate.cells), 'table')}; the default program needs {min(gains):.1f} to "
        f"{max(gains):.1f} times as much CPU time.",
        f"Of the steps, genetic search with Q-learning beats genetic search alone on "
        f"{samplers.ahead(search).get('genetic', 0)} of {plural(len(search.problems), 'problem')}, "
        f"Q-learning {learnt}, and for attention {attention.verdict(choices)}.",
    )


def read_generated(cell: Path) -> GenerateSummary:
    """Read the summary of a cell of tuner-generate.

    Raises
    ------
    ContractError
        If it is missing or breaks its contract.
    """
    path = cell / "generated.json"
    if not path.is_file():
        raise ContractError(f"{path} is missing; run the stage tuner-generate@{cell.name}")
    return check(json.loads(path.read_text(encoding="utf-8")), GenerateSummary, str(path))


def data(ingest: IngestMetrics) -> Section:
    """Return the section on the tables and the rows that were quarantined."""
    return Section(
        "data",
        "The tables",
        (
            Prose(
                "Tables of other sizes are random rows of the careers, with noise of 1% on their floats, so "
                "that no two rows are equal."
            ),
            grid(
                "Rows of the shipped tables.",
                ("table", "read", "kept", "quarantined"),
                [
                    (name, count(c.rows_read), count(c.rows_kept), count(c.rows_quarantined))
                    for name, c in ingest.tables.items()
                ],
            ),
        ),
        "Rows that were read, kept and quarantined.",
    )


def reproduction() -> Section:
    """Return the section on the commands that reproduce the page."""
    return Section(
        "reproduce",
        "How to reproduce this page",
        (
            Commands(
                (
                    "statewright plan tuner                  # the stages that would run, with reasons",
                    "statewright run tuner                   # the whole pipeline, then this page",
                    "statewright loop tuner-feedback         # improve the genetic search in rounds",
                    "python -m benchmarks.generator          # five tables of 1,000 to 10,000,000 rows",
                    "python -m tasks.tuner generate SPEC.yaml --engine polars --out FILE.py",
                )
            ),
            Prose(
                "Seconds differ between runs and machines, and with them what the stages tuner-measure, "
                "tuner-choose and tuner-evaluate write. The other figures do not."
            ),
        ),
        "The commands, with Statewright or with DVC alone.",
    )
