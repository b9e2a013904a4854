"""The files that make an assistant, in one folder that can be carried anywhere.

``assistant.json`` holds what is not an array or a table: settings, and the figures of its evaluation.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from methods.retrieval.rerank import find_cross_encoder

MADE = Path("data/releaf")
PARTS = (
    "items.parquet",
    "cards.parquet",
    "passages.parquet",
    "vectors.parquet",
    "bm25.safetensors",
    "vocabulary.json",
    "names.parquet",
    "stream_model.safetensors",
    "streams.json",
    "nodes.parquet",
    "recommendations.parquet",
    "vision_model.safetensors",
    "vision.json",
    "evaluate.json",
    "adapter.safetensors",
)
SETTINGS = "assistant.json"
HERE = Path(__file__).resolve().parent
CODE = (HERE, HERE.parent / "methods", HERE.parent / "releaf")
"""What a registered version carries beside its bundle, so that MLflow itself can serve it."""
READ_OF_MODEL = {".json", ".safetensors", ".txt", ".model"}
"""Configuration, weights and vocabulary; a model's folder may hold other forms of it that nobody reads."""


class BundleError(ValueError):
    """A bundle cannot be made or read; the message says what is missing and what to type."""


class Settings(BaseModel):
    """What an assistant is told besides its tables.

    ``encoder`` is a folder or an installed package. ``vision`` is how the heads were trained, ``language``
    what the adapter is of. ``reranker`` is the cross-encoder's folder, package or name, its depth and weight,
    and the digest of its files; None without one. ``digest`` is that of all files and of the code, ``right``
    the share of held-out things whose bin is right.
    """

    model_config = ConfigDict(extra="forbid")

    encoder: str
    recipe: dict[str, Any]
    reranker: dict[str, Any] | None = None
    cards: int
    softness: float
    w_cards: float
    temperature: float
    vision: dict[str, Any]
    language: dict[str, Any]
    digest: str
    right: float


def collect(root: Path, folder: Path) -> Settings:
    """Copy what the stages of `root` made into `folder`, and write the settings beside it.

    Raises
    ------
    BundleError
        If a stage has not been run, or the re-ranker that is named is not here.
    """
    if missing := [name for name in PARTS if not (root / MADE / name).is_file()]:
        raise BundleError(
            f"{root / MADE} has no {', '.join(missing)}; run `statewright run releaf`, then try again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        shutil.copyfile(root / MADE / name, folder / name)
    settings = _settings(root, folder)
    (folder / SETTINGS).write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return settings


def _settings(root: Path, folder: Path) -> Settings:
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["releaf"]
    evaluated = json.loads((folder / "evaluate.json").read_text(encoding="utf-8"))
    search, heard, vision = params["retrieve"], params["evaluate"], params["vision"]
    if vision["photographs"] is not None:
        vision |= vision["with_photographs"]
    settings = {
        "encoder": params["index"]["model"],
        "recipe": {
            key: search[key] for key in ("fusion", "w_dense", "rrf_k", "depth", "feedback", "alpha", "terms")
        },
        "reranker": _named_reranker(root, search),
        "cards": heard["cards"],
        "softness": heard["softness"],
        "w_cards": heard["w_cards"],
        "temperature": evaluated["temperature"],
        "vision": {
            key: vision[key] for key in ("photographs", "backbone", "height", "width", "frozen", "hidden")
        },
        "language": {key: params["adapt"][key] for key in ("model", "precision", "most_tokens", "passages")},
        "right": evaluated["names"]["right"],
    }
    return Settings(**settings, digest=_digest(folder, settings))


def _named_reranker(root: Path, search: dict[str, Any]) -> dict[str, Any] | None:
    if search["reranker"] is None:
        return None
    place = root / search["reranker"]  # the stages run there, the service need not
    model = str(place.resolve()) if place.is_dir() else search["reranker"]
    return {
        "model": model,
        "depth": search["rerank_depth"],
        "weight": search["rerank_weight"],
        "digest": reranker_digest(model),
    }


def reranker_digest(model: str) -> str:
    """Digest of the files of a cross-encoder.

    Raises
    ------
    BundleError
        If there is none.
    """
    try:
        folder = find_cross_encoder(model)
    except ValueError as error:
        raise BundleError(f"releaf.retrieve.reranker: {error}") from error
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in READ_OF_MODEL):
        whole.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def _digest(folder: Path, settings: dict[str, Any]) -> str:
    whole = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    code = [path for place in CODE for path in sorted(place.rglob("*.py"))]
    for path in [*(folder / name for name in PARTS), *code]:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def read_settings(folder: Path) -> Settings:
    """The settings of a bundle.

    Raises
    ------
    BundleError
        If the folder holds none that can be read.
    """
    path = folder / SETTINGS
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} is no description of an assistant: {error}") from error
