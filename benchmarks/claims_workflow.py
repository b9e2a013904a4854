"""Claim of specification 1 §7.2: the optimised workflow."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.claim import CORRECTED, OPEN, Claim, Metrics

COMMAND = "`python -m benchmarks.schedule --set workflows`"


def _rows(metrics: Metrics, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the part `workflows`, by column."""
    tables = metrics["benchmarks"].get("workflows", {"tables": []})["tables"]
    return [
        dict(zip(table["columns"], row, strict=True))
        for table in tables
        if table["name"] == name
        for row in table["rows"]
    ]


def _verdict(metrics: Metrics) -> str:
    rows = _rows(metrics, "random workflows")
    return CORRECTED if rows and rows[0]["equal"] == rows[0]["graphs"] else OPEN


def _finding(metrics: Metrics) -> str:
    rows = _rows(metrics, "random workflows")
    if not rows:
        return "Not measured on this machine yet."
    graphs = rows[0]
    text = (
        "A list of all schedules is exact, but n stages have up to n! orders. The exact solver has the same "
        f"optimum in {graphs['equal']:,} of {graphs['graphs']:,} random workflows of at most 7 stages "
        f"({graphs['deadline impossible']:,} with an impossible deadline), and is never worse than list "
        f"scheduling (a property; shorter in {graphs['shorter than list scheduling']:,})."
    )
    runs = _rows(metrics, "recorded runs")
    if not runs:
        return text
    factor = median(max(run["ratio"], 1 / run["ratio"]) for run in runs)
    loss = max(run["rule s"] / run["best s"] - 1 for run in runs)
    noun = "run" if len(runs) == 1 else "runs"
    return (
        f"{text} Predicted and actual makespan of {len(runs)} recorded {noun} of our pipelines differ by a "
        f"median factor of {factor:.2f}; with the measured durations the rule of the engine is at most "
        f"{loss:.1%} longer than the optimum."
    )


CLAIMS = (Claim("1 §7.2", "Listing all schedules finds the best one.", _verdict, _finding, COMMAND),)
