"""Stage ``emotion-fusion``: one state per release, from its modalities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from tqdm import tqdm

from statewright.contracts import Document, Shapes, Table, Tensors
from tasks.emotion.contracts.tables import Features, States
from tasks.emotion.forecast.fusion_scores import Comparison, Models, Releases, held_out_scores, plain_scores
from tasks.emotion.params import FusionParams, SplitParams

if TYPE_CHECKING:
    from methods.fusion.model import FusionOutput
    from methods.fusion.training import TrainingResult

MODALITIES = ("audio", "lyrics", "context")
SHAPE = {"width", "token_width", "heads", "hidden", "dropout"}
RECIPE = {
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "clip",
    "balance",
    "hide",
    "kept",
    "average",
    "patience",
    "seed",
}
Scores = dict[str, dict[str, Comparison]]


class Attention(pa.DataFrameModel):
    """One row per release, attention head and query modality that the release has."""

    release_id: Series[int]
    artist_id: Series[int]
    kind: Series[str] = pa.Field(isin=["year", "album"])
    time: Series[pa.Float32]
    head: Series[pa.Int8] = pa.Field(ge=0)
    query: Series[str] = pa.Field(isin=MODALITIES)
    key_audio: Series[pa.Float32] = pa.Field(ge=0, le=1)
    key_lyrics: Series[pa.Float32] = pa.Field(ge=0, le=1)
    key_context: Series[pa.Float32] = pa.Field(ge=0, le=1)
    entropy: Series[pa.Float32] = pa.Field(ge=0, le=1)
    importance: Series[pa.Float32] = pa.Field(ge=0, le=1)

    class Config:
        unique: ClassVar = ["release_id", "head", "query"]


class History(pa.DataFrameModel):
    """One row per epoch.

    The validation loss is that of masked values plus ``kept`` times that of the others.
    """

    epoch: Series[int] = pa.Field(ge=1, unique=True)
    train_loss: Series[float]
    validation_loss: Series[float]
    validation_hidden: Series[float]
    validation_shown: Series[float]


class FusionSummary(Document):
    """Errors of predicted modalities compared with PCA of the same width.

    ``held_out`` (a modality is masked) and ``plain`` (none is) map the split to the tasks
    ``kind_modality``. ``entropy``: mean normalised entropy of attention by query. ``importance``:
    mean weight in the fusion by kind and modality.
    """

    width: int
    parameters: int
    releases: dict[str, int]
    epochs: int
    best_epoch: int
    validation_loss: float
    held_out: Scores
    plain: Scores
    held_out_tasks: int
    held_out_won: int
    held_out_won_clearly: int
    plain_tasks: int
    plain_won: int
    entropy: dict[str, float]
    importance: dict[str, dict[str, float]]


class FusionOutputs(NamedTuple):
    """Outputs of the stage."""

    states: Table[States]
    attention: Table[Attention]
    fusion_model: Annotated[
        Tensors,
        Shapes(
            {
                "fusion": ("modality", "token", "width"),
                "importance": ("token",),
                "importance_bias": ("modality",),
                "modality": ("modality", "token"),
                "missing": ("modality", "token"),
                "time.alpha": (),
                "time.beta": (),
            },
            more=True,
        ),
    ]
    fusion: FusionSummary
    fusion_history: Table[History]


def fusion(features: Table[Features], *, params: FusionParams, split: SplitParams) -> FusionOutputs:
    """Fuse audio, lyrics and context by attention; learn to predict a missing one.

    Weights are learnt from releases before the training boundary of their kind. Releases between the
    boundaries stop the training. The state of a release depends on no other release.
    """
    import torch

    from methods.fusion.model import fuse, to_batch

    torch.set_num_threads(1)  # faster than two at these sizes, and sums have a fixed order
    torch.use_deterministic_algorithms(True)
    features = features.sort_values("release_id", ignore_index=True)
    releases, part = releases_of(features, params), split_of(features, split)
    trained = _train(releases, part, params)
    fused = fuse(trained.model, to_batch(releases.values, releases.time))
    attention = attention_table(features, fused)
    return FusionOutputs(
        states=state_table(features, fused),
        attention=attention,
        fusion_model={name: tensor.numpy() for name, tensor in trained.model.state_dict().items()},
        fusion=_summary(trained, part, attention, *_score(trained, releases, part, params)),
        fusion_history=pd.DataFrame([vars(epoch) for epoch in trained.history]).round(6),
    )


def releases_of(features: pd.DataFrame, params: FusionParams) -> Releases:
    """Return each modality as an array, and dates in units of the time encoding.

    The context includes the kind of the release: audio of years and of albums is measured on
    different songs.
    """
    values = {name: features.filter(regex=f"^{name}_").to_numpy(np.float64) for name in MODALITIES}
    kind = features["kind"].to_numpy(str)
    values["context"] = np.column_stack([values["context"], kind == "album"])
    time = (features["time"].to_numpy() - params.time_origin) / params.time_unit
    return Releases(values, time, kind, features["artist_id"].to_numpy())


def split_of(features: pd.DataFrame, split: SplitParams) -> np.ndarray:
    """Return ``train``, ``validation`` or ``test`` of each release by date and kind."""
    year = (features["kind"] == "year").to_numpy()
    before = np.where(year, split.audio_train_before, split.lyrics_train_before)
    start = np.where(year, split.audio_test_from, split.lyrics_test_from)
    date = features["time"].to_numpy()
    return np.select([date < before, date < start], ["train", "validation"], "test")


def _train(releases: Releases, part: np.ndarray, params: FusionParams) -> TrainingResult:
    from methods.fusion.model import Shape, to_batch
    from methods.fusion.training import Recipe, train

    for name in ("train", "validation"):
        if not (part == name).any():
            raise ValueError(
                f"emotion-fusion: data/emotion/features.parquet has no release in the {name} period, "
                "expected at least one; move the boundaries of emotion.split in params.yaml"
            )
    training, validation = (
        to_batch(some.values, some.time)
        for some in (releases.take(part == name) for name in ("train", "validation"))
    )
    columns = {name: array.shape[1] for name, array in releases.values.items()}
    shape = Shape(columns=columns, **params.model_dump(include=SHAPE))
    return train(training, validation, shape, Recipe(**params.model_dump(include=RECIPE)), track=_bar)


def _bar(epochs: Iterable[int]) -> Iterable[int]:
    return tqdm(epochs, desc="fusion: epochs", mininterval=1)


def _score(
    trained: TrainingResult, releases: Releases, part: np.ndarray, params: FusionParams
) -> tuple[Scores, Scores]:
    """Score held-out and plain reconstruction of validation and test releases."""
    from methods import pca

    past = releases.take(part == "train").joined()
    components = pca.fit(past, params.width, iterations=params.pca_iterations)
    models = Models(trained.model, components, np.nanmean(past, axis=0))
    later = {name: releases.take(part == name) for name in ("validation", "test")}
    return (
        {name: held_out_scores(models, some, params.draws, params.seed) for name, some in later.items()},
        {name: plain_scores(models, some, params.draws, params.seed) for name, some in later.items()},
    )


def state_table(features: pd.DataFrame, fused: FusionOutput) -> pd.DataFrame:
    """Return the states with the ids of their releases."""
    states = np.round(fused.state.numpy().astype(np.float64), 5)
    columns = [f"state_{index:02d}" for index in range(states.shape[1])]
    ids = features[["release_id", "artist_id", "kind", "time"]]
    return pd.concat([ids, pd.DataFrame(states, columns=columns)], axis=1)


def attention_table(features: pd.DataFrame, fused: FusionOutput) -> pd.DataFrame:
    """Return weights, entropies and importance by release, head and present query."""
    from methods.attention import normalised_entropy

    weights = fused.attention.numpy()
    entropy = normalised_entropy(fused.attention, fused.importance > 0).numpy()
    present = fused.importance.numpy() > 0
    exists = np.broadcast_to(present[:, None, :], weights.shape[:3])
    row, head, query = np.nonzero(exists)
    table = features[["release_id", "artist_id", "kind", "time"]].iloc[row].reset_index(drop=True)
    table["time"] = table["time"].astype(np.float32)
    table["head"] = head.astype(np.int8)
    table["query"] = np.array(MODALITIES)[query]
    for index, name in enumerate(MODALITIES):
        table[f"key_{name}"] = np.round(weights[row, head, query, index], 4)
    table["entropy"] = np.round(entropy[row, head, query], 4)
    table["importance"] = np.round(fused.importance.numpy()[row, query], 4)
    return table


def _summary(
    trained: TrainingResult,
    part: np.ndarray,
    attention: pd.DataFrame,
    held_out: Scores,
    plain: Scores,
) -> FusionSummary:
    test = list(held_out["test"].values())
    best = trained.history[trained.best_epoch - 1]
    first_head = attention[attention["head"] == 0]
    importance = first_head.groupby(["kind", "query"])["importance"].mean()
    return FusionSummary(
        width=trained.model.shape.width,
        parameters=sum(weights.numel() for weights in trained.model.parameters()),
        releases={name: int((part == name).sum()) for name in ("train", "validation", "test")},
        epochs=len(trained.history),
        best_epoch=trained.best_epoch,
        validation_loss=round(best.validation_loss, 6),
        held_out=held_out,
        plain=plain,
        held_out_tasks=len(test),
        held_out_won=sum(score.gain > 0 for score in test),
        held_out_won_clearly=sum(score.gain_low > 0 for score in test),
        plain_tasks=len(plain["test"]),
        plain_won=sum(score.gain > 0 for score in plain["test"].values()),
        entropy={
            name: round(float(x), 4) for name, x in attention.groupby("query")["entropy"].mean().items()
        },
        importance={
            kind: {query: round(float(x), 4) for query, x in group.droplevel(0).items()}
            for kind, group in importance.groupby(level=0)
        },
    )
