"""Claims of specification 1 §8: the cost of attention."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, Claim, Metrics


def _rows(metrics: Metrics, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the part `attention`, by column."""
    tables = metrics["benchmarks"].get("attention", {"tables": []})["tables"]
    return [
        dict(zip(table["columns"], row, strict=True))
        for table in tables
        if table["name"] == name
        for row in table["rows"]
    ]


def _verdict(metrics: Metrics) -> str:
    return CORRECTED if _rows(metrics, "growth") else OPEN


def _complexity(metrics: Metrics) -> str:
    growth = _rows(metrics, "growth")
    if not growth:
        return "Full attention costs O(n^2 d) per head; the exponents are not measured yet."
    exponents = ", ".join(
        f"{row['cost']} {row['attention']} {row['exponent']:.2f} ({row['lengths']})" for row in growth
    )
    errors = ", ".join(
        f"{row['tokens']}, {row['correlation length']:.0f}: {row['levels']:.3f} (near keys only "
        f"{row['local']:.3f})"
        for row in _rows(metrics, "error")
    )
    return (
        "Full attention costs O(n^2 d) per head; attention over levels costs O(n d log n) and is an "
        f"approximation. Exponents in n (lengths): {exponents}. Relative error against full attention at "
        f"n = 4,096 by kind of tokens and the length of their correlation: {errors}."
    )


CLAIMS = (
    Claim("1 §8.2", "Overall complexity O(n m d log n).", _verdict, _complexity,
          "`python -m benchmarks.fusion attention`"),
)  # fmt: skip
