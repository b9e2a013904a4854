"""The row on the symplectic optimiser reads its study, and is open without it."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN
from benchmarks.claims_sifa import CLAIMS

COLUMNS = ["task", "over AdamW", "over SGD", "over K-FAC"]
ROWS = [
    ["digits-mlp", "+25.0 (+20.0 to +30.0)", "+1.0 (-2.0 to +4.0)", "-9.0 (-12.0 to -6.0)"],
    ["digits-mlp", None, "-5.0 (-6.0 to -4.0)", "-9.0 (-12.0 to -6.0)"],
]


def test_gains_are_counted_by_their_intervals() -> None:
    (claim,) = [claim for claim in CLAIMS if claim.section == "4 §3.3"]
    study = {"tables": [{"name": "optimisers", "columns": COLUMNS, "rows": ROWS}]}
    row = claim.row({"sifa": {}, "benchmarks": {"optimisers": study}})
    assert f"| {CORRECTED} |" in row
    assert "of 2 pairs of task and budget" in row
    assert ": AdamW 1 and 0, SGD 0 and 1, K-FAC 0 and 2. " in row
    assert "metric of K-FAC" not in row
    tables = [study["tables"][0], {"name": "kronecker", "columns": COLUMNS, "rows": ROWS[1:]}]
    row = claim.row({"sifa": {}, "benchmarks": {"optimisers": {"tables": tables}}})
    assert "With the metric of K-FAC: AdamW 0 and 0, SGD 0 and 1, K-FAC 0 and 1." in row
    without = claim.row({"sifa": {}, "benchmarks": {}})
    assert f"| {OPEN} |" in without
    assert "is not run yet" in without
