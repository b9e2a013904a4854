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
    variants = {"sifa": 0.78, "no-symmetry": 0.53, "no-information": 0.99, "plain": 0.04, "svc": 0.84}
    attack = {variant: {"attacked": {"0.05": value, "0.1": 0.0}} for variant, value in variants.items()}
    scores = {"variants": {variant: {"ece": 0.1 * value} for variant, value in variants.items()}}
    metrics = {"sifa": {"evaluate": {"attack": {"digits": attack}, "sets": {"digits": scores}}}}
    assert _attacked(metrics) == CORRECTED
    assert (
        "n = 100, radius 0.05: sifa 0.780 (0.078), svc 0.840 (0.084), no-symmetry 0.530 (0.053), "
        "plain 0.040 (0.004)."
    ) in _robustness(metrics)
