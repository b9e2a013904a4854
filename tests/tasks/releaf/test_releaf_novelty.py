"""The stage that marks unfamiliar pictures, on small features of known geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from methods.vision.novelty import by_energy, by_neighbours, by_softmax, fit_class_distance
from releaf.bins import BINS
from releaf.photographs import load_novelty
from statewright.contracts import ContractError
from tasks.releaf.contracts.raw import FEATURES, MATERIALS
from tasks.releaf.novelty import NoveltyOutputs, novelty
from tasks.releaf.params import NoveltyParams, VisionParams
from tasks.releaf.photographs.novelty_scores import UnlikePictures, auroc, auroc_interval, ceilings, rate

ROOT = Path(__file__).parents[3]


def test_the_scores_equal_those_of_reference_implementations() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 30, (50, 6))
    from scipy.special import logsumexp, softmax

    np.testing.assert_allclose(by_energy(logits), -logsumexp(logits, axis=1), rtol=1e-12)
    np.testing.assert_allclose(by_softmax(softmax(logits, axis=1)), 1 - softmax(logits, axis=1).max(axis=1))
    training, other = rng.normal(size=(80, 12)), rng.normal(size=(30, 12))
    labels = np.arange(80) % 3
    units, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (training, other))
    distances, _ = NearestNeighbors(n_neighbors=4).fit(units).kneighbors(queries)
    for nearest in (1, 4):
        np.testing.assert_allclose(
            by_neighbours(units, queries, nearest), distances[:, nearest - 1], atol=1e-7
        )
    means = np.stack([training[labels == k].mean(axis=0) for k in range(3)])
    reference = LedoitWolf(assume_centered=True).fit(training - means[labels])
    expected = np.stack([reference.mahalanobis(other - mean) for mean in means]).min(axis=0)
    np.testing.assert_allclose(fit_class_distance(training, labels).score(other), expected, rtol=1e-8)
    with pytest.raises(ValueError, match="expected 1 to 80"):
        by_neighbours(units, queries, 81)


def test_the_auroc_equals_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(1)
    negative, positive = rng.integers(0, 6, 40).astype(float), rng.integers(2, 9, 25).astype(float)
    truth = np.repeat([0, 1], [40, 25])
    expected = roc_auc_score(truth, np.concatenate([negative, positive]))
    assert auroc(negative, positive) == pytest.approx(expected, abs=1e-12)
    rows = pd.DataFrame({"score": positive, "original": np.arange(25)})
    low, high = auroc_interval(negative, rows, draws=300, seed=0)
    assert low < expected < high
    # Pictures of one original carry less information than as many independent ones.
    alike = np.sort(positive)
    parts = pd.DataFrame({"score": alike, "original": np.arange(25) // 5})
    few = auroc_interval(negative, parts, draws=300, seed=0)
    assert few[1] - few[0] > high - low


def test_a_ceiling_is_the_lower_end_of_the_interval_of_confident_photographs() -> None:
    def rows(right: int, wrong: int, confidence: float) -> pd.DataFrame:
        found = {f"p_{name}": (1 - confidence) / 5 for name in MATERIALS} | {"p_glass": confidence}
        return pd.DataFrame([{**found, "label": "glass"}] * right + [{**found, "label": "trash"}] * wrong)

    certain = pd.concat([rows(400, 2, 0.99), rows(0, 50, 0.6)])  # the others are not confident
    limits = ceilings(certain)
    assert set(limits) == {"material", *BINS}
    assert limits["material"] == pytest.approx(rate(np.arange(402) < 400).low, abs=1e-3)
    assert ceilings(rows(1, 9, 0.99))["material"] == 0.9  # never below


def photos(rng: np.random.Generator, center: np.ndarray) -> pd.DataFrame:
    rows = [
        (f"{split}-{number}", MATERIALS[number % 6], split, about(rng, center, number % 6))
        for split, count in (("train", 120), ("val", 60), ("test", 60))
        for number in range(count)
    ]
    return pd.DataFrame(rows, columns=["photo_id", "label", "split", "features"])


def about(rng: np.random.Generator, center: np.ndarray, shift: int) -> np.ndarray:
    features = center + rng.uniform(0, 0.05, FEATURES)
    features[100 + 20 * shift : 120 + 20 * shift] += 1
    return features.astype(np.float16)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Photographs in one direction, and unlike pictures in others."""
    rng = np.random.default_rng(0)
    center = np.zeros(FEATURES)
    center[:100] = 1
    waste = photos(rng, center)
    unlike = [
        (
            f"{kind}-{number}",
            kind,
            part,
            "formula",
            f"{kind}-{number // 2}",
            about(rng, np.roll(center, turn), 40),
        )
        for kind, part, turn in (("a", "calibration", 300), ("b", "test", 600), ("c", "test", 900))
        for number in range(8)
    ]
    columns = ["picture", "kind", "part", "origin", "original", "features"]
    predictions = waste.loc[waste["split"] != "train", ["photo_id", "split", "label"]].assign(
        found="glass", confidence=0.5, **{f"p_{name}": 1 / 6 for name in MATERIALS}
    )
    return {
        "photos": waste,
        "unlike_pictures": pd.DataFrame(unlike, columns=columns),
        "vision_predictions": predictions,
    }


def run(tables: dict[str, pd.DataFrame], **changed: object) -> NoveltyOutputs:
    return novelty(
        **tables,
        vision_model={},
        params=shipped_params(NoveltyParams, "releaf.novelty", draws=20, **changed),
        # Heads on photographs do not use these features, so there are no baselines.
        vision=shipped_params(VisionParams, "releaf.vision", photographs="photographs.parquet"),
    )


def test_other_directions_are_marked_and_false_alarms_are_as_set(tables: dict[str, pd.DataFrame]) -> None:
    outputs = run(tables, false_alarms=0.1)
    summary = outputs.novelty
    assert set(summary.methods) == {"classes", "neighbours"} and summary.confident is None
    assert summary.detected.share == 1 and set(summary.detected_by_kind) == {"b", "c"}
    table = outputs.novelty_scores
    validation = table[(table["part"] == "val")]
    assert validation["unlike"].mean() == pytest.approx(0.1, abs=0.02)
    assert 0 < summary.false_alarms.share < 0.3
    # What the service computes from the stored arrays is what the stage scored.
    stored = load_novelty(outputs.novelty_model)
    features = np.stack(list(tables["unlike_pictures"]["features"]))
    of_stage = table.set_index("picture").loc[tables["unlike_pictures"]["picture"], summary.method]
    np.testing.assert_allclose(stored(features) * summary.threshold, of_stage, rtol=2e-3)


def test_a_kind_in_both_parts_is_an_error(tables: dict[str, pd.DataFrame]) -> None:
    mixed = tables["unlike_pictures"].assign(kind="a")
    with pytest.raises(ContractError, match="a is in both parts"):
        run({**tables, "unlike_pictures": mixed})


def test_the_shipped_pictures_have_disjoint_kinds() -> None:
    table = UnlikePictures.validate(pd.read_parquet(ROOT / "data" / "source" / "unlike_pictures.parquet"))
    kinds = table.groupby("part")["kind"].agg(set)
    assert not kinds["calibration"] & kinds["test"]
    assert {len(features) for features in table["features"]} == {FEATURES}
