"""A re-ranker that is named: the service answers from passages in its order, and only with that very one."""

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

from methods.retrieval.search import Recipe, search
from service.app import create_app
from service.assistant import load_assistant
from service.bundle import BundleError, Settings, collect
from service.engine import Bounds, open_desk
from service.ratings import ThumbLog
from service.writing import Writer
from tests.tiny_cross_encoder import pair_scores, save_cross_encoder

pytestmark = pytest.mark.slow

QUESTION, DEPTH, WEIGHT = "cracked thing of glass", 6, 0.6


@pytest.fixture
def named(made: Path, tmp_path: Path, cross_encoder_folder: Path) -> Callable[..., Settings]:
    """Collects the bundle of that assistant, with a copy of the cross-encoder named."""
    shutil.copytree(cross_encoder_folder, tmp_path / "reranker")
    root = tmp_path / "root"
    root.mkdir()
    (root / "data").symlink_to(made / "data")

    def collected(reranker: str | None = str(tmp_path / "reranker")) -> Settings:
        params = yaml.safe_load((made / "params.yaml").read_text())
        params["releaf"]["retrieve"] |= {
            "reranker": reranker, "rerank_depth": DEPTH, "rerank_weight": WEIGHT,
        }  # fmt: skip
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        return collect(root, tmp_path / "bundle")

    return collected


def by_hand(folder: Path, settings: Settings, model: Path, vector: np.ndarray) -> list[str]:
    """Passages in the fused order, the best of each card, from the bundle's own tables."""
    passages = pd.read_parquet(folder / "passages.parquet")
    known = load_assistant(folder, cache=folder).known
    plain = search(known.corpus, [QUESTION], vector[None], Recipe(**settings.recipe))[0]
    first = np.argsort(-plain, kind="stable")[:DEPTH]
    scaled = (plain[first] - plain.min()) / (plain.max() - plain.min())
    judged = pair_scores(model, QUESTION, passages["text"].iloc[first].tolist())
    fused = WEIGHT * judged + (1 - WEIGHT) * scaled
    assert np.argsort(-fused).tolist() != list(range(DEPTH))  # it does change the order
    ordered = passages.iloc[first[np.argsort(-fused)]]
    return ordered.drop_duplicates("card_id")["passage_id"].tolist()


def test_passages_come_in_the_fused_order(
    named: Callable[..., Settings], client: TestClient, tmp_path: Path
) -> None:
    settings, folder = named(), tmp_path / "bundle"
    assistant = load_assistant(folder, cache=folder)
    vector = assistant.encode([QUESTION])[0]
    expected = by_hand(folder, settings, tmp_path / "reranker", vector)
    found = [cited.passage_id for cited in assistant.ask(QUESTION, "Toronto", vector).sources]
    assert found[: len(expected)] == expected[: len(found)]
    desk = open_desk(assistant, ThumbLog(tmp_path / "thumbs.db"), Writer(folder, settings, folder), Bounds())
    body = {"question": QUESTION, "city": "Toronto"}
    with TestClient(create_app(lambda: desk)) as served:
        deadline = time.monotonic() + 60
        while (answer := served.get("/ready")).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        assert served.get("/ready").json()["reranker"] == str(tmp_path / "reranker")
        passages = served.post("/v1/search", json=body).json()["passages"]
    assert [passage["passage_id"] for passage in passages] == found
    assert client.get("/ready").json()["reranker"] == "none"
    plain = client.post("/v1/search", json=body).json()["passages"]
    assert [passage["passage_id"] for passage in plain] != found


def test_the_version_is_of_its_files_too(named: Callable[..., Settings], tmp_path: Path) -> None:
    off, on = named(None), named()
    assert named() == on
    assert (off.reranker, len({off.digest, on.digest})) == (None, 2)
    save_cross_encoder(tmp_path / "reranker", seed=1)
    with pytest.raises(BundleError, match=r"releaf\.retrieve\.reranker: .* other files than when"):
        load_assistant(tmp_path / "bundle", cache=tmp_path)
    assert named().digest != on.digest


def test_one_that_is_not_there_is_named(named: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"releaf\.retrieve\.reranker: re-ranker 'no/such' is not here"):
        named("no/such")
    named()
    shutil.rmtree(tmp_path / "reranker")
    with pytest.raises(BundleError, match=rf"releaf\.retrieve\.reranker: .*{tmp_path}/reranker"):
        load_assistant(tmp_path / "bundle", cache=tmp_path)
