"""The assistant of a bundle, which answers questions and classifies photographs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
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
from releaf.answers import NOT_SURE, Answer, answer
from releaf.asking import answer_question, items_in
from releaf.bins import BINS, bin_of, full_name, material_shares, spell_out
from releaf.knowledge import Knowledge, assemble, read_ideas
from releaf.mixture import Rules
from releaf.photographs import (
    Observation,
    Observer,
    limit_confidence,
    load_novelty,
    load_observer,
)
from service.bundle import BundleError, Settings, read_settings, reranker_digest
from service.model_cache import cache_in_folder

UNLIKE_CEILING = 0.5
"""Highest probability of an answer to a photograph that is unlike the known ones."""


@dataclass(frozen=True)
class Recognition:
    """The materials of a photograph, and an item that represents them.

    Attributes
    ----------
    materials, shares : dict of str to float
        Probability of each material and of each bin, the most likely first. None exceeds its ceiling.
    item : str
        The item that `releaf.bins.BINS` names for the most likely material of the most likely bin.
    unlike : bool
        Whether the photograph is unlike those that the assistant has learned from.
    """

    materials: dict[str, float]
    shares: dict[str, float]
    item: str
    unlike: bool


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
    observe : callable
        Pictures (height, width, 3) of uint8 to the probability of each material.
    ceilings : mapping of str to float
        Highest confidence that is shown for a photograph, for ``material`` and for the bin of each city.
    """

    settings: Settings
    knowledge: Knowledge
    rules: Rules
    encode: Callable[[list[str]], NDArray[np.float64]]
    observe: Observer
    ceilings: Mapping[str, float]

    @property
    def version(self) -> str:
        """The first twelve digits of the digest of the bundle."""
        return self.settings.digest[:12]

    @property
    def reranker(self) -> str:
        """The name of the cross-encoder, or ``none``.

        It is the last part of a path, because the service shows it.
        """
        return Path(self.settings.reranker.model).name if self.settings.reranker else "none"

    def find_city(self, name: str) -> str | None:
        """Return a city as the lists spell it, or None; upper and lower case are equal."""
        folded = " ".join(name.split()).casefold()
        return next((city for city in self.knowledge.cities if city.casefold() == folded), None)

    def items_in(self, question: str, city: str) -> tuple[str, ...]:
        """Return the items that a question asks about."""
        return items_in(self.knowledge, city, question)

    def answer_question(self, question: str, city: str) -> Answer:
        """Answer a question about one or several items."""
        return answer_question(self.knowledge, city, question, self.encode, self.rules)

    def answer_text(self, item: str, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer a question about an item; `vector` is the unit vector of its name."""
        return answer(self.knowledge, city, item, vector, self.rules)

    def recognize(self, observation: Observation, city: str) -> Recognition:
        """Rank the materials of a photograph and select the item that represents them."""
        ranked = dict(sorted(observation.materials.items(), key=lambda pair: -pair[1]))
        shares = material_shares(city, ranked)
        stream = next(iter(shares))
        material = next(name for name in ranked if bin_of(city, name) == stream)
        highest = UNLIKE_CEILING if observation.unlike else 1.0
        return Recognition(
            limit_confidence(ranked, min(highest, self.ceilings["material"])),
            limit_confidence(shares, min(highest, self.ceilings[city])),
            BINS[city][material][0],
            observation.unlike,
        )

    def answer_photograph(self, recognition: Recognition, city: str, vector: NDArray[np.float64]) -> Answer:
        """Answer a photograph without text; `vector` is that of ``recognition.item``.

        The answer to an unlike photograph has no reasons and no ideas, because its item is a guess.
        """
        item, shares = recognition.item, recognition.shares
        found = answer(self.knowledge, city, item, vector, self.rules, shares=shares)
        if not recognition.unlike:
            return found
        return replace(found, strange=True, sure=False, level="low", reasons=(), alike=(), ideas=())


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
    observer = _load_observer(folder, settings, threads, keep)
    ceilings = json.loads((folder / "novelty.json").read_text(encoding="utf-8"))["ceilings"]
    return Assistant(settings, _load_knowledge(folder), rules, encode, observer, ceilings)


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


def _load_observer(folder: Path, settings: Settings, threads: int, keep: ModelCache) -> Observer:
    vision, arrays = settings.vision, load_file(folder / "vision_model.safetensors")
    backbone = (
        None
        if vision.photographs is None
        else load_backbone(vision.backbone, size=(vision.height, vision.width), frozen=vision.frozen)
    )
    return load_observer(
        arrays,
        sorted(BINS["Toronto"]),
        hidden=vision.hidden,
        novelty=load_novelty(load_file(folder / "novelty_model.safetensors")),
        backbone=backbone,
        features_of=load_onnx_features(threads=threads, keep=keep),
    )


def name_in_full(answer: Answer) -> str:
    """Return the bin for people; all names if the list or the question has several."""
    if answer.parts:
        names = (name_in_full(part) if part.sure else NOT_SURE for part in answer.parts)
        return " + ".join(dict.fromkeys(names))
    streams = list(answer.shares) if answer.listed else [answer.stream]
    return " or ".join(full_name(stream) for stream in streams)


def as_record(answer: Answer, recognition: Recognition | None = None) -> dict[str, Any]:
    """Return an answer as plain values, for the HTTP API and the registered model."""
    return {
        "city": answer.city,
        "bin": answer.bin,
        "bin_name": name_in_full(answer),
        "sure": answer.sure,
        "item": answer.item,
        "parts": [
            {
                "item": part.item,
                "bin": part.bin,
                "bin_name": name_in_full(part) if part.sure else NOT_SURE,
                "sure": part.sure,
                "caution": None if part.caution is None else spell_out(part.caution),
            }
            for part in answer.parts
        ],
        "because": [{"name": name, "bin": spell_out(streams)} for name, streams in answer.because],
        "probability": round(answer.probability, 4),
        "shares": {stream: round(share, 4) for stream, share in answer.shares.items() if share >= 0.01},
        "listed": answer.listed,
        "confidence": round(answer.confidence, 4),
        "level": answer.level,
        "strange": answer.strange,
        "unlike": recognition is not None and recognition.unlike,
        "caution": None if answer.caution is None else spell_out(answer.caution),
        "reasons": [asdict(passage) for passage in answer.reasons],
        "alike": [{"name": name, "bin": spell_out(streams)} for name, streams in answer.alike],
        "ideas": [asdict(idea) for idea in answer.ideas],
        "materials": None
        if recognition is None
        else {material: round(share, 4) for material, share in recognition.materials.items()},
    }
