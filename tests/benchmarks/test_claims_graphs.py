"""Check the verdicts of claims on public graphs."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED
from benchmarks.claims_graphs import CLAIMS

PAPERS, LINKS, LEAKS = CLAIMS


def metrics(*, met: str = "yes", low: float = 0.01, single: float = 0.9) -> dict[str, Any]:
    kinds = ["random", "historical", "inductive"]
    ahead = "yes" if low > 0 else "not certain"
    tables = [
        {"name": "papers",
         "columns": ["set and layers", "accuracy", "published", "goal", "goal met"],
         "rows": [["cora gcn", 82.0, 81.5, 81.0, met], ["cora sage", 81.0, None, None, ""]]},
        {"name": "epochs", "columns": ["set and layers", "ratio, dense", "ratio"],
         "rows": [["a", 0.9, 0.5], ["b", 1.1, 0.2]]},
        {"name": "messages", "columns": ["model", *kinds],
         "rows": [["boosted trees", 0.9, 0.9, 0.9], ["attention and features", 0.95, 0.95, 0.95],
                  ["recency alone", 0.5, single, 0.5]]},
        {"name": "differences",
         "columns": ["model minus rival", "negatives", "difference", "low", "high", "ahead"],
         "rows": [["attention and features minus boosted trees", kind, 0.05, low, 0.1, ahead]
                  for kind in kinds]},
        {"name": "leaks", "columns": ["graph", "negatives", "feature", "average precision", "verdict"],
         "rows": [["bitcoin_otc", "historical", "earlier links", 1.0, "leak"],
                  ["bitcoin_otc", "random", "recency", 0.9, ""]]},
    ]  # fmt: skip
    return {"benchmarks": {"graphs": {"tables": tables}}}


def test_a_missed_goal_or_a_stronger_rival_is_not_reproduced() -> None:
    assert PAPERS.verdict(metrics()) == LINKS.verdict(metrics()) == REPRODUCED
    assert PAPERS.verdict(metrics(met="no")) == CORRECTED
    assert LINKS.verdict(metrics(low=-0.01)) == CORRECTED
    assert LINKS.verdict(metrics(single=0.96)) == CORRECTED
    assert LEAKS.verdict(metrics()) == CORRECTED


@pytest.mark.parametrize("claim", CLAIMS)
def test_nothing_is_claimed_before_it_is_measured(claim: Any) -> None:
    assert claim.verdict({"benchmarks": {}}) == OPEN
    assert claim.finding({"benchmarks": {}}).startswith("Not measured")
    assert claim.row(metrics()).count("|") == 6


def test_findings_name_figures_and_leaks() -> None:
    assert "cora gcn 82.00 (published 81.5, goal 81.0), cora sage 81.00." in PAPERS.finding(metrics())
    assert (
        "at most 1.10 of the time of PyG's own layers in a plain loop, on sparse features 0.50"
        in PAPERS.finding(metrics())
    )
    assert "historical +0.0500 (+0.0100 to +0.1000)" in LINKS.finding(metrics())
    assert "historical recency alone 0.960" in LINKS.finding(metrics(single=0.96))
    assert "bitcoin_otc with historical negatives (earlier links alone: 1.000)" in LEAKS.finding(metrics())
