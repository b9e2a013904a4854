"""Check fusion and confidence by hand and by their invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from methods.retrieval.confidence import confidence, level
from methods.retrieval.fusion import min_max, ranks, reciprocal_rank_fusion, weighted_fusion
from methods.retrieval.rerank import rerank

INF = math.inf
# Whole numbers, so that no transformation below makes two scores equal or different by rounding.
SCORES = st.one_of(st.integers(-1000, 1000).map(float), st.just(-INF))
TABLES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=SCORES)


def test_reciprocal_ranks_by_hand() -> None:
    first, second = np.array([[9.0, 5.0, 5.0, -INF]]), np.array([[-INF, 0.1, 0.9, -INF]])
    assert ranks(first, 10).tolist() == [[1, 2, 3, INF]]
    assert ranks(first, 2).tolist() == [[1, 2, INF, INF]]
    fused_scores = reciprocal_rank_fusion([first, second])
    np.testing.assert_allclose(fused_scores, [[1 / 61, 1 / 62 + 1 / 62, 1 / 63 + 1 / 61, -INF]], rtol=1e-15)
    with pytest.raises(ValueError, match="above -1"):
        reciprocal_rank_fusion([first], k=-1)


def test_weighted_fusion_by_hand() -> None:
    dense, sparse = np.array([[0.5, 0.1, 0.3, -INF]]), np.array([[-INF, 8.0, 2.0, -INF]])
    assert min_max(dense) == pytest.approx(np.array([[1, 0, 0.5, 0]]))
    fused_scores = weighted_fusion(dense, sparse, 0.6)
    np.testing.assert_allclose(fused_scores, [[0.6, 0.4, 0.3, -INF]], rtol=1e-12)
    two = weighted_fusion(np.vstack([dense, dense]), np.vstack([sparse, sparse]), [0.6, 0.0])
    np.testing.assert_allclose(two, [fused_scores[0], [0, 1, 0, -INF]], rtol=1e-12)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        weighted_fusion(dense, sparse, 1.2)


def test_equal_scores_get_one_and_missing_hits_get_zero() -> None:
    assert min_max(np.array([[2.0, 2.0, -INF], [-INF, -INF, -INF]])).tolist() == [[1, 1, 0], [0, 0, 0]]
    assert min_max(np.zeros((2, 0))).shape == (2, 0)
    assert reciprocal_rank_fusion([np.zeros((2, 0))]).shape == (2, 0)
    assert np.isneginf(weighted_fusion(np.full((1, 3), -INF), np.full((1, 3), -INF), 0.5)).all()


@given(TABLES, st.integers(1, 9), st.integers(-50, 50))
def test_rrf_depends_on_order_only_and_min_max_ignores_scale(
    scores: np.ndarray, scale: int, shift: int
) -> None:
    moved = scores * scale + shift
    np.testing.assert_allclose(min_max(moved), min_max(scores), atol=1e-12)
    squeezed = np.where(np.isfinite(scores), np.arctan(scores / 100), -INF)
    np.testing.assert_array_equal(
        reciprocal_rank_fusion([squeezed, moved]), reciprocal_rank_fusion([scores, scores])
    )


@given(TABLES, st.floats(0, 1))
def test_fused_scores_are_bounded_and_symmetric(scores: np.ndarray, weight: float) -> None:
    other = scores[:, ::-1]
    fused = weighted_fusion(scores, other, weight)
    scored = np.isfinite(fused)
    assert (scored == (np.isfinite(scores) | np.isfinite(other))).all()
    assert ((fused[scored] >= 0) & (fused[scored] <= 1 + 1e-12)).all()
    # Mirrored documents with exchanged weights give the mirrored result.
    np.testing.assert_allclose(weighted_fusion(scores, other, 1 - weight)[:, ::-1], fused, atol=1e-12)
    both = reciprocal_rank_fusion([scores, other])
    np.testing.assert_array_equal(both, reciprocal_rank_fusion([other, scores]))


@given(TABLES)
def test_a_document_that_rises_in_a_ranking_never_falls_in_the_fusion(scores: np.ndarray) -> None:
    raised = scores.copy()
    raised[:, 0] = np.where(np.isfinite(scores), scores, 0).max(axis=1) + 1
    for fuse in (
        lambda s: reciprocal_rank_fusion([s, scores]),
        lambda s: weighted_fusion(np.where(np.isfinite(s), s, -1001.0), scores, 0.5),
    ):
        before, after = (ranks(fuse(s), scores.shape[1])[:, 0] for s in (scores, raised))
        assert (after <= before).all()


@pytest.mark.parametrize(
    ("scores", "expected", "word"),
    [
        ([2.0, 1.0, 0.5], 0.5, "high"),
        ([1.0, 0.8], 0.2, "medium"),
        ([0.95, 1.0], 0.05, "low"),
        ([1.0, 0.0], 1.0, "high"),
        ([], 0.0, "low"),
        ([-INF, -INF], 0.0, "low"),
        ([-3.0], 1.0, "high"),
        ([-3.0, -INF], 1.0, "high"),
        ([0.0, 0.0, 0.0], 0.0, "low"),
        ([-1.0, -2.0, -5.0], 0.25, "medium"),
        ([0.0, -1.0, -10.0], 0.1, "medium"),
        ([1.0, -1.0], 1.0, "high"),
        ([3.0, -1.0, -1.0], 1.0, "high"),
    ],
)
def test_confidence_by_hand(scores: list[float], expected: float, word: str) -> None:
    assert confidence(scores) == pytest.approx(expected)
    assert level(expected) == word


def test_the_thresholds_are_medium() -> None:
    assert [level(value) for value in (0.3, 0.1, 0.30001, 0.09999)] == ["medium", "medium", "high", "low"]


@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.just(-INF)), max_size=20))
def test_confidence_is_in_the_unit_interval_and_ignores_order(scores: list[float]) -> None:
    value = confidence(scores)
    assert 0 <= value <= 1
    assert confidence(scores[::-1]) == value


def test_reranking_orders_the_first_documents_and_puts_the_rest_below() -> None:
    scores = np.array([[0.9, 0.8, 0.1, 0.2, -INF]])
    scored_pairs = []

    def prefer_later(pairs: list[tuple[str, str]]) -> np.ndarray:
        scored_pairs.extend(pairs)
        return np.array([0.2 * int(document) for _, document in pairs])

    fused_scores = rerank(["q"], list("01234"), scores, prefer_later, top=2)[0]
    assert scored_pairs == [("q", "0"), ("q", "1")]
    assert np.argsort(-fused_scores, kind="stable").tolist() == [1, 0, 3, 2, 4]
    assert fused_scores[:2].tolist() == [0.0, 0.2]
    assert (fused_scores[2:4] < 0).all() and np.isneginf(fused_scores[4])
    assert np.isneginf(rerank(["q"], ["d"], np.array([[-INF]]), prefer_later)).all()
