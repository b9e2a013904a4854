"""Section of the report on the shape of each modality, and on drift."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.fusion.contracts.characterise import Drift, FamilyOfModality, LittleTest
from tasks.fusion.contracts.fuse import Judgement
from tasks.fusion.contracts.report import Descriptions
from tasks.report.blocks import Prose, Section, count, grid, interval, joined

FAMILIES = {
    "normal": "normal",
    "student": "Student's t",
    "mixture": "mixture of {} normals",
    "factors": "{} factors",
}
SIGNIFICANT = 0.05


def finding(described: Descriptions, judge: Judgement) -> list[str]:
    """Return the sentence on drift, if there is any."""
    parts = {name: part.drift for name, part in described.characterise.modalities.items()}
    sentences = []
    if later := _drifting(parts):
        sentences.append(
            f"Later rows differ from earlier ones in {joined(later)}: scores on new rows may be lower."
            if described.characterise.order == "time"
            else "The rows of the tables are in an order, for example by class: the last fifth differs from "
            f"the others in {joined(later)}."
        )
    if test := _drifting(judge.drift):
        sentences.append(f"The test rows differ from the development rows in {joined(test)}.")
    return sentences


def section(described: Descriptions, judge: Judgement) -> Section:
    """Return the section: rank, tails, family and drift of each modality."""
    summary, families = described.characterise, described.recognise.modalities
    order = "time" if summary.order == "time" else "the order of the table"
    dependent = [
        name
        for name, part in summary.modalities.items()
        if part.absent_p is not None and part.absent_p < SIGNIFICANT
    ]
    sentence = (
        f"Whether {joined(dependent)} is present depends on the target: its absence is information, which "
        "may not exist in later data."
        if dependent
        else "No modality's absence depends on the target."
        if any(part.absent_p is not None for part in summary.modalities.values())
        else ""
    )
    return Section(
        "shape",
        "What the modalities look like",
        (
            Prose(
                "Moments and families describe the development rows only. Drift compares the last fifth of "
                f"them, by {order}, with the rest, and the test rows with all of them: an AUC of 0.5 means "
                f"that a classifier cannot tell them from each other. {sentence}"
            ),
            Prose(_at_random(summary.little)),
            grid(
                "Shape of each modality. “Effective rank”: number of directions that carry its variance. "
                "“Skewed”: columns with |G1| > 1. “Heavy tails”: columns with an excess kurtosis G2 > 1. "
                "“Family”: highest likelihood of held-out rows.",
                (
                    *("modality", "columns", "effective rank", "skewed", "heavy tails", "family"),
                    *("later rows (AUC)", "test rows (AUC)"),
                ),
                [
                    (
                        name,
                        count(part.columns),
                        f"{part.effective_rank:.1f}",
                        count(part.skewed_columns),
                        count(part.heavy_columns),
                        _family(families.get(name)),
                        _drift(part.drift),
                        _drift(judge.drift.get(name)),
                    )
                    for name, part in summary.modalities.items()
                ],
                text=(5,),
            ),
        ),
        "Directions, tails and family of each modality, and drift.",
    )


def _at_random(test: LittleTest) -> str:
    """Return what Little's test says of the missing cells."""
    if test.not_applied is not None:
        return (
            "Little's test of whether cells are missing completely at random does not apply: "
            f"{test.not_applied}."
        )
    assert test.p is not None
    verdict = (
        "rows with missing cells differ from the others, so that leaving them out, or means in their place, "
        "may bias a result"
        if test.p < SIGNIFICANT
        else "no difference between rows with and without missing cells is found, which does not exclude "
        "that cells are missing by their own values"
    )
    return (
        f"Little's test of whether cells are missing completely at random: chi-square {test.chi2:.1f} with "
        f"{count(test.degrees or 0)} degrees of freedom in {count(test.patterns)} patterns, "
        f"p {'below 0.001' if test.p < 0.001 else f'{test.p:.3f}'}: {verdict}."
    )


def _family(family: FamilyOfModality | None) -> str:
    return "too few rows" if family is None else FAMILIES[family.family].format(family.size)


def _drift(drift: Drift | None) -> str:
    return "–" if drift is None else f"{drift.auc:.2f} ({interval(drift.auc_low, drift.auc_high, 2)})"


def _drifting(parts: Mapping[str, Drift | None]) -> list[str]:
    return [name for name, drift in parts.items() if drift and drift.auc_low > 0.5]
