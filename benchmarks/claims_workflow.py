"""Claim of specification 1 §7.2: the optimised workflow."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN, Claim, Metrics, Row, benchmark_rows
from benchmarks.recorded import factor, like_with_like

COMMAND = "`python -m benchmarks.schedule --set workflows --rerun fusion`"


def _verdict(metrics: Metrics) -> str:
    rows = benchmark_rows(metrics, "workflows", "random workflows")
    return CORRECTED if rows and rows[0]["equal"] == rows[0]["graphs"] else OPEN


def _finding(metrics: Metrics) -> str:
    rows = benchmark_rows(metrics, "workflows", "random workflows")
    if not rows:
        return "Not measured on this machine yet."
    graphs = rows[0]
    text = (
        "A list of all schedules is exact, but n stages have up to n! orders. The exact solver has the same "
        f"optimum in {graphs['equal']:,} of {graphs['graphs']:,} random workflows of at most 7 stages "
        f"({graphs['deadline impossible']:,} with an impossible deadline), and is never worse than list "
        f"scheduling (a property; shorter in {graphs['shorter than list scheduling']:,})."
    )
    return text + _prediction(benchmark_rows(metrics, "workflows", "recorded runs"))


def _prediction(runs: list[Row]) -> str:
    """Compare predictions with recorded runs, each figure under its own load."""
    if not runs or "replayed s" not in runs[0]:
        return ""
    loss = max(run["replayed s"] / run["best s"] - 1 for run in runs)
    sentences = [
        f" With the durations that were measured in a run, the engine's rule gives its makespan within a "
        f"median factor of {factor(runs, 'replayed s'):.3f} ({_count(runs, 'recorded run')} of our "
        f"pipelines) and is at most {loss:.1%} longer than the optimum."
    ]
    if pairs := like_with_like(runs):
        sentences.append(
            f"With those of the previous run at the same load: {factor(pairs, 'from previous s'):.2f} "
            f"({_count(pairs, 'run')})."
        )
    if known := [run for run in runs if not run["assumed"]]:
        sentences.append(
            "Predictions made before the run, from past runs at any load: "
            f"{factor(known, 'predicted s'):.2f} ({_count(known, 'run')})."
        )
    return " ".join(sentences)


def _count(rows: list[Row], noun: str) -> str:
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else 's'}"


CLAIMS = (Claim("1 §7.2", "Listing all schedules finds the best one.", _verdict, _finding, COMMAND),)
