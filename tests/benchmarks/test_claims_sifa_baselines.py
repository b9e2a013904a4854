"""The claim names a baseline, not the architecture without one of its parts."""

from __future__ import annotations

import pytest

from benchmarks.claims_sifa import _stand_ins


@pytest.mark.parametrize(("name", "best"), [("digits", 0.9), ("solubility", 0.8)])
def test_an_ablation_is_no_baseline(name: str, best: float) -> None:
    scores = {"sifa": 0.94, "no-metric": 0.95 if name == "digits" else 0.7, "kernel": 0.9, "svc": 0.8}
    rows = [[variant, 10, score] for variant, score in scores.items()]
    table = {"name": name, "columns": ["variant", "seeds", "score"], "rows": rows}
    text = _stand_ins({"benchmarks": {name: {"tables": [table]}}, "sifa": {}})
    strongest = next(variant for variant, score in scores.items() if score == best)
    assert f"0.940 against {best:.3f} of {strongest} (10 seeds)" in text
    assert "no-metric" not in text
