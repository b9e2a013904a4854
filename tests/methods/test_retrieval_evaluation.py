"""Compare measures with plain formulas, and tests with full enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from methods.retrieval.evaluation import compare, query_scores, randomisation_test
from methods.retrieval.fusion import min_max, ranks


def plain(row: np.ndarray, relevance: np.ndarray) -> dict[str, float]:
    order = [int(d) for d in np.argsort(-row, kind="stable") if np.isfinite(row[d])]
    gains = [relevance[d] for d in order]
    ideal = sorted(relevance, reverse=True)
    dcg, best = (sum(g / math.log2(i + 2) for i, g in enumerate(values[:10])) for values in (gains, ideal))
    hits = [i for i, g in enumerate(gains, 1) if g > 0]
    relevant = int((relevance > 0).sum())
    return {
        "nDCG@10": dcg / best,
        "AP": sum(n / rank for n, rank in enumerate(hits, 1)) / relevant,
        "R@100": sum(rank <= 100 for rank in hits) / relevant,
        "RR@10": next((1 / rank for rank in hits if rank <= 10), 0.0),
    }


def test_measures_equal_the_plain_formulas() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 40, size=(30, 250)).astype(float)  # many ties
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    relevance = np.where(rng.random(scores.shape) < 0.04, rng.integers(1, 5, size=scores.shape), 0)
    relevance[:, 7] = 2
    scores[5] = -np.inf
    measures = query_scores(scores, relevance)
    for query in range(len(scores)):
        expected = plain(scores[query], relevance[query])
        assert {name: measures[name][query] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert all(measures[name][5] == 0 for name in measures)


def test_a_query_without_a_relevant_document_raises_an_error() -> None:
    with pytest.raises(ValueError, match="query 1 and 0 more"):
        query_scores(np.zeros((2, 2)), np.array([[1, 0], [0, 0]]))
    with pytest.raises(ValueError, match="expected one shape"):
        query_scores(np.zeros((2, 3)), np.array([[1, 0], [0, 0]]))


def test_p_value_equals_the_one_over_all_sign_patterns() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.4, 1, 10), rng.normal(0, 1, 10)
    difference = first - second
    means = [abs(np.mean(np.array(signs) * difference)) for signs in itertools.product((1, -1), repeat=10)]
    exact = np.mean(np.array(means) >= abs(difference.mean()) - 1e-12)
    assert randomisation_test(first, second) == pytest.approx(exact, abs=1e-12)
    assert randomisation_test(second, first) == pytest.approx(exact, abs=1e-12)
    assert randomisation_test(first, first) == 1.0


def test_comparisons_are_corrected_by_holm() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(60)
    systems = {"base": base, "better": base + rng.normal(0.1, 0.1, 60), "same": base + rng.normal(0, 0.1, 60)}
    p_values = compare(systems, "base", draws=2000)
    raw = {name: randomisation_test(systems[name], base, draws=2000) for name in ("better", "same")}
    low, high = sorted(raw, key=raw.__getitem__)
    assert p_values[low] == pytest.approx(min(1, 2 * raw[low]))
    assert p_values[high] == pytest.approx(max(raw[high], 2 * raw[low]))
    assert p_values["better"] < 0.01 < p_values["same"]
    assert compare(systems, "base", draws=2000) == p_values
    assert compare({"base": base}, "base") == {}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_an_error(value):
    first, second = np.arange(5.0), np.ones(5)
    first[3] = value
    with pytest.raises(ValueError, match=r"queries \[3\]"):
        randomisation_test(first, second)
    with pytest.raises(ValueError, match=r"queries \[3\]"):
        compare({"a": second, "b": first}, "a")
    with pytest.raises(ValueError, match="queries >= 1"):
        randomisation_test(np.array([]), np.array([]))
    with pytest.raises(ValueError, match="queries >= 1"):
        randomisation_test(np.ones(4), np.ones(1))


def test_a_score_of_a_document_that_is_nan_is_an_error():
    scores = np.array([[1.0, np.nan], [0.5, -np.inf]])
    relevance = np.ones((2, 2), dtype=np.int64)
    with pytest.raises(ValueError, match="query 0, document 1 is NaN"):
        query_scores(scores, relevance)
    for function in (lambda: ranks(scores, 2), lambda: min_max(scores)):
        with pytest.raises(ValueError, match="query 0, document 1 is NaN"):
            function()
