"""Check exponents and memory of the benchmark of complexity on known costs."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED
from benchmarks.claims_complexity import CLAIMS
from benchmarks.learning.complexity import Growth, _operations, memories
from benchmarks.model_sizes import layer_products


def test_an_exponent_is_the_slope_on_logarithmic_scales():
    cubic = Growth("work", "n", "everywhere", 3, (2, 4, 8), lambda n: 5.0 * n**3)
    assert cubic.exponent() == pytest.approx(3)
    assert cubic.row()[:5] == ["work", "n", "everywhere", "2 to 8", 3]


def test_operations_equal_the_formula():
    """Count multiplications and additions of a layer, of width 32 and length 10."""
    assert _operations(10, 32) == 2 * sum(layer_products(10, 32))


def test_stored_attention_grows_faster_than_the_claim():
    rows = {(growth.what, growth.variable): growth.exponent() for growth in memories()}
    assert rows["activations, attention fused", "T"] == pytest.approx(1, abs=0.1)
    assert rows["activations, attention weights stored", "T"] > 1.5
    assert rows["weights", "d"] == pytest.approx(2, abs=0.05)
    assert rows["graph, dense matrix", "V"] == pytest.approx(2)


def metrics(exponent: float, share: float) -> dict[str, Any]:
    growth = ["what", "size", "where", "sizes", "exponent claimed", "exponent"]
    peaks = ["layers", "MB", "MB recomputed", "share", "share of all", "time"]
    tables = [
        *({"name": name, "columns": growth, "rows": [["a", "d", "b", "1 to 2", 2, exponent]]}
          for name in ("time", "memory")),
        {"name": "checkpointing", "columns": peaks,
         "rows": [[4, 9, 8, 0.9, 0.9, 1], [12, 9, 3, share, 0.4, 1]]},
    ]  # fmt: skip
    return {"benchmarks": {"complexity": {"tables": tables}}}


def test_verdicts_follow_the_figures():
    measured = [claim for claim in CLAIMS if callable(claim.verdict)]
    assert [claim.section for claim in measured] == ["3 §10.1", "3 §10.2", "3 §11.2"]
    for claim in measured:
        assert claim.verdict(metrics(1.9, 0.3)) == REPRODUCED
        assert claim.verdict(metrics(1.5, 0.7)) == CORRECTED
        assert claim.verdict({"benchmarks": {}}) == OPEN
        assert claim.row(metrics(1.9, 0.3)).count("|") == 6
