"""Section of the report on photographs: how often the material is found, and how sure one can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.releaf.photographs.scores import OwnPictures, VisionSummary
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
)  # fmt: skip
from tasks.report.drawing import BLUE, GREY, INK, svg

if TYPE_CHECKING:
    import matplotlib.figure

BINS = 10


def verdict(vision: VisionSummary) -> str:
    """Accuracy, its interval and the calibration in a sentence."""
    test = vision.test
    change = "falls" if test.ece < test.ece_raw else "does not fall"
    return (
        f"The material on a photograph is found in {share(test.accuracy)} of {count(vision.photos['test'])} "
        f"test photographs ({share(test.accuracy_low)} to {share(test.accuracy_high)}); after calibration "
        "the "
        f"error of its confidence {change} from {test.ece_raw:.3f} to {test.ece:.3f}."
    )


def photographs(
    scores: pd.DataFrame, confusion: pd.DataFrame, predictions: pd.DataFrame, vision: VisionSummary
) -> Section:
    """Accuracy, classes, confusion, calibration, seeds, bins."""
    own = scores[(scores["split"] == "test") & (scores["model"] == "all")]
    blocks: list[Block] = [
        Prose(
            f"{vision.backbone}, from {vision.tier}; {count(vision.parameters_trained)} parameters trained "
            "on "
            f"{count(vision.photos['train'])} photographs, stopped and calibrated on "
            f"{count(vision.photos['val'])}."
        ),
        Prose(f"{verdict(vision)} {_worst(own, confusion)}"),
        _quality(vision),
        _classes(own),
        _figure(confusion, predictions[predictions["split"] == "test"]),
        _seeds(vision),
        _bins(vision),
        *([] if vision.own is None else _own(vision.own)),
        Prose(_limits(vision)),
    ]
    return Section("photographs", "What a photograph shows", tuple(blocks))


def _worst(own: pd.DataFrame, confusion: pd.DataFrame) -> str:
    worst = own.loc[own["recall"].idxmin()]
    mixed = confusion[(confusion["label"] == worst["material"]) & (confusion["found"] != worst["material"])]
    taken = mixed.loc[mixed["photos"].idxmax()]
    text = f"Hardest is {worst['material']}: {share(worst['recall'])} of {count(worst['photos'])} are found"
    return text + (f", most of the others are taken for {taken['found']}." if taken["photos"] else ".")


def _quality(vision: VisionSummary) -> Grid:
    rows = [
        (
            name, f"{one.accuracy:.3f}", f"{one.accuracy_low:.3f} to {one.accuracy_high:.3f}",
            f"{one.log_loss_raw:.3f}", f"{one.log_loss:.3f}", f"{one.ece_raw:.3f}", f"{one.ece:.3f}",
        )
        for name, one in (("validation", vision.validation), ("test", vision.test))
    ]  # fmt: skip
    return grid(
        f"All seeds together, before and after a temperature of {vision.test.temperature:.3f} that was "
        "fitted on "
        "the validation split. ECE: expected calibration error.",
        ("split", "accuracy", "95% interval", "log loss before", "after", "ECE before", "after"),
        rows,
    )


def _classes(own: pd.DataFrame) -> Grid:
    return grid(
        "Each material, on the test split.",
        ("material", "photographs", "precision", "recall", "F1"),
        [
            (row.material, count(row.photos), f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}")
            for row in own.itertuples()
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
        "Test photographs whose found material leads to the same bin as the true one.",
        ("city", "right bin"),
        [(city, f"{value:.3f}") for city, value in sorted(vision.bin_accuracy.items())],
    )


def _own(own: OwnPictures) -> list[Block]:
    kept = joined(f"{count(number)} {split}" for split, number in sorted(own.kept.items()) if number)
    text = (
        f"Own pictures, {plural(own.files, 'file')} of {own.folder}: {kept}; {len(own.rejected)} set aside."
    )
    if own.accuracy is not None:
        text += f" Of {count(own.tested)} kept for a test the material of {share(own.accuracy)} is found."
    if own.item_accuracy is not None:
        text += (
            f" The item of {share(own.item_accuracy)} of {count(own.items_tested)} is found, among "
            f"{joined(own.items)}."
        )
    if not own.rejected:
        return [Prose(text)]
    return [
        Prose(text),
        grid(
            "Own pictures that were set aside.", ("file", "reason"), sorted(own.rejected.items()), text=(1,)
        ),
    ]


def _limits(vision: VisionSummary) -> str:
    off = [f"{name} ({why})" for name, why in vision.heads_off.items()]
    heads = f" Heads that are off: {joined(off)}." if off else ""
    return (
        "Where it ends: each photograph shows one clean thing on a plain ground; a kitchen does not. "
        "Materials are "
        f"not bins: the bin comes from {vision.bin_from}.{heads}"
    )


def _figure(confusion: pd.DataFrame, tested: pd.DataFrame) -> Figure:
    counts = confusion.pivot(index="label", columns="found", values="photos")
    curve = reliability(tested)
    pictures = (
        Picture(
            svg("photographs-confusion", (4.2, 3.9),
                f"Confusion matrix of {len(counts)} materials; {np.trace(counts.to_numpy())} of "
                f"{counts.to_numpy().sum()} on the diagonal.", lambda figure: draw_confusion(figure, counts)),
            title="True material (rows) and found (columns)",
        ),
        Picture(
            svg("photographs-reliability", (4.2, 3.9),
                f"Share right against stated confidence in {len(curve)} groups of test photographs.",
                lambda figure: draw_reliability(figure, curve)),
            title="How far a stated confidence holds",
        ),
    )  # fmt: skip
    return Figure(
        pictures,
        f"Left: photographs of the test split by true and found material. Right: share of right answers "
        f"against the calibrated confidence, in {len(curve)} groups of width {1 / BINS:g}; on the line it "
        f"holds. n = {count(len(tested))}; larger points stand for more photographs.",
        tile=22,
    )


def reliability(tested: pd.DataFrame) -> pd.DataFrame:
    """Mean confidence, share right and number of photographs in groups of equal width without the empty."""
    group = np.minimum((tested["confidence"] * BINS).astype(int), BINS - 1)
    right = tested["label"] == tested["found"]
    table = tested.assign(right=right.astype(float)).groupby(group.rename("group"))
    return table.agg(confidence=("confidence", "mean"), right=("right", "mean"), photos=("right", "size"))


def draw_confusion(figure: matplotlib.figure.Figure, counts: pd.DataFrame) -> None:
    """Counts in a grid, darker where a larger share of the row lies."""
    axes = figure.subplots()
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    edges = np.arange(len(counts) + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0, vmax=1.3)  # paths, where imshow embeds a PNG
    axes.set_aspect("equal")
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, str(value), ha="center", va="center", color=INK, fontsize=8.5)
    axes.set_xticks(range(len(counts)), counts.columns, rotation=35, ha="right")
    axes.set_yticks(range(len(counts)), counts.index)
    axes.grid(False)


def draw_reliability(figure: matplotlib.figure.Figure, curve: pd.DataFrame) -> None:
    """Share right against confidence."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1)
    sizes = 15 + 120 * curve["photos"] / curve["photos"].max()
    axes.scatter(curve["confidence"], curve["right"], s=sizes, color=BLUE, zorder=3)
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.05))
