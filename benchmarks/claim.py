"""A row of ``docs/claims.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, Any]
Row = Mapping[str, Any]

REPRODUCED, CORRECTED, UNTESTABLE = "reproduced", "corrected", "not testable here"
OPEN = "not measured yet"
RUN, RUN_RELEAF = "`make run`", "`statewright run releaf`"


@dataclass(frozen=True)
class Claim:
    """A claim of a specification, with its verdict and our finding.

    `verdict` and `finding` may be functions of the metrics.
    """

    section: str
    claim: str
    verdict: str | Callable[[Metrics], str]
    finding: str | Callable[[Metrics], str]
    command: str = ""

    def row(self, metrics: Metrics) -> str:
        """Return the row in Markdown, with the figures of the last run."""
        verdict, finding = (
            part if isinstance(part, str) else part(metrics) for part in (self.verdict, self.finding)
        )
        return f"| {self.section} | {self.claim} | {verdict} | {finding} | {self.command} |"


def benchmark_rows(metrics: Metrics, part: str, name: str) -> list[Row]:
    """Return the rows of a table of a benchmark; none if not measured."""
    tables = metrics["benchmarks"].get(part, {"tables": []})["tables"]
    return [
        dict(zip(table["columns"], row, strict=True))
        for table in tables
        if table["name"] == name
        for row in table["rows"]
    ]
