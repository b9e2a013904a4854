"""A configured re-ranker orders the passages; its files must not change."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient

from methods.retrieval.search import search
from service.app import create_app
from service.assistant import load_assistant
from service.bundle import BundleError, Settings, collect_bundle
from service.engine import EngineLimits, start_engine
from service.ratings import RatingLog
from service.writing import Writer
from tests.tiny_cross_encoder import pair_scores, save_cross_encoder

pytestmark = pytest.mark.slow

QUESTION, DEPTH, WEIGHT = "cracked piece of glass", 6, 0.6


@pytest.fixture
def collect_with(pipeline_root: Path, tmp_path: Path, cross_encoder_folder: Path) -> Callable[..., Settings]:
    """A function that collects a bundle with a given re-ranker."""
    shutil.copytree(cross_encoder_folder, tmp_path / "reranker")
    root = tmp_path / "root"
    root.mkdir()
    (root / "data").symlink_to(pipeline_root / "data")

    def collect(reranker: str | None = str(tmp_path / "reranker")) -> Settings:
        params = yaml.safe_load((pipeline_root / "params.yaml").read_text())
        params["releaf"]["retrieve"] |= {
            "reranker": reranker, "rerank_depth": DEPTH, "rerank_weight": WEIGHT,
        }  # fmt: skip
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        return collect_bundle(root, tmp_path / "bundle")

    return collect


def expected_order(folder: Path, settings: Settings, model: Path, vector: np.ndarray) -> list[str]:
    """Return the best passage of each card in the fused order."""
    passages = pd.read_parquet(folder / "passages.parquet")
    knowledge = load_assistant(folder, cache=folder).knowledge
    plain = search(knowledge.corpus, [QUESTION], vector[None], settings.recipe)[0]
    first = np.argsort(-plain, kind="stable")[:DEPTH]
    scaled = (plain[first] - plain.min()) / (plain.max() - plain.min())
    judged = pair_scores(model, QUESTION, passages["text"].iloc[first].tolist())
    fused = WEIGHT * judged + (1 - WEIGHT) * scaled
    assert np.argsort(-fused).tolist() != list(range(DEPTH))  # the re-ranker changes the order
    ordered = passages.iloc[first[np.argsort(-fused)]]
    return ordered.drop_duplicates("card_id")["passage_id"].tolist()


def test_passages_have_the_fused_order(
    collect_with: Callable[..., Settings], client: TestClient, tmp_path: Path
) -> None:
    settings, folder = collect_with(), tmp_path / "bundle"
    assistant = load_assistant(folder, cache=folder)
    vector = assistant.encode([QUESTION])[0]
    expected = expected_order(folder, settings, tmp_path / "reranker", vector)
    passage_ids = [cited.passage_id for cited in assistant.answer_text(QUESTION, "Toronto", vector).sources]
    assert passage_ids[: len(expected)] == expected[: len(passage_ids)]
    ratings, writer = RatingLog(tmp_path / "ratings.db"), Writer(folder, settings, folder)
    engine = start_engine(assistant, ratings, writer, EngineLimits())
    body = {"question": QUESTION, "city": "Toronto"}
    with TestClient(create_app(lambda: engine), base_url="http://localhost") as served:
        deadline = time.monotonic() + 60
        while (answer := served.get("/ready")).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        assert served.get("/ready").json()["reranker"] == "reranker"  # without its folder
        passages = served.post("/v1/search", json=body).json()["passages"]
    assert [passage["passage_id"] for passage in passages] == passage_ids
    assert client.get("/ready").json()["reranker"] == "none"
    plain = client.post("/v1/search", json=body).json()["passages"]
    assert [passage["passage_id"] for passage in plain] != passage_ids


def test_the_version_depends_on_the_files_of_the_reranker(
    collect_with: Callable[..., Settings], tmp_path: Path
) -> None:
    off, on = collect_with(None), collect_with()
    assert collect_with() == on
    assert (off.reranker, len({off.digest, on.digest})) == (None, 2)
    save_cross_encoder(tmp_path / "reranker", seed=1)
    with pytest.raises(BundleError, match=r"releaf\.retrieve\.reranker: .* changed after this assistant was"):
        load_assistant(tmp_path / "bundle", cache=tmp_path)
    assert collect_with().digest != on.digest


def test_a_missing_reranker_is_named_in_the_error(
    collect_with: Callable[..., Settings], tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"releaf\.retrieve\.reranker: re-ranker 'no/such' was not found"):
        collect_with("no/such")
    collect_with()
    shutil.rmtree(tmp_path / "reranker")
    with pytest.raises(BundleError, match=rf"releaf\.retrieve\.reranker: .*{tmp_path}/reranker"):
        load_assistant(tmp_path / "bundle", cache=tmp_path)
