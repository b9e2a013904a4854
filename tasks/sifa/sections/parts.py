"""Sections of the report on whether each part of the architecture pays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pandas as pd

from tasks.report.blocks import (
    Block,
    Cell,
    Figure,
    Picture,
    Prose,
    Section,
    grid,
    interval,
    joined,
    plural,
    signed,
)
from tasks.report.drawing import svg
from tasks.sifa.contracts.evaluate import Ablation, Evaluation
from tasks.sifa.sections.figures import intervals as draw
from tasks.sifa.sections.words import change, set_name, unit


@dataclass(frozen=True)
class Question:
    """Question of a section, and the ablation that answers it.

    `part` completes "removing ... changes the score by", `method` says how the part works.
    """

    key: str
    title: str
    variant: str
    part: str
    method: str


QUESTIONS = (
    Question(
        "symmetry", "Does a built-in symmetry pay?", "no-symmetry", "the symmetry",
        "Features are lifted to the group, attention acts there, and pooling comes last. The variant without "
        "it has the trivial group and as many parameters; on turned pictures it is trained with turned "
        "copies.",
    ),
    Question(
        "metric", "Does a Fisher metric in attention pay?", "no-metric", "the Fisher metric",
        "Attention is scaled by a low-rank Fisher metric of its input, with the temperature "
        "exp(−slogdet / 2d). The variant without it has the usual scale.",
    ),
    Question(
        "coarse", "Does coarse-graining pay?", "no-renormalisation", "coarse-graining",
        "The architecture also attends to block means of its tokens. The variant without it has one scale.",
    ),
    Question(
        "optimiser", "Does a symplectic optimiser pay?", "no-symplectic", "the symplectic optimiser",
        "Training follows a conformal leapfrog with friction, one gradient a step. The variant without it is "
        "trained by AdamW for as many steps.",
    ),
    Question(
        "information", "Does information regularisation pay?", "no-information", "the regularisation",
        "The loss has a term that limits what the features hold of the input beyond the target.",
    ),
)  # fmt: skip


def finding(question: Question, evaluate: Evaluation) -> list[str]:
    """Return the answer to a question, with the sets that show it."""
    ablation = evaluate.ablations.get(question.variant)
    if ablation is None:
        return []
    return [f"{question.title} {answer(question, ablation, evaluate)}"]


def answer(question: Question, ablation: Ablation, evaluate: Evaluation) -> str:
    """Return where the part pays, costs or shows no difference, then the figures."""
    sets: dict[str, list[str]] = {"loss": [], "gain": [], "not shown": []}
    for name, difference in ablation.changes.items():
        sets[difference.verdict].append(name)
    unclear = len(sets["not shown"])
    if not sets["loss"] and not sets["gain"]:
        return (
            f"Not shown: on none of {plural(unclear, 'set')} does removing {question.part} change the score "
            "beyond its intervals."
        )
    clauses = []
    if sets["loss"]:
        clauses.append(f"it pays on {joined(set_name(name) for name in sets['loss'])}")
    if sets["gain"]:
        clauses.append(f"it costs on {joined(set_name(name) for name in sets['gain'])}")
    if unclear:
        clauses.append(f"on the other {plural(unclear, 'set')} no difference is shown")
    verdict = "; ".join(clauses)
    figures = joined(
        f"{change(ablation.changes[name], unit(evaluate.sets[name].measure))} on {set_name(name)}"
        for name in (*sets["loss"], *sets["gain"])
    )
    return f"{verdict[0].upper()}{verdict[1:]}. Removing {question.part} changes the score by {figures}."


def section(question: Question, evaluate: Evaluation, *further: Block) -> Section:
    """Return the section of a question: answer, figure and table."""
    ablation = evaluate.ablations.get(question.variant)
    if ablation is None or not ablation.changes:
        return Section(
            question.key,
            question.title,
            (Prose(f"Not measured: “{question.variant}” is not in the matrix."),),
        )
    rows = list(ablation.changes.items())
    alt = f"Change by removing {question.part}: " + joined(f"{set_name(n)} {change(d)}" for n, d in rows)
    picture = svg(
        question.key, (7.6, 1.9 + 0.42 * len(rows)), alt,
        partial(draw.differences, panels=_panels(ablation, evaluate)),
    )  # fmt: skip
    return Section(
        question.key,
        question.title,
        (
            Prose(f"{answer(question, ablation, evaluate)}{_specified(ablation)}"),
            Prose(question.method),
            Figure(
                (Picture(picture),),
                f"Change of the test score by removing {question.part}, with 95% intervals by seed. Left "
                f"of 0: "
                "the part pays.",
            ),
            grid(
                f"The same change, in points of accuracy or percent of the error, on "
                f"{plural(len(rows), 'set')}. "
                "A verdict needs both intervals, by seed and by test row, on one side of 0.",
                ("set", "change", "interval by test row", "seeds", "verdict"),
                [
                    (
                        set_name(name),
                        Cell(change(value)),
                        f"{signed(value.row_low, 1)} to {signed(value.row_high, 1)}",
                        str(value.seeds),
                        {"loss": "pays", "gain": "costs", "not shown": "not shown"}[value.verdict],
                    )
                    for name, value in rows
                ],
                text=(4,),
            ),
            *further,
        ),
        f"Removing {question.part} on {plural(len(rows), 'set')}.",
    )


def _panels(ablation: Ablation, evaluate: Evaluation) -> dict[str, pd.DataFrame]:
    """Return the differences in points and those in percent, by axis label."""
    tables = {}
    for label, accuracy in (("points of accuracy", True), ("percent of the error saved", False)):
        chosen = {
            set_name(name): {"mean": value.mean, "low": value.low, "high": value.high}
            for name, value in ablation.changes.items()
            if (evaluate.sets[name].measure == "accuracy") == accuracy
        }
        if chosen:
            tables[label] = pd.DataFrame.from_dict(chosen, orient="index")
    return tables


def _specified(ablation: Ablation) -> str:
    if ablation.specification is None:
        return ""
    ours = ablation.accuracy
    measured = (
        f"; ours, over the classifications with a true symmetry, is {signed(ours.mean, 1)} "
        f"({interval(ours.low, ours.high, 1)})"
        if ours
        else ""
    )
    return (
        f" The specification states {signed(ablation.specification, 1)} points of accuracy, without data or "
        f"code{measured}."
    )
