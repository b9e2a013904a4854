"""Section of the report on failures: the rows that are most wrong."""

from __future__ import annotations

import pandas as pd

from tasks.report.blocks import Block, Prose, Section, grid, plural, share

LISTED = 12
"""Rows that the page lists."""


def finding(records: pd.DataFrame, decisions: pd.DataFrame, classes: list[str]) -> list[str]:
    """Return the sentence on the row that is most wrong."""
    worst = most_wrong(decisions, classes).head(1)
    if worst.empty:
        return []
    row = next(worst.itertuples())
    key = records["key"].iloc[row.row]
    return [f"The row that is most wrong has the key “{key}”: {row.target}, decided as {row.decision}."]


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
    return Section("failures", "Failures", tuple(blocks))


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
