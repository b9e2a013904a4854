"""Stage ``releaf-vision``: classify the material of a photograph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from releaf.bins import BINS
from statewright.contracts import ContractError, Shapes, Table, Tensors
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.contracts.tables import Photos
from tasks.releaf.params import VisionParams
from tasks.releaf.photographs.full_tier import read_photographs
from tasks.releaf.photographs.own import OwnPictures, judge, pictures_of, read_own
from tasks.releaf.photographs.scores import (
    Confusion,
    History,
    Predictions,
    Scores,
    VisionSummary,
    by_class,
    confusion_table,
    predictions,
    quality,
)

if TYPE_CHECKING:
    from torch import Tensor

    from methods.vision.training import Classifier, TrainingResult

SPLITS = ("train", "val", "test")
RECIPE = {
    "epochs",
    "batch_size",
    "learning_rate",
    "lowest_rate",
    "body_rate",
    "warm_up",
    "weight_decay",
    "smoothing",
    "mix",
    "average",
    "patience",
}


class VisionOutputs(NamedTuple):
    """Scores, predictions, the trained heads, their summary and their history."""

    vision_scores: Table[Scores]
    vision_confusion: Table[Confusion]
    vision_predictions: Table[Predictions]
    vision_model: Annotated[Tensors, Shapes({"temperature": ()}, more=True)]
    vision: VisionSummary
    vision_history: Table[History]


def vision(photos: Table[Photos], *, params: VisionParams) -> VisionOutputs:
    """Train the heads for every seed, calibrate their average, and score it.

    The validation split decides when training stops and sets the temperature; the test split is used for
    scores only. Pictures of ``params.pictures`` join training and validation; the rest of them are scored
    separately.
    """
    import torch

    from methods.vision.heads import split_heads
    from methods.vision.training import predict

    torch.set_num_threads(1)  # a fixed order of summation
    torch.use_deterministic_algorithms(True)
    params = params.used()
    photos = photos.sort_values("photo_id", ignore_index=True)
    parts = {name: photos[photos["split"] == name] for name in SPLITS}
    if empty := [name for name, rows in parts.items() if rows.empty]:
        raise ContractError(f"data/releaf/photos.parquet has no photograph in the split {', '.join(empty)}")
    own = None if params.pictures is None else read_own(Path(params.pictures), photos)
    items = () if own is None else own.items
    views, body, width = _inputs(parts, own, params)
    parts = parts if own is None else own.joined(parts)
    labels = {name: _labels(parts[name], items) for name in SPLITS}
    heads, off = split_heads(_heads(params, items), labels["train"])
    if "material" not in heads:
        raise ContractError(f"data/releaf/photos.parquet: the head 'material' is off: {off['material']}")
    trained = [_train(seed, views, labels, heads, body, width, params) for seed in params.seeds]
    logits = {
        name: np.stack([predict(run.model, views[name])["material"].numpy() for run in trained])
        for name in ("val", "test")
    }
    truth = {name: labels[name]["material"].numpy() for name in logits}
    outputs = _outputs({name: parts[name] for name in SPLITS}, trained, logits, truth, (heads, off), params)
    if own is None:
        return outputs
    own_logits = [predict(run.model, views["own"]) for run in trained] if "own" in views else []
    table, own_summary = judge(own, own_logits, float(outputs.vision_model["temperature"]))
    return outputs._replace(
        vision_predictions=pd.concat([outputs.vision_predictions, table], ignore_index=True),
        vision=outputs.vision.model_copy(update={"own": own_summary}),
    )


def _heads(params: VisionParams, items: tuple[str, ...]) -> dict[str, Any]:
    from methods.vision.heads import Head

    classes = {"material": MATERIALS, "item": items}
    return {name: Head(classes.get(name, ()), weight) for name, weight in params.heads.items()}


def _labels(rows: pd.DataFrame, items: tuple[str, ...]) -> dict[str, Tensor]:
    import torch

    from methods.vision.heads import UNLABELLED

    labels = {"material": torch.tensor([MATERIALS.index(label) for label in rows["label"]])}
    if items:
        number = {item: index for index, item in enumerate(items)}
        labels["item"] = torch.tensor([number.get(item, UNLABELLED) for item in rows["item"]])
    return labels


def _inputs(
    parts: dict[str, pd.DataFrame], own: OwnPictures | None, params: VisionParams
) -> tuple[dict[str, Tensor], Any, int]:
    """Return the views of each split, a factory of the body, and its output width."""
    import copy

    import torch

    if params.photographs is None:
        from methods.vision.views import rooted

        parts = parts if own is None else own.joined(parts)
        stacked = {name: np.stack(list(rows["features"])) for name, rows in parts.items()}
        views = {name: rooted(torch.from_numpy(rows).float())[None] for name, rows in stacked.items()}
        return views, torch.nn.Identity, views["train"].shape[-1]

    from methods.vision.augment import Augmentation
    from methods.vision.backbone import load_backbone
    from methods.vision.views import plain_views, training_views

    # A backbone without stored weights draws them here; the seeds differ in heads and order of batches.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seeds[0])
        backbone = load_backbone(params.backbone, size=(params.height, params.width), frozen=params.frozen)
    path = Path(params.photographs)
    pictures = {name: read_photographs(path, list(rows["photo_id"])) for name, rows in parts.items()}
    if own is not None:
        for name, further in pictures_of(own, pictures["train"].shape[1:3]):
            pictures[name] = np.concatenate([*([pictures[name]] if name in pictures else []), further])
    views = {name: plain_views(backbone, pictures[name]) for name in pictures if name != "train"}
    views["train"] = training_views(
        backbone, pictures["train"], params.views, Augmentation(), params.seeds[0]
    )
    return views, lambda: copy.deepcopy(backbone.upper), backbone.width


def _train(
    seed: int,
    views: dict[str, Tensor],
    labels: dict[str, dict[str, Tensor]],
    heads: dict[str, Any],
    body: Any,
    width: int,
    params: VisionParams,
) -> TrainingResult:
    from methods.vision.heads import Heads
    from methods.vision.training import Classifier, Recipe, train

    def build() -> Classifier:
        return Classifier(body(), Heads(width, heads, hidden=params.hidden, dropout=params.dropout))

    def track(epochs: Iterable[int]) -> Iterable[int]:
        return tqdm(epochs, desc=f"vision, seed {seed}: epochs", mininterval=1)

    recipe = Recipe(**params.model_dump(include=RECIPE), seed=seed)
    return train(
        build, views["train"], labels["train"], views["val"], labels["val"], heads, recipe, track=track
    )


def _outputs(
    parts: dict[str, pd.DataFrame],
    trained: list[TrainingResult],
    logits: dict[str, np.ndarray],
    truth: dict[str, np.ndarray],
    heads: tuple[dict[str, Any], dict[str, str]],
    params: VisionParams,
) -> VisionOutputs:
    from methods.evaluation.calibration import fit_temperature, softmax

    # Mean probabilities of the seeds as logits, so that one temperature calibrates the average.
    together = {name: np.log(softmax(values).mean(axis=0).clip(1e-12)) for name, values in logits.items()}
    temperature = fit_temperature(together["val"], truth["val"])
    quality_of = {
        name: quality(together[name], truth[name], temperature, params.bins) for name in ("val", "test")
    }
    names = [*map(str, params.seeds), "all"]
    answers = {
        name: [*(seed.argmax(axis=1) for seed in values), together[name].argmax(axis=1)]
        for name, values in logits.items()
    }
    scores = pd.concat(
        by_class(truth[split], predicted, MATERIALS).assign(split=split, model=model)
        for split in ("val", "test")
        for model, predicted in zip(names, answers[split], strict=True)
    )
    singles = [float((predicted == truth["test"]).mean()) for predicted in answers["test"][:-1]]
    table = pd.concat(
        predictions(parts[name], softmax(together[name], temperature), name) for name in ("val", "test")
    )
    tested = table[table["split"] == "test"]
    stream_of = {
        city: {material: example.stream for material, example in examples.items()}
        for city, examples in BINS.items()
    }
    summary = VisionSummary(
        tier="features" if params.photographs is None else "photographs",
        backbone=params.backbone,
        photos={name: len(rows) for name, rows in parts.items()},
        heads_on=sorted(heads[0]),
        heads_off=heads[1],
        bin_from="a fixed table of material and stream for each city",
        parameters_trained=sum(w.numel() for w in trained[0].model.parameters() if w.requires_grad),
        best_epochs=[run.best_epoch for run in trained],
        validation=quality_of["val"],
        test=quality_of["test"],
        accuracy_seeds=[round(value, 5) for value in singles],
        accuracy_seeds_mean=round(float(np.mean(singles)), 5),
        accuracy_seeds_sd=round(float(np.std(singles, ddof=1)), 5) if len(singles) > 1 else 0.0,
        recall=_recall(scores),
        bin_accuracy={
            city: round(float((tested[f"bin_{city}"] == tested["label"].map(streams)).mean()), 5)
            for city, streams in stream_of.items()
        },
    )
    return VisionOutputs(
        vision_scores=scores[list(Scores.to_schema().columns)].reset_index(drop=True),
        vision_confusion=confusion_table(truth["test"], answers["test"][-1], MATERIALS),
        vision_predictions=table.reset_index(drop=True),
        vision_model=_tensors(trained, params.seeds, temperature),
        vision=summary,
        vision_history=_history(trained),
    )


def _recall(scores: pd.DataFrame) -> dict[str, float]:
    rows = scores[(scores["split"] == "test") & (scores["model"] == "all")]
    return dict(zip(rows["material"], rows["recall"], strict=True))


def _tensors(trained: list[TrainingResult], seeds: list[int], temperature: float) -> dict[str, np.ndarray]:
    tensors = {"temperature": np.array(temperature, dtype=np.float32)}
    for seed, run in zip(seeds, trained, strict=True):
        weights = run.model.state_dict()
        tensors |= {f"seed_{seed}.{name}": value.contiguous().numpy() for name, value in weights.items()}
    return tensors


def _history(trained: list[TrainingResult]) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "epoch": epoch.epoch,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            "validation_accuracy": epoch.accuracy["material"],
        }
        for run in trained
        for epoch in run.history
    )
    means = rows.groupby("epoch").mean().round(6)
    means.insert(0, "seeds", rows.groupby("epoch").size())
    return means.reset_index()
