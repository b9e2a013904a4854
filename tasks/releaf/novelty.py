"""Stage ``releaf-novelty``: mark photographs unlike the training ones.

A classifier names a material for any picture. The features of a portrait or of a black frame are far from
those of the training photographs, so a distance marks them. The pictures that show no waste have two parts
without a common kind: the calibration part chooses the distance, the test part gives the figures. The
threshold needs neither: it is that of a share of false alarms among the validation photographs of waste.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Shapes, Table, Tensors
from tasks.releaf.contracts.raw import MATERIALS
from tasks.releaf.contracts.tables import Photos
from tasks.releaf.params import NoveltyParams, VisionParams
from tasks.releaf.photographs.novelty_scores import (
    MethodScore,
    NoveltyScores,
    NoveltySummary,
    UnlikePictures,
    auroc,
    auroc_interval,
    ceilings,
    confident_in_a_bin,
    rate,
)
from tasks.releaf.photographs.scores import Predictions

BASELINES, CANDIDATES = ("softmax", "energy"), ("classes", "neighbours")
"""A baseline is compared only: it needs heads on the shipped features."""
CITY = "Toronto"


class NoveltyOutputs(NamedTuple):
    """The chosen distance, its summary, and the scores of held-out pictures."""

    novelty_model: Annotated[Tensors, Shapes({"threshold": ("one",)}, more=True)]
    novelty: NoveltySummary
    novelty_scores: Table[NoveltyScores]


def novelty(
    photos: Table[Photos],
    vision_model: Annotated[Tensors, Shapes({"temperature": ()}, more=True)],
    vision_predictions: Table[Predictions],
    unlike_pictures: Table[UnlikePictures],
    *,
    params: NoveltyParams,
    vision: VisionParams,
) -> NoveltyOutputs:
    """Fit the distances, choose one, and score it on other kinds of pictures."""
    from methods.vision.novelty import by_neighbours, fit_class_distance
    from releaf.photographs import directions

    if both := set.intersection(*(set(rows) for _, rows in unlike_pictures.groupby("part")["kind"])):
        raise ContractError(
            f"data/source/unlike_pictures.parquet: {', '.join(sorted(both))} is in both parts; "
            "a kind belongs to one"
        )
    photos = photos.sort_values("photo_id", ignore_index=True)
    train = photos[photos["split"] == "train"]
    rows = _held_out(photos, unlike_pictures)
    training = directions(np.stack(list(train["features"])))
    features = directions(np.stack(list(rows["features"])))
    distance = fit_class_distance(training, train["label"])
    rows["classes"] = distance.score(features)
    rows["neighbours"] = by_neighbours(training, features, params.nearest)
    probabilities = _add_baselines(rows, vision_model, vision.used())
    scores = {
        name: _score(rows, name, params)
        for name in (*BASELINES, *CANDIDATES)
        if name in CANDIDATES or probabilities is not None
    }
    method = max(CANDIDATES, key=lambda name: scores[name].auroc_calibration)
    threshold = _threshold(rows, method, params.false_alarms)
    rows["unlike"] = rows[method] > threshold
    arrays = {
        "classes": {"means": distance.means, "whitening": distance.whitening},
        "neighbours": {"training": training.astype(np.float16), "nearest": np.array([params.nearest])},
    }[method]
    tested = rows["part"] == "test"
    other = tested & ~rows["waste"]
    summary = NoveltySummary(
        method=method,
        threshold=round(threshold, 5),
        pictures={str(part): int(count) for part, count in unlike_pictures["part"].value_counts().items()},
        methods=scores,
        false_alarms=rate(rows.loc[tested & rows["waste"], "unlike"].to_numpy()),
        detected=rate(rows.loc[other, "unlike"].to_numpy()),
        detected_by_kind={
            str(kind): rate(part.to_numpy()) for kind, part in rows[other].groupby("kind")["unlike"]
        },
        confident=None
        if probabilities is None
        else rate(confident_in_a_bin(probabilities[other.to_numpy()], CITY)),
        ceilings=ceilings(vision_predictions[vision_predictions["split"] == "val"]),
    )
    tensors = {"threshold": np.array([threshold], dtype=np.float32)} | {
        name: np.array(value, dtype=np.float32 if value.dtype == np.float64 else value.dtype, order="C")
        for name, value in arrays.items()
    }
    return NoveltyOutputs(tensors, summary, _table(rows))


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    table = rows[list(NoveltyScores.to_schema().columns)]
    return table.astype(dict.fromkeys((*BASELINES, *CANDIDATES), np.float64))


def _held_out(photos: pd.DataFrame, unlike_pictures: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out photographs and the other pictures, with their features."""
    held_out = photos[photos["split"] != "train"]
    waste = pd.DataFrame(
        {
            "picture": held_out["photo_id"],
            "original": held_out["photo_id"],
            "kind": held_out["label"],
            "part": held_out["split"],
            "features": held_out["features"],
            "waste": True,
        }
    )
    other = unlike_pictures[["picture", "original", "kind", "part", "features"]].assign(waste=False)
    return pd.concat([waste, other], ignore_index=True)


def _add_baselines(rows: pd.DataFrame, vision_model: Tensors, vision: VisionParams) -> np.ndarray | None:
    """Add the scores of the classifier, and return its probabilities (n, materials)."""
    if vision.photographs is not None:
        rows["softmax"] = rows["energy"] = np.nan
        return None
    from methods.evaluation.calibration import softmax
    from methods.vision.novelty import by_energy, by_softmax
    from releaf.photographs import material_logits

    logits = material_logits(
        vision_model, MATERIALS, hidden=vision.hidden, features=np.stack(list(rows["features"]))
    )
    temperature = float(np.asarray(vision_model["temperature"]).item())
    together = np.log(softmax(logits).mean(axis=0).clip(1e-12))
    probabilities = softmax(together, temperature)
    rows["softmax"], rows["energy"] = by_softmax(probabilities), by_energy(logits.mean(axis=0))
    return probabilities


def _threshold(rows: pd.DataFrame, method: str, false_alarms: float) -> float:
    validation = rows.loc[rows["waste"] & (rows["part"] == "val"), method]
    return float(np.quantile(validation, 1 - false_alarms))


def _score(rows: pd.DataFrame, method: str, params: NoveltyParams) -> MethodScore:
    values = {
        (part, waste): group.rename(columns={method: "score"})
        for (part, waste), group in rows[["part", "waste", "original", method]].groupby(["part", "waste"])
    }
    photographs, others = values["test", True]["score"].to_numpy(), values["test", False]
    threshold = _threshold(rows, method, params.false_alarms)
    low, high = auroc_interval(photographs, others, params.draws, params.seed)
    return MethodScore(
        auroc_calibration=round(
            auroc(values["val", True]["score"].to_numpy(), values["calibration", False]["score"].to_numpy()),
            5,
        ),
        auroc_test=round(auroc(photographs, others["score"].to_numpy()), 5),
        auroc_low=round(low, 5),
        auroc_high=round(high, 5),
        detected=round(float((others["score"] > threshold).mean()), 5),
        false_alarms=round(float((photographs > threshold).mean()), 5),
    )
