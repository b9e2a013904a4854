"""A row of ``docs/claims.md``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, Any]

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
