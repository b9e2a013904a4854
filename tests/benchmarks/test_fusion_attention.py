"""Check growth and error of attention over levels by exact counts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.claim import CORRECTED, OPEN
from benchmarks.claims_fusion import CLAIMS
from benchmarks.fusion.attention import (
    LENGTHS,
    exponent,
    fused,
    levels,
    megabytes,
    operations,
    relative_error,
    sequence,
    stored,
)


def test_an_exponent_is_the_slope_on_logarithmic_scales():
    assert exponent([2, 4, 8], [5.0 * n**1.5 for n in (2, 4, 8)]) == pytest.approx(1.5)


def test_operations_grow_as_n_log_n_where_full_attention_is_quadratic():
    """Count all lengths: exponents of at most 1.15, and 2 of two products."""
    counts = [operations(levels, length) for length in LENGTHS]
    assert exponent(LENGTHS, counts) <= 1.15
    assert counts[-1] / LENGTHS[-1] > counts[0] / LENGTHS[0]  # more than linear
    assert operations(stored, 1024) == pytest.approx(2 * 2 * 1024**2 * 32 / 1e6)


def test_memory_grows_as_n_log_n_where_stored_weights_are_quadratic():
    short = (1024, 2048, 4096)
    assert exponent(short, [megabytes(levels, length) for length in short]) <= 1.15
    assert exponent(short, [megabytes(stored, length) for length in short]) >= 1.8


def test_tokens_have_the_stated_variance_and_correlation():
    """Compare with exp(-1) at the distance of the length, and with 0."""
    tokens = sequence(20_000, 32, 0)[0, 0].numpy()
    assert tokens.var() == pytest.approx(1, abs=0.05)
    assert np.mean(tokens[32:] * tokens[:-32]) == pytest.approx(np.exp(-1), abs=0.04)
    assert np.mean(sequence(20_000, 0, 0)[0, 0, 1:].numpy() ** 2) == pytest.approx(1, abs=0.02)


def test_the_fused_kernel_has_no_error_and_levels_have_a_small_one_on_smooth_tokens():
    tokens = [sequence(1024, 256, 0)] * 3
    assert relative_error(fused, *tokens) < 1e-6
    assert 1e-6 < relative_error(levels, *tokens) < 0.05


def test_the_claim_follows_the_figures():
    [claim] = [claim for claim in CLAIMS if claim.section == "1 §8.2"]
    growth = ["cost", "attention", "lengths", "exponent"]
    error = ["tokens", "correlation length", "levels", "local", "mean", "entropy H / log n"]
    tables = [
        {"name": "growth", "columns": growth, "rows": [["CPU seconds", "levels", "1 to 2", 1.234]]},
        {"name": "error", "columns": error, "rows": [["equal", 32, 0.0721, 0.5, 0.9, 0.8]]},
    ]
    measured = {"benchmarks": {"attention": {"tables": tables}}}
    assert claim.verdict({"benchmarks": {}}) == OPEN
    assert claim.verdict(measured) == CORRECTED
    assert "CPU seconds levels 1.23 (1 to 2)" in claim.row(measured)
    assert "equal, 32: 0.072" in claim.row(measured)
    assert claim.row(measured).count("|") == 6
