"""Fixtures: a small assistant from the shipped data, and a client of its service.

The assistant has a dozen cards, their items, and heads that are trained for one epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from shipped import shipped_params

ROOT = Path(__file__).resolve().parents[2]
CARDS = ("glass-bottle-jar", "drinking-glass", "broken-glass", "receipt")
NODES = pd.DataFrame({"node": ["item:toronto:wine-bottles"], "name": ["wine bottles"]})


@pytest.fixture(scope="session")
def pipeline_root(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """A folder with the outputs of the pipeline's stages, for a part of the data."""
    import yaml

    from methods.language.lora import adapter_arrays, add_adapter
    from methods.language.model import load_language_model
    from statewright import files
    from tasks.releaf.evaluate import evaluate
    from tasks.releaf.index import index
    from tasks.releaf.ingest import ingest
    from tasks.releaf.params import (
        AdaptParams,
        EvaluateParams,
        IndexParams,
        IngestParams,
        PreprocessParams,
        RetrieveParams,
        StreamsParams,
        VisionParams,
    )
    from tasks.releaf.preprocess import preprocess
    from tasks.releaf.streams import streams
    from tasks.releaf.vision import vision

    root = tmp_path_factory.mktemp("pipeline")
    raw = ingest(params=shipped_params(IngestParams, "releaf.ingest", source=str(ROOT / "data" / "source")))
    prepared = preprocess(*raw[:5], params=shipped_params(PreprocessParams, "releaf.preprocess"))
    cards = prepared.cards[prepared.cards["card_id"].isin(CARDS) | (prepared.cards.index < 12)].reset_index(
        drop=True
    )
    passages = prepared.passages[prepared.passages["card_id"].isin(cards["card_id"])].reset_index(drop=True)
    words = "glass|bottle|jar|paper|battery|can|wood"
    items = prepared.items[prepared.items["name"].str.contains(words, case=False)].reset_index(drop=True)
    photos = prepared.photos.groupby(["split", "label"]).head(20).reset_index(drop=True)
    how = shipped_params(IndexParams, "releaf.index", batch=16)
    indexed = index(passages, None, params=how)
    learnt = streams(items, params=shipped_params(StreamsParams, "releaf.streams"), index=how)
    seen = vision(
        photos, params=shipped_params(VisionParams, "releaf.vision", epochs=1, seeds=[0], hidden=16)
    )
    search = shipped_params(RetrieveParams, "releaf.retrieve")
    judged = evaluate(
        items, cards, passages, indexed, learnt, seen.vision_predictions,
        params=shipped_params(EvaluateParams, "releaf.evaluate"), retrieve=search,
    )  # fmt: skip
    ideas = pd.DataFrame(
        {
            "item": ["item:toronto:wine-bottles"],
            "kind": ["reuse"],
            "target_name": ["A lamp"],
            "score": [0.95],
            "steps": [2],
            "path": ["wine bottles can become a lamp (reuse)"],
        }
    )
    outputs = {
        "items.parquet": items,
        "cards.parquet": cards,
        "passages.parquet": passages,
        "vectors.parquet": indexed.vectors,
        "bm25.safetensors": indexed.bm25,
        "vocabulary.json": indexed.vocabulary,
        "names.parquet": learnt.names,
        "stream_model.safetensors": learnt.stream_model,
        "streams.json": learnt.streams,
        "nodes.parquet": NODES,
        "recommendations.parquet": ideas,
        "vision_model.safetensors": seen.vision_model,
        "vision.json": seen.vision,
        "evaluate.json": judged.evaluate,
        "adapter.safetensors": adapter_arrays(
            add_adapter(load_language_model(str(tiny_folder)).model, rank=2)
        ),
    }
    (root / "data" / "releaf").mkdir(parents=True)
    files.save_all({root / "data" / "releaf" / name: value for name, value in outputs.items()})
    params = {
        "retrieve": search,
        "index": how,
        "evaluate": shipped_params(EvaluateParams, "releaf.evaluate"),
        "vision": shipped_params(VisionParams, "releaf.vision", hidden=16),
        "adapt": shipped_params(
            AdaptParams, "releaf.adapt", model=str(tiny_folder), precision="float32", most_tokens=20
        ),
    }
    text = yaml.safe_dump({"releaf": {name: block.model_dump(mode="json") for name, block in params.items()}})
    (root / "params.yaml").write_text(text)
    return root


@pytest.fixture(scope="session")
def client(pipeline_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the service with that assistant, after the model is loaded."""
    from service.app import create_app
    from service.assistant import load_assistant
    from service.bundle import collect_bundle
    from service.engine import EngineLimits, start_engine
    from service.ratings import RatingLog
    from service.writing import Writer

    folder = tmp_path_factory.mktemp("bundle")
    settings, ratings = collect_bundle(pipeline_root, folder), RatingLog(folder / "ratings.db")
    writer = Writer(folder, settings, folder)
    app = create_app(
        lambda: start_engine(load_assistant(folder, cache=folder), ratings, writer, EngineLimits()),
        requests_per_minute=float("inf"),
        max_body_bytes=200_000,
    )
    app.state.ratings_path = folder / "ratings.db"
    with TestClient(app, raise_server_exceptions=False) as client:
        while client.get("/ready").status_code == 503:
            assert app.state.load_error is None, app.state.load_error
        yield client
