"""An assistant out of a bundle: encode, look, answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file

from methods.exchange import ModelCache, no_cache
from methods.retrieval.dense_onnx import load_onnx_encoder
from methods.retrieval.rerank import Reranker, load_cross_encoder
from methods.retrieval.search import Recipe
from methods.vision.backbone import load_backbone
from methods.vision.features_onnx import load_onnx_features
from releaf.answers import Answer, Rules, answer
from releaf.bins import BINS, bin_of, material_shares
from releaf.knowledge import Knowledge, assemble, read_ideas
from releaf.photographs import Namer, load_namer
from service.bundle import BundleError, Settings, read_settings, reranker_digest
from service.model_cache import keep_in


@dataclass(frozen=True)
class Seen:
    """The materials of a photograph, the likeliest first, and a thing that stands for it in a city.

    The thing is the one that the city's table names for the likeliest material of the likeliest bin.
    """

    materials: dict[str, float]
    item: str


@dataclass(frozen=True)
class Assistant:
    """All that an answer needs.

    Attributes
    ----------
    encode : callable
        Texts to unit vectors of shape (texts, d).
    name_materials : callable
        Pictures (height, width, 3) of uint8 to the probability of each material.
    """

    settings: Settings
    known: Knowledge
    rules: Rules
    encode: Callable[[list[str]], NDArray[np.float64]]
    name_materials: Namer

    @property
    def version(self) -> str:
        """The first letters of the digest of its files."""
        return self.settings.digest[:12]

    @property
    def reranker(self) -> str:
        """The cross-encoder that orders the passages, or ``none``."""
        return self.settings.reranker["model"] if self.settings.reranker else "none"

    def ask(self, text: str, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer a question about a thing (`asked_for`); `vector` is that of `text`."""
        return answer(self.known, city, text, vector, self.rules)

    def see(self, materials: dict[str, float], city: str) -> Seen:
        """What a photograph of these materials stands for in a city."""
        ranked = dict(sorted(materials.items(), key=lambda pair: -pair[1]))
        stream = next(iter(material_shares(city, ranked)))
        material = next(name for name in ranked if bin_of(city, name) == stream)
        return Seen(ranked, BINS[city][material][0])

    def show(self, seen: Seen, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer by a photograph alone; `vector` is that of ``seen.item``."""
        shares = material_shares(city, seen.materials)
        return answer(self.known, city, seen.item, vector, self.rules, shares=shares)


def load_assistant(folder: Path, *, threads: int = 1, cache: Path | None = None) -> Assistant:
    """Read a bundle.

    Parameters
    ----------
    folder : Path
    threads : int
        Of each encoder.
    cache : Path, optional
        Where the encoders are kept as ONNX models; without one they are exported anew, half a minute.

    Raises
    ------
    BundleError
        If its settings cannot be read, or its re-ranker is not here or another than was promoted.
    ValueError
        If its parts are not of one another, or the encoder is not installed.
    """
    settings = read_settings(folder)
    rules = Rules(
        Recipe(**settings.recipe),
        settings.cards,
        settings.softness,
        settings.w_cards,
        settings.temperature,
        _reranker(settings),
    )
    keep = no_cache if cache is None else keep_in(cache)
    encode = load_onnx_encoder(settings.encoder, batch=32, threads=threads, keep=keep)
    namer = _namer(folder, settings, threads, keep)
    return Assistant(settings, _knowledge(folder), rules, encode, namer)


def _reranker(settings: Settings) -> Reranker | None:
    named = settings.reranker
    if named is None:
        return None
    if reranker_digest(named["model"]) != named["digest"]:
        raise BundleError(
            f"releaf.retrieve.reranker: '{named['model']}' has other files than when this assistant was "
            "promoted; put those back, or run `statewright run releaf`, then `python -m service promote`"
        )
    return Reranker(load_cross_encoder(named["model"]), named["depth"], named["weight"])


def _knowledge(folder: Path) -> Knowledge:
    tables = {
        name: pd.read_parquet(folder / f"{name}.parquet")
        for name in ("items", "cards", "passages", "vectors", "names", "nodes", "recommendations")
    }
    vocabulary, streams = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("vocabulary", "streams")
    )
    return assemble(
        items=tables["items"],
        cards=tables["cards"],
        passages=tables["passages"],
        vectors=np.stack(list(tables["vectors"]["vector"])),
        bm25=load_file(folder / "bm25.safetensors"),
        terms=vocabulary["terms"],
        names=tables["names"],
        stream_arrays=load_file(folder / "stream_model.safetensors"),
        streams=streams["streams"],
        ideas=read_ideas(tables["nodes"], tables["recommendations"]),
    )


def _namer(folder: Path, settings: Settings, threads: int, keep: ModelCache) -> Namer:
    how, arrays = settings.vision, load_file(folder / "vision_model.safetensors")
    materials = sorted(BINS["Toronto"])
    if how["photographs"] is None:
        features_of = load_onnx_features(threads=threads, keep=keep)
        return load_namer(arrays, materials, hidden=how["hidden"], features_of=features_of)
    backbone = load_backbone(how["backbone"], size=(how["height"], how["width"]), frozen=how["frozen"])
    return load_namer(arrays, materials, hidden=how["hidden"], backbone=backbone)


def as_record(found: Answer, seen: Seen | None = None) -> dict[str, Any]:
    """An answer in plain values, as the interface and the registered model give it."""
    return {
        "city": found.city,
        "bin": found.stream,
        "probability": round(found.probability, 4),
        "shares": {stream: round(share, 4) for stream, share in found.shares.items() if share >= 0.01},
        "listed": found.listed,
        "confidence": round(found.confidence, 4),
        "level": found.level,
        "strange": found.strange,
        "caution": found.caution,
        "reasons": [asdict(cited) for cited in found.reasons],
        "alike": [{"name": name, "bin": stream} for name, stream in found.alike],
        "ideas": [asdict(idea) for idea in found.ideas],
        "materials": None if seen is None else {m: round(p, 4) for m, p in seen.materials.items()},
    }
