"""The assistant of a bundle, which answers questions and classifies photographs."""

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
from methods.vision.backbone import load_backbone
from methods.vision.features_onnx import load_onnx_features
from releaf.answers import Answer, answer
from releaf.asking import answer_question, items_in
from releaf.bins import BINS, bin_of, material_shares
from releaf.knowledge import Knowledge, assemble, read_ideas
from releaf.mixture import Rules
from releaf.photographs import Namer, load_namer
from service.bundle import BundleError, Settings, read_settings, reranker_digest
from service.model_cache import cache_in_folder


@dataclass(frozen=True)
class Recognition:
    """The materials of a photograph, and an item that represents them.

    The most likely material is first. The item is the one that `releaf.bins.BINS` names for the most likely
    material of the most likely bin.
    """

    materials: dict[str, float]
    item: str


@dataclass(frozen=True)
class Assistant:
    """The models and tables that an answer needs.

    Attributes
    ----------
    settings : Settings
    knowledge : Knowledge
        Cards, lists of the cities and ideas for reuse.
    rules : Rules
        Parameters of the search and of the mixture.
    encode : callable
        Texts to unit vectors of shape (texts, d).
    name_materials : callable
        Pictures (height, width, 3) of uint8 to the probability of each material.
    """

    settings: Settings
    knowledge: Knowledge
    rules: Rules
    encode: Callable[[list[str]], NDArray[np.float64]]
    name_materials: Namer

    @property
    def version(self) -> str:
        """The first twelve digits of the digest of the bundle."""
        return self.settings.digest[:12]

    @property
    def reranker(self) -> str:
        """The cross-encoder that re-ranks the passages, or ``none``."""
        return self.settings.reranker.model if self.settings.reranker else "none"

    def items_in(self, question: str, city: str) -> tuple[str, ...]:
        """Return the items that a question asks about."""
        return items_in(self.knowledge, city, question)

    def answer_question(self, question: str, city: str) -> Answer:
        """Answer a question about one or several items."""
        return answer_question(self.knowledge, city, question, self.encode, self.rules)

    def answer_text(self, item: str, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer a question about an item; `vector` is the unit vector of its name."""
        return answer(self.knowledge, city, item, vector, self.rules)

    def recognize(self, materials: dict[str, float], city: str) -> Recognition:
        """Rank the materials of a photograph and select the item that represents them."""
        ranked = dict(sorted(materials.items(), key=lambda pair: -pair[1]))
        stream = next(iter(material_shares(city, ranked)))
        material = next(name for name in ranked if bin_of(city, name) == stream)
        return Recognition(ranked, BINS[city][material][0])

    def answer_photograph(self, recognition: Recognition, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer a photograph without text; `vector` is that of ``recognition.item``."""
        shares = material_shares(city, recognition.materials)
        return answer(self.knowledge, city, recognition.item, vector, self.rules, shares=shares)


def load_assistant(folder: Path, *, threads: int = 1, cache: Path | None = None) -> Assistant:
    """Load the assistant of a bundle.

    Parameters
    ----------
    folder : Path
        The bundle.
    threads : int
        Threads of each encoder.
    cache : Path, optional
        Folder in which the encoders are stored as ONNX models. Without it they are exported at every start,
        which takes half a minute.

    Raises
    ------
    BundleError
        If the settings cannot be read, or if the re-ranker is missing or differs from the promoted one.
    ValueError
        If the files of the bundle do not belong together, or if the encoder is not installed.
    """
    settings = read_settings(folder)
    rules = Rules(
        settings.recipe,
        settings.cards,
        settings.softness,
        settings.w_cards,
        settings.temperature,
        _load_reranker(settings),
    )
    keep = no_cache if cache is None else cache_in_folder(cache)
    encode = load_onnx_encoder(settings.encoder, batch=32, threads=threads, keep=keep)
    namer = _load_namer(folder, settings, threads, keep)
    return Assistant(settings, _load_knowledge(folder), rules, encode, namer)


def _load_reranker(settings: Settings) -> Reranker | None:
    reranker = settings.reranker
    if reranker is None:
        return None
    if reranker_digest(reranker.model) != reranker.digest:
        raise BundleError(
            f"releaf.retrieve.reranker: the files of '{reranker.model}' changed after this assistant was "
            "promoted; restore them, or run `statewright run releaf`, then `python -m service promote`"
        )
    return Reranker(load_cross_encoder(reranker.model), reranker.depth, reranker.weight)


def _load_knowledge(folder: Path) -> Knowledge:
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


def _load_namer(folder: Path, settings: Settings, threads: int, keep: ModelCache) -> Namer:
    vision, arrays = settings.vision, load_file(folder / "vision_model.safetensors")
    materials = sorted(BINS["Toronto"])
    if vision.photographs is None:
        features_of = load_onnx_features(threads=threads, keep=keep)
        return load_namer(arrays, materials, hidden=vision.hidden, features_of=features_of)
    backbone = load_backbone(vision.backbone, size=(vision.height, vision.width), frozen=vision.frozen)
    return load_namer(arrays, materials, hidden=vision.hidden, backbone=backbone)


def as_record(answer: Answer, recognition: Recognition | None = None) -> dict[str, Any]:
    """Return an answer as plain values, for the HTTP API and the registered model."""
    return {
        "city": answer.city,
        "bin": answer.bin,
        "sure": answer.sure,
        "item": answer.item,
        "parts": [
            {"item": part.item, "bin": part.bin, "sure": part.sure, "caution": part.caution}
            for part in answer.parts
        ],
        "because": [{"name": name, "bin": streams} for name, streams in answer.because],
        "probability": round(answer.probability, 4),
        "shares": {stream: round(share, 4) for stream, share in answer.shares.items() if share >= 0.01},
        "listed": answer.listed,
        "confidence": round(answer.confidence, 4),
        "level": answer.level,
        "strange": answer.strange,
        "caution": answer.caution,
        "reasons": [asdict(passage) for passage in answer.reasons],
        "alike": [{"name": name, "bin": stream} for name, stream in answer.alike],
        "ideas": [asdict(idea) for idea in answer.ideas],
        "materials": None
        if recognition is None
        else {material: round(share, 4) for material, share in recognition.materials.items()},
    }
