"""Claims of specification 3 §10 and §11: the cost of learning."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, Claim, Metrics, Row, benchmark_rows

COMPLEXITY = "`python -m benchmarks.learning complexity`"
TESTS = "`pytest tests/methods/training`"
TOLERANCE = 0.25
"""Largest difference of an exponent from the claimed one that counts as equal."""


def _rows(metrics: Metrics, name: str) -> list[Row]:
    return benchmark_rows(metrics, "complexity", name)


def _exponents(name: str) -> tuple[Any, Any]:
    """Return the verdict and the finding of a table of exponents."""

    def verdict(metrics: Metrics) -> str:
        rows = _rows(metrics, name)
        if not rows:
            return OPEN
        equal = all(abs(row["exponent"] - row["exponent claimed"]) <= TOLERANCE for row in rows)
        return REPRODUCED if equal else CORRECTED

    def finding(metrics: Metrics) -> str:
        rows = _rows(metrics, name)
        if not rows:
            return "Not measured on this machine yet."
        return f"Exponents (claimed): {'; '.join(_exponent(row) for row in rows)}."

    return verdict, finding


def _exponent(row: Row) -> str:
    claimed = f"{row['exponent claimed']:.0f}"
    return f"{row['what']} in {row['size']} ({row['where']}) {row['exponent']:.2f} ({claimed})"


def _largest(metrics: Metrics) -> Row | None:
    rows = _rows(metrics, "checkpointing")
    return max(rows, key=lambda row: row["layers"]) if rows else None


def _checkpointing_holds(metrics: Metrics) -> str:
    row = _largest(metrics)
    if row is None:
        return OPEN
    return REPRODUCED if row["share"] <= 0.6 and row["share of all"] <= 0.6 else CORRECTED


def _checkpointing(metrics: Metrics) -> str:
    row = _largest(metrics)
    if row is None:
        return "Not measured on this machine yet."
    return (
        f"{row['layers']} transformer layers need {row['MB recomputed']:.0f} MB in place of "
        f"{row['MB']:.0f} MB of activations, a share of {row['share']:.2f} ({row['share of all']:.2f} with "
        f"weights, gradients and moments), for {row['time']:.2f} of the time; gradients are equal bit by bit."
    )


CLAIMS = (
    Claim("3 §10.1", "Time O(T^2 d + T d^2), O((E + V) d^2), O(N K C).", *_exponents("time"), COMPLEXITY),
    Claim("3 §10.2", "Memory O(d^2 L), O(B T d), O(V^2).", *_exponents("memory"), COMPLEXITY),
    Claim(
        "3 §11.1",
        "The gradient of a batch is the mean of the gradients of its parts.",
        CORRECTED,
        "For equal parts only. Weighted by rows, two processes with 6 and 5 rows have the gradients of one "
        "process to 1e-12 in float64, and so does a pipeline of two processes.",
        TESTS,
    ),
    Claim("3 §11.2", "Checkpointing trades computation for memory.", _checkpointing_holds, _checkpointing,
          COMPLEXITY),
)  # fmt: skip
