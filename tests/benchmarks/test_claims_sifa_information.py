"""Read rows of the claims from tables and metrics whose figures are known."""

from __future__ import annotations

from benchmarks.claim import CORRECTED, OPEN
from benchmarks.claims_sifa import _attacked, _information, _robustness


def table(name, columns, rows):
    return {"name": name, "columns": columns, "rows": rows}


def test_information_names_rows_and_both_variants():
    deterministic = table("deterministic", ["rows", "tanh(x)"], [[500, 4.5], [4000, 6.5]])
    representations = table(
        "representations",
        ["variant", "label", "D(input)"],
        [["sifa", 2.16, 0.15], ["no-information", 2.1, 0.25]],
    )
    metrics = {"benchmarks": {"information": {"tables": [deterministic, representations]}}}
    text = _information(metrics)
    assert "4.50 nats of a tanh from 500 rows, 6.50 from 4,000" in text
    assert "2.16 nats with the regularisation and 2.10 without" in text
    assert "0.15 and 0.25" in text
    assert "never exceeds log K" in _information({"benchmarks": {}})


def test_robustness_is_open_until_it_is_measured():
    empty = {"sifa": {}}
    assert (_robustness(empty), _attacked(empty)) == ("Not measured yet.", OPEN)
    gain = {"0.05": {"mean": 20.5, "low": -3.0, "high": 44.0}}
    variants = {"sifa": {"gain": gain}, "plain": {"gain": {}}}
    scores = {"variants": {"sifa": {"ece": 0.1}, "plain": {"ece": 0.2}}}
    metrics = {"sifa": {"evaluate": {"attack": {"digits": variants}, "sets": {"digits": scores}}}}
    assert _attacked(metrics) == CORRECTED
    text = _robustness(metrics)
    assert "n = 100: +20.5 points (-3.0 to 44.0) within radius 0.05" in text
    assert "calibration error 0.100 against 0.200" in text
