"""Write ``docs/claims.md``: claims of the specifications and our measurements.

Run ``python -m benchmarks.claims`` after the pipelines. Every figure is read from the metrics in ``data/``
and from ``benchmarks/figures/``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import (
    claims_complexity,
    claims_fusion,
    claims_graphs,
    claims_language,
    claims_learning,
    claims_releaf,
    claims_retrieval,
    claims_sifa,
    claims_statistics,
    claims_trust,
    claims_tuner,
    claims_workflow,
)
from benchmarks.claim import CORRECTED, RUN, Claim, Metrics

ROOT = Path(__file__).resolve().parent.parent
METRICS = ROOT / "data" / "emotion"
RELEAF, SIFA, FIGURES = ROOT / "data" / "releaf", ROOT / "data" / "sifa", ROOT / "benchmarks" / "figures"
TUNER = ROOT / "data" / "tuner"
TUNER_METRICS = ("ingest", "policy", "search", "validation")
"""Metrics of the tuner that are in git; the others have seconds."""
NAMES = (
    "fusion", "evaluate", "micro", "meso", "macro", "changepoint", "causal", "effects", "network",
    "influence_metrics", "variational", "latent", "search", "trust", "explain",
)  # fmt: skip


def _entropy(metrics: Metrics) -> str:
    entropies = metrics["fusion"]["entropy"]
    values = ", ".join(f"{name} {value:.2f}" for name, value in entropies.items())
    return (
        "Only H(a) <= log n holds (tested as a property). H(a)/log n of the attention in our fusion, "
        f"by query: {values}; 1 is the maximum entropy."
    )


def _coverage(metrics: Metrics) -> str:
    adaptive, fixed = (metrics["evaluate"][name] for name in ("coverage_90", "coverage_90_fixed"))
    values = ", ".join(f"{name} {value:.3f}" for name, value in adaptive.items())
    return (
        "Holds for exchangeable data (tested as a property), not across time: 90 % intervals calibrated once "
        f"cover {min(fixed.values()):.3f} to {max(fixed.values()):.3f} of the test targets of a dimension. "
        f"Intervals that adapt to the errors of earlier test years: {values}."
    )


def _section_numbers(section: str) -> list[int]:
    """Return the numbers of a section as a sort key; sections without one are last."""
    return [int(part) for part in section.partition("§")[2].split(".") if part] or [99]


CLAIMS = (
    Claim("1 §4.2", "Attention preserves information entropy.", CORRECTED, _entropy, RUN),
    *claims_workflow.CLAIMS,
    *claims_fusion.CLAIMS,
    *sorted(
        (*claims_language.CLAIMS, *claims_releaf.CLAIMS, *claims_retrieval.CLAIMS),
        key=lambda claim: _section_numbers(claim.section),
    ),
    *sorted(
        (*claims_statistics.CLAIMS, *claims_learning.CLAIMS, *claims_graphs.CLAIMS),
        key=lambda claim: _section_numbers(claim.section),
    ),
    *claims_trust.CLAIMS,
    Claim("3 §8.2", "Conformal coverage of at least 1 - alpha.", CORRECTED, _coverage, RUN),
    *claims_trust.AFTER,
    *claims_complexity.CLAIMS,
    *claims_sifa.CLAIMS,
    *claims_tuner.CLAIMS,
)


def read_metrics() -> dict[str, Any]:
    """Read the metrics of the pipelines and of the benchmarks.

    The metrics of the emotion stages are under their names, those of the pipelines `releaf`, `sifa` and
    `tuner` under the name of the pipeline, and the benchmarks that were run, by part, under `benchmarks`.
    """
    releaf = {path.stem: _read(path) for path in sorted(RELEAF.glob("*.json"))}
    benchmarks = {
        path.stem.removesuffix("_benchmark"): _read(path)
        for folder in ("releaf", "learning", "engine", "fusion", "sifa", "generator", "search")
        for path in sorted((FIGURES / folder).glob("*.json"))
    }
    emotion = {name: _read(METRICS / f"{name}.json") for name in NAMES}
    sifa = {path.stem: _read(path) for path in sorted(SIFA.glob("*.json"))}
    tuner = {path.stem: _read(path) for path in sorted(TUNER.glob("*.json")) if path.stem in TUNER_METRICS}
    return emotion | {"releaf": releaf, "sifa": sifa, "tuner": tuner, "benchmarks": benchmarks}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Read the metrics and write the table."""
    metrics = read_metrics()
    lines = [
        "# Claims",
        "",
        "The quantitative claims of the five specifications, and our findings. The command",
        "`python -m benchmarks.claims` writes this page from the metrics of the last run; do not edit it.",
        "",
        "| specification | claim | verdict | finding | command |",
        "| --- | --- | --- | --- | --- |",
        *(claim.row(metrics) for claim in CLAIMS),
    ]
    (ROOT / "docs" / "claims.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"docs/claims.md: {len(CLAIMS)} claims")


if __name__ == "__main__":
    main()
