"""Bundles: the files of an assistant in one folder.

A bundle can be copied to another machine. ``assistant.json`` contains the settings and the result of the
evaluation; the other files are arrays and tables that the stages wrote.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from methods.retrieval.rerank import find_cross_encoder
from methods.retrieval.search import Recipe

STAGE_OUTPUTS = Path("data/releaf")
BUNDLE_FILES = (
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
    "novelty_model.safetensors",
    "novelty.json",
    "evaluate.json",
    "adapter.safetensors",
)
SETTINGS_FILE = "assistant.json"
SERVICE_FOLDER = Path(__file__).resolve().parent
CODE_FOLDERS = (SERVICE_FOLDER, SERVICE_FOLDER.parent / "methods", SERVICE_FOLDER.parent / "releaf")
"""Code that is registered with a bundle, so that MLflow can serve it."""
MODEL_SUFFIXES = {".json", ".safetensors", ".txt", ".model"}
"""Configuration, weights and vocabulary of a cross-encoder; other files of its folder are not loaded."""


class BundleError(ValueError):
    """A bundle cannot be created or read; the message names the command to run."""


class SettingsModel(BaseModel):
    """A part of the settings; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class RerankerSettings(SettingsModel):
    """The cross-encoder that re-ranks the passages."""

    model: str = Field(description="folder, installed package, or name in the local cache")
    depth: int = Field(description="number of passages that are re-ranked")
    weight: float = Field(description="weight of the cross-encoder in the score")
    digest: str = Field(description="digest of the files of the cross-encoder")


class VisionSettings(SettingsModel):
    """Parameters with which the heads for photographs were trained."""

    photographs: str | None = Field(description="table of photographs; null: the shipped features")
    backbone: str
    height: int = Field(description="pixels")
    width: int = Field(description="pixels")
    frozen: int | None = Field(description="number of blocks of the backbone that were not trained")
    hidden: int = Field(description="width of the shared layer of the heads; 0: no layer")


class LanguageSettings(SettingsModel):
    """The language model and the limits of its answers."""

    model: str = Field(description="base model of the adapter")
    precision: str = Field(description="name of a torch dtype")
    most_tokens: int = Field(description="largest number of tokens of an answer")
    passages: int = Field(description="number of passages that an answer is written from")


class Settings(SettingsModel):
    """Settings of an assistant."""

    encoder: str = Field(description="folder or installed package of the text encoder")
    recipe: Recipe = Field(description="parameters of the search")
    reranker: RerankerSettings | None = None
    cards: int = Field(description="number of cards in the mixture, see `releaf.answers.Rules`")
    softness: float = Field(description="decay of the weight of a card with its score")
    w_cards: float = Field(description="weight of the cards in the mixture")
    temperature: float = Field(description="temperature of the calibration")
    vision: VisionSettings
    language: LanguageSettings
    digest: str = Field(description="digest of the files, the settings and the code")
    right: float = Field(description="share of held-out items whose bin is correct")


def collect_bundle(root: Path, folder: Path) -> Settings:
    """Copy the outputs of the stages below `root` to `folder` and add the settings.

    Raises
    ------
    BundleError
        If an output or the configured re-ranker is missing.
    """
    if missing := [name for name in BUNDLE_FILES if not (root / STAGE_OUTPUTS / name).is_file()]:
        raise BundleError(
            f"{root / STAGE_OUTPUTS} lacks {', '.join(missing)}; run `statewright run releaf`, then try again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in BUNDLE_FILES:
        shutil.copyfile(root / STAGE_OUTPUTS / name, folder / name)
    settings = _settings(root, folder)
    (folder / SETTINGS_FILE).write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return settings


def _settings(root: Path, folder: Path) -> Settings:
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["releaf"]
    evaluation = json.loads((folder / "evaluate.json").read_text(encoding="utf-8"))
    search, mixture, vision = params["retrieve"], params["evaluate"], params["vision"]
    if vision["photographs"] is not None:
        vision |= vision["with_photographs"]
    settings = {
        "encoder": params["index"]["model"],
        "recipe": {field.name: search[field.name] for field in dataclasses.fields(Recipe)},
        "reranker": _reranker_settings(root, search),
        "cards": mixture["cards"],
        "softness": mixture["softness"],
        "w_cards": mixture["w_cards"],
        "temperature": evaluation["temperature"],
        "vision": {name: vision[name] for name in VisionSettings.model_fields},
        "language": {name: params["adapt"][name] for name in LanguageSettings.model_fields},
        "right": evaluation["names"]["right"],
    }
    return Settings(**settings, digest=_digest(folder, settings))


def _reranker_settings(root: Path, search: dict[str, Any]) -> dict[str, Any] | None:
    if search["reranker"] is None:
        return None
    # A relative path is relative to the folder of the stages. The service may run in another folder.
    path = root / search["reranker"]
    model = str(path.resolve()) if path.is_dir() else search["reranker"]
    return {
        "model": model,
        "depth": search["rerank_depth"],
        "weight": search["rerank_weight"],
        "digest": reranker_digest(model),
    }


def reranker_digest(model: str) -> str:
    """Return a digest of the files of a cross-encoder.

    Raises
    ------
    BundleError
        If the cross-encoder is not installed.
    """
    try:
        folder = find_cross_encoder(model)
    except ValueError as error:
        raise BundleError(f"releaf.retrieve.reranker: {error}") from error
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in MODEL_SUFFIXES):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _digest(folder: Path, settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    code = [path for source in CODE_FOLDERS for path in sorted(source.rglob("*.py"))]
    for path in [*(folder / name for name in BUNDLE_FILES), *code]:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def read_settings(folder: Path) -> Settings:
    """Read the settings of a bundle.

    Raises
    ------
    BundleError
        If the file of the settings is missing or invalid.
    """
    path = folder / SETTINGS_FILE
    try:
        return Settings.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} is missing or is not a valid description of an assistant; run "
            f"`python -m service promote`: {error}"
        ) from error
