"""The smoothed divergence between what a program does and what was asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from methods.search.alignment import alignment

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 20), min_size=1)


@given(output=COUNTS, target=COUNTS, smoothing=st.floats(0.01, 10))
def test_it_is_the_divergence_of_smoothed_shares(output, target, smoothing):
    names = sorted(output.keys() | target.keys())
    p, q = ([side.get(name, 0) + smoothing for name in names] for side in (output, target))
    value = alignment(output, target, smoothing=smoothing)
    assert value == pytest.approx(-entropy(p, q), abs=1e-12)
    assert np.isfinite(value)
    assert value <= 1e-12


def test_an_added_operation_costs_a_finite_amount():
    asked = {"filter": 2, "join": 1}
    assert alignment(asked, asked) == 0
    padded = alignment({**asked, "sort": 1}, asked)
    assert -1 < padded < 0
    assert alignment({**asked, "sort": 9}, asked) < padded


def test_what_has_no_finite_value_is_refused():
    with pytest.raises(ValueError, match="infinite"):
        alignment({"a": 1}, {"a": 1}, smoothing=0)
    with pytest.raises(ValueError, match="neither"):
        alignment({}, {})
