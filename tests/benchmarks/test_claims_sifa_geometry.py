"""Claims on geometry and optimisers read their figures, and are open without them."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN
from benchmarks.claims_sifa_geometry import CLAIMS

ROW = ["digits-mlp", 100, 0.6, 0.5, 0.4, 0.45]
COLUMNS = ["task", "gradients", "AdamW", "SGD", "K-FAC", "leapfrog"]
GAINS = ["over AdamW", "over SGD", "over K-FAC", "step"]
METRICS = {
    "sifa": {
        "geometry": {
            "curvature": {"categorical": 0.25, "normal": -0.5},
            "gaps": {"digits-mlp": {"bound": -0.22, "rows_alone": 0.76, "at_equal_rows": None}},
        }
    },
    "benchmarks": {
        "optimisers": {
            "tables": [
                {
                    "name": "optimisers",
                    "columns": [*COLUMNS, *GAINS],
                    "rows": [
                        [*ROW, "+25.0 (+20.0 to +30.0)", "+1.0 (-2.0 to +4.0)", "-9.0 (-12.0 to -6.0)", 0.5],
                        [*ROW, None, "-5.0 (-6.0 to -4.0)", "-9.0 (-12.0 to -6.0)", 0.125],
                    ],
                }
            ]
        }
    },
}


def test_rows_have_the_figures() -> None:
    curvature, gap, optimiser, step = (claim.row(METRICS) for claim in CLAIMS)
    assert "categorical +0.25, normal -0.50" in curvature
    assert "digits-mlp: -0.22 (+0.76; none)" in gap
    assert "of 2 pairs of task and budget: AdamW 1 and 0, SGD 0 and 1, K-FAC 0 and 2" in optimiser
    assert "steps of 0.12 to 0.5" in step
    assert all(f"| {CORRECTED} |" in row for row in (curvature, gap, optimiser, step))


def test_rows_are_open_without_figures() -> None:
    for claim in CLAIMS:
        assert f"| {OPEN} | Not run yet. |" in claim.row({"sifa": {}, "benchmarks": {}})
