"""Section on photos: recognition of the material, and its calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.releaf.contracts.report import VisionResults
from tasks.releaf.photographs.scores import OwnPicturesSummary, VisionSummary
from tasks.report.blocks import (
    Block,
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    plural,
    share,
)
from tasks.report.drawing import BLUE, GREY, INK, svg

if TYPE_CHECKING:
    import matplotlib.figure

BINS = 10
INPUTS = {"features": "precomputed features", "photographs": "photographs"}


def finding(vision: VisionSummary) -> str:
    """Return the accuracy with its interval, and the calibration error."""
    return f"Photos: {_accuracy(vision)}"


def section(results: VisionResults) -> Section:
    """Return the accuracy, classes, confusion, calibration, seeds and bins."""
    vision, scores, predictions = results.vision, results.vision_scores, results.vision_predictions
    classes = scores[(scores["split"] == "test") & (scores["model"] == "all")]
    accuracy = _accuracy(vision)
    blocks: list[Block] = [
        Prose(
            f"The classifier uses {vision.backbone}, trained on {INPUTS[vision.tier]}. It has "
            f"{count(vision.parameters_trained)} trained parameters and "
            f"{count(vision.photos['train'])} training photos; {count(vision.photos['val'])} validation "
            "photos decide when training stops and set the calibration."
        ),
        Prose(f"{accuracy[0].upper()}{accuracy[1:]} {_worst(classes, results.vision_confusion)}"),
        _quality(vision),
        _classes(classes),
        _figure(results.vision_confusion, predictions[predictions["split"] == "test"]),
        _seeds(vision),
        _bins(vision),
        *([] if vision.own is None else _own(vision.own)),
        Prose(_limits(vision)),
    ]
    return Section(
        "photographs",
        "Recognising the material in a photo",
        tuple(blocks),
        "Accuracy by material, and how far the confidence can be trusted.",
    )


def _accuracy(vision: VisionSummary) -> str:
    test = vision.test
    change = "falls" if test.ece < test.ece_raw else "does not fall"
    return (
        f"the assistant recognises the material in {share(test.accuracy)} of {count(vision.photos['test'])} "
        f"test photos ({share(test.accuracy_low)} to {share(test.accuracy_high)}). Calibration: the error of "
        f"its confidence {change} from {test.ece_raw:.3f} to {test.ece:.3f}."
    )


def _worst(classes: pd.DataFrame, confusion: pd.DataFrame) -> str:
    worst = classes.loc[classes["recall"].idxmin()]
    errors = confusion[(confusion["label"] == worst["material"]) & (confusion["found"] != worst["material"])]
    commonest = errors.loc[errors["photos"].idxmax()]
    text = (
        f"The hardest material is {worst['material']}: {share(worst['recall'])} of {count(worst['photos'])} "
    )
    text += "photos are recognised"
    return text + (f", most others are classified as {commonest['found']}." if commonest["photos"] else ".")


def _quality(vision: VisionSummary) -> Grid:
    rows = [
        (
            name,
            f"{quality.accuracy:.3f}",
            f"{quality.accuracy_low:.3f} to {quality.accuracy_high:.3f}",
            f"{quality.log_loss_raw:.3f}",
            f"{quality.log_loss:.3f}",
            f"{quality.ece_raw:.3f}",
            f"{quality.ece:.3f}",
        )
        for name, quality in (("validation", vision.validation), ("test", vision.test))
    ]
    return grid(
        "Averaged probabilities of all seeds, before and after a temperature of "
        f"{vision.test.temperature:.3f} that was fitted on the validation split. ECE: expected calibration "
        "error.",
        ("split", "accuracy", "95% interval", "log loss before", "after", "ECE before", "after"),
        rows,
    )


def _classes(classes: pd.DataFrame) -> Grid:
    return grid(
        "Each material on the test split.",
        ("material", "photos", "precision", "recall", "F1"),
        [
            (row.material, count(row.photos), f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}")
            for row in classes.itertuples()
        ],
    )


def _seeds(vision: VisionSummary) -> Grid:
    singles = zip(vision.accuracy_seeds, vision.best_epochs, strict=True)
    return grid(
        f"Each seed alone on the test split: mean {vision.accuracy_seeds_mean:.3f}, standard deviation "
        f"{vision.accuracy_seeds_sd:.3f}; their averaged probabilities reach {vision.test.accuracy:.3f}.",
        ("run", "accuracy", "best epoch"),
        [(f"seed {k}", f"{value:.3f}", count(epoch)) for k, (value, epoch) in enumerate(singles, start=1)],
    )


def _bins(vision: VisionSummary) -> Grid:
    return grid(
        "Test photos whose recognised material has the same bin as the true one.",
        ("city", "right bin"),
        [(city, f"{value:.3f}") for city, value in sorted(vision.bin_accuracy.items())],
    )


def _own(own: OwnPicturesSummary) -> list[Block]:
    kept = joined(f"{count(number)} {split}" for split, number in sorted(own.kept.items()) if number)
    files = f"{plural(own.files, 'file')} in {own.folder}"
    text = f"Your own pictures, {files}: {kept}; {len(own.rejected)} rejected."
    if own.accuracy is not None:
        text += f" The material of {share(own.accuracy)} of {count(own.tested)} test pictures is recognised."
    if own.item_accuracy is not None:
        text += (
            f" The item of {share(own.item_accuracy)} of {count(own.items_tested)} is recognised, among "
            f"{joined(own.items)}."
        )
    if not own.rejected:
        return [Prose(text)]
    return [
        Prose(text),
        grid("Rejected pictures of your own.", ("file", "reason"), sorted(own.rejected.items()), text=(1,)),
    ]


def _limits(vision: VisionSummary) -> str:
    off = [f"{name} ({why})" for name, why in vision.heads_off.items()]
    heads = f" Heads that are off: {joined(off)}." if off else ""
    return (
        "Limits: each photo shows one clean item on a plain background, unlike a kitchen. A material is not "
        f"a bin: the bin comes from {vision.bin_from}.{heads}"
    )


def _figure(confusion: pd.DataFrame, tested: pd.DataFrame) -> Figure:
    counts = confusion.pivot(index="label", columns="found", values="photos")
    curve = reliability(tested)
    pictures = (
        Picture(
            svg("photographs-confusion", (4.2, 3.9),
                f"Confusion matrix of {len(counts)} materials; {np.trace(counts.to_numpy())} of "
                f"{counts.to_numpy().sum()} on the diagonal.", lambda figure: draw_confusion(figure, counts)),
            title="True material (rows) and recognised material (columns)",
        ),
        Picture(
            svg("photographs-reliability", (4.2, 3.9),
                f"Share of right answers against confidence in {len(curve)} groups of test photos.",
                lambda figure: draw_reliability(figure, curve)),
            title="Reliability of the confidence",
        ),
    )  # fmt: skip
    return Figure(
        pictures,
        "Left: test photos by true and recognised material. Right: share of right answers against the "
        f"calibrated confidence in {len(curve)} groups of width {1 / BINS:g}; on the line, both are equal. "
        f"n = {count(len(tested))}; larger points stand for more photos.",
        tile=22,
    )


def reliability(tested: pd.DataFrame) -> pd.DataFrame:
    """Return mean confidence, share right and number of photos by confidence."""
    group = np.minimum((tested["confidence"] * BINS).astype(int), BINS - 1)
    right = tested["label"] == tested["found"]
    table = tested.assign(right=right.astype(float)).groupby(group.rename("group"))
    return table.agg(confidence=("confidence", "mean"), right=("right", "mean"), photos=("right", "size"))


def draw_confusion(figure: matplotlib.figure.Figure, counts: pd.DataFrame) -> None:
    """Draw the counts as a grid; a darker cell holds a larger share of its row.

    The scale ends far above 1, so that the text has contrast in every cell.
    """
    axes = figure.subplots()
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    edges = np.arange(len(counts) + 1) - 0.5
    axes.pcolormesh(
        edges, edges, shares, cmap="Blues", vmin=0, vmax=2.2
    )  # pcolormesh draws paths; imshow embeds a PNG
    axes.set_aspect("equal")
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, str(value), ha="center", va="center", color=INK, fontsize=8.5)
    axes.set_xticks(range(len(counts)), counts.columns, rotation=35, ha="right")
    axes.set_yticks(range(len(counts)), counts.index)
    axes.grid(False)


def draw_reliability(figure: matplotlib.figure.Figure, curve: pd.DataFrame) -> None:
    """Draw the share of right answers against confidence."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1)
    sizes = 15 + 120 * curve["photos"] / curve["photos"].max()
    axes.scatter(curve["confidence"], curve["right"], s=sizes, color=BLUE, zorder=3)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.05))
