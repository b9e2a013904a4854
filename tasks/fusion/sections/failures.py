"""Section of the report on failures: the rows that are most wrong."""

from __future__ import annotations

from functools import partial
from textwrap import shorten

import pandas as pd

from tasks.fusion.sections.figures import failures as draw
from tasks.report.blocks import Block, Figure, Picture, Prose, Section, count, grid, joined, plural, share
from tasks.report.drawing import svg

LISTED = 12
"""Rows that the page lists, and classes that the figure shows."""
DRAWN = 400
"""Rows that the figure of a regression shows."""


def finding(records: pd.DataFrame, decisions: pd.DataFrame, classes: list[str]) -> list[str]:
    """Return the sentence on the row that is most wrong."""
    worst = most_wrong(decisions, classes).head(1)
    if worst.empty:
        return []
    row = next(worst.itertuples())
    key = records["key"].iloc[row.row]
    return [f"The row that is most wrong has the key “{key}”: {row.target}, decided as {row.decision}."]


def figure(decisions: pd.DataFrame, classes: list[str]) -> Figure:
    """Return the figure of the decisions: by class, or predicted against true values."""
    if not classes:
        return _of_numbers(decisions)
    table = _by_class(decisions)
    alt = "Share of the rows of a class that are decided wrong: " + joined(
        f"{name} {share(row.wrong)}" for name, row in table.iterrows()
    )
    picture = svg("classes", (8.2, 0.9 + 0.34 * len(table)), alt, partial(draw.classes_wrong, table=table))
    wrong = decisions[decisions["target"] != decisions["decision"]]
    return Figure(
        (Picture(picture),),
        f"Each of {count(len(decisions))} development rows was decided by a model that was trained without "
        f"it; {count(len(wrong))} are wrong. "
        + (f"The {count(len(table))} classes with most errors. " if len(table) < len(classes) else "")
        + "Beside a bar: the class that a wrong row is most often taken for.",
        title=f"“{table.index[0]}” is mistaken most often" if len(wrong) else "Every row is decided right",
    )


def _by_class(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the share of wrong rows of each class, and its common mistake."""
    rows = {}
    for name, part in decisions.groupby("target", sort=True):
        taken = part.loc[part["decision"] != part["target"], "decision"].value_counts(sort=True)
        wrong = taken.sum() / len(part)
        note = f"{wrong:.1%}" + (f", taken for {taken.index[0]}" if len(taken) else "")
        rows[str(name)] = {"wrong": wrong, "note": shorten(note, 40, placeholder="…")}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.sort_values("wrong", ascending=False, kind="stable").head(LISTED)


def _of_numbers(decisions: pd.DataFrame) -> Figure:
    numbers = decisions[["target", "decision"]].astype(float).sort_values("target", kind="stable")
    shown = numbers.iloc[:: -(-len(numbers) // DRAWN)]
    error = (numbers["target"] - numbers["decision"]).abs()
    alt = (
        f"Predicted against true values of {count(len(shown))} rows; half of the errors are below "
        f"{error.median():.3g}, and nine of ten below {error.quantile(0.9):.3g}"
    )
    picture = svg(
        "truths", (7.0, 4.0), alt,
        partial(draw.truths, target=shown["target"], decision=shown["decision"]),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{count(len(shown))} of {count(len(numbers))} development rows, each predicted by a model that was "
        "trained without it. On the line a prediction is right.",
        title=f"Half of the errors are below {error.median():.3g}",
    )


def section(records: pd.DataFrame, decisions: pd.DataFrame, classes: list[str]) -> Section:
    """Return the section: the most wrong rows, and classes that are mistaken."""
    wrong = most_wrong(decisions, classes)
    if wrong.empty:
        return Section("failures", "Failures", (Prose("Every development row was decided right."),))
    blocks: list[Block] = [
        Prose(
            "Each row was decided by a model that was trained without it. A row that is surely wrong may be "
            "a wrong label, a wrong unit, or a case that the modalities do not describe: look these up first."
        ),
        _rows(wrong.head(LISTED), records["key"], classes),
    ]
    if classes:
        blocks.append(_confusions(decisions, wrong))
    return Section(
        "failures",
        "Failures",
        tuple(blocks),
        f"{plural(len(wrong), 'row')} wrong, the surest mistakes first.",
    )


def most_wrong(decisions: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Return the wrong rows: the surest decision or the largest error first."""
    if classes:
        wrong = decisions[decisions["target"] != decisions["decision"]]
        return wrong.sort_values("probability", ascending=False, kind="stable")
    error = (decisions["target"].astype(float) - decisions["decision"].astype(float)).abs()
    wrong = decisions.assign(error=error)
    return wrong[error > 0].sort_values("error", ascending=False, kind="stable")


def _rows(worst: pd.DataFrame, keys: pd.Series, classes: list[str]) -> Block:
    if classes:
        return grid(
            f"{plural(len(worst), 'wrong decision')} with the highest stated probability. “Plausible”: the "
            "set of classes that should contain the truth.",
            ("key", "truth", "decision", "probability", "plausible"),
            [
                (
                    str(keys.iloc[row.row]),
                    row.target,
                    row.decision,
                    f"{row.probability:.3f}",
                    row.classes or "none",
                )
                for row in worst.itertuples()
            ],
            text=(1, 2, 4),
        )
    return grid(
        f"{plural(len(worst), 'row')} with the largest errors, and the interval that should contain the "
        "truth.",
        ("key", "truth", "decision", "error", "interval"),
        [
            (
                str(keys.iloc[row.row]),
                row.target,
                row.decision,
                f"{row.error:.4g}",
                "–" if pd.isna(row.low) else f"{row.low:.4g} to {row.high:.4g}".replace("-", "−"),
            )
            for row in worst.itertuples()
        ],
    )


def _confusions(decisions: pd.DataFrame, wrong: pd.DataFrame) -> Block:
    counts = wrong.groupby(["target", "decision"]).size().sort_values(ascending=False, kind="stable")
    totals = decisions["target"].value_counts()
    return grid(
        f"Classes that are mistaken most often ({len(wrong)} of {len(decisions)} rows are wrong).",
        ("truth", "decided as", "rows", "share of the class"),
        [
            (str(truth), str(decision), str(number), share(number / totals[truth]))
            for (truth, decision), number in counts.head(LISTED).items()
        ],
        text=(1,),
    )
