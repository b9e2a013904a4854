"""Figures of what happened when: music as a whole, careers, and paths through the emotion plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.emotion.figures import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    PALE,
    TIME,
    VERMILION,
    label_once,
    standard_error,
    typical_spread,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v")


def music(
    figure: Figure, years: pd.DataFrame, changes: dict[str, pd.DataFrame], marked: Sequence[int]
) -> None:
    """Yearly means of one source; below, the posterior of a change in levels and in innovations."""
    tall, *flat = figure.subplots(1 + len(changes), 1, sharex=True, height_ratios=[3, *[1] * len(changes)])
    for place, (dimension, colour) in enumerate(COLOURS.items()):
        if dimension == "loudness":
            continue
        mean = years[f"{dimension}_mean"].to_numpy(float)
        error = 1.96 * standard_error(years, dimension, typical_spread(years, dimension))
        tall.fill_between(years["year"], mean - error, mean + error, color=colour, alpha=0.18, linewidth=0)
        tall.plot(
            years["year"], mean, color=colour, label=dimension, marker=MARKERS[place], markersize=2.6,
            linewidth=1.3,
        )  # fmt: skip
    tall.set_ylim(0, 1)
    tall.set_ylabel("yearly mean")
    label_once(tall)
    for axes, (name, rows) in zip(flat, changes.items(), strict=True):
        posterior(axes, rows)
        axes.set_ylabel(f"P(change)\n{name}", fontsize=8)
    for axes in (tall, *flat):
        for year in marked:
            axes.axvline(year, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    for year in marked:
        tall.text(year, 0.01, f" {year}", fontsize=7.5, color=INK, ha="left", va="bottom")


def posterior(axes: Axes, rows: pd.DataFrame) -> None:
    """Bars of the probability that a new stretch begins in a year; dark where the best division cuts."""
    colours = np.where(rows["is_map"], INK, "#8d98a3")
    axes.bar(rows["year"], rows["probability"], width=0.85, color=colours, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])


def career(
    figure: Figure, rows: pd.DataFrame, changes: pd.DataFrame, dimensions: Sequence[str], typical: dict[str, float]
) -> None:
    """One artist: yearly means with error bars, means of the stretches, and the posterior below."""
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for place, dimension in enumerate(dimensions):
        colour = COLOURS.get(dimension, GREY)
        error = 1.96 * standard_error(rows, dimension, typical[dimension])
        for reissue, part in rows.assign(error=error).groupby("reissue"):
            top.errorbar(
                part["year"], part[f"{dimension}_mean"], part["error"], fmt=MARKERS[place], markersize=4,
                color=colour, elinewidth=0.9, alpha=0.45 if reissue else 1,
                markerfacecolor="white" if reissue else colour, label=None if reissue else dimension,
            )  # fmt: skip
        if f"{dimension}_regime" in changes:
            top.plot(
                changes["year"], changes[f"{dimension}_regime"], color=colour, linewidth=3.5, alpha=0.3,
                drawstyle="steps-mid",
            )  # fmt: skip
    top.set_ylim(0, 1)
    label_once(top)
    bottom.set_ylabel("P(change)", fontsize=8)
    bottom.set_ylim(0, 1)
    bottom.set_yticks([0, 0.5, 1])
    if len(changes):
        posterior(bottom, changes)
    else:
        bottom.text(0.5, 0.5, "too few years to look for changes", transform=bottom.transAxes, ha="center",
                    va="center", color=GREY)  # fmt: skip
    _whole_years(bottom)


def _whole_years(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=3))


def plane(figure: Figure, rows: pd.DataFrame, steps: int, years: tuple[int, int]) -> None:
    """Path through the plane: single years faint, means of spans of years bold, coloured by time."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    axes = figure.subplots()
    colour, time = colormaps[TIME], Normalize(*years)
    _corners(axes)
    axes.scatter(
        rows["energy_mean"], rows["valence_mean"], s=7, color=colour(time(rows["year"])), alpha=0.45, linewidths=0
    )
    path = spans(rows, steps)
    points = path[["energy_mean", "valence_mean"]].to_numpy(float)
    for before, after, year in zip(points[:-1], points[1:], path["year"].iloc[1:], strict=True):
        axes.annotate(
            "", after, before,
            arrowprops={"arrowstyle": "-|>", "color": colour(time(year)), "linewidth": 1.6, "shrinkA": 3,
                        "shrinkB": 3, "mutation_scale": 9},
        )  # fmt: skip
    axes.scatter(points[:, 0], points[:, 1], s=34, color=colour(time(path["year"])), edgecolors="white", zorder=3)
    for place in sorted({0, len(path) - 1}):
        axes.annotate(
            path["label"].iloc[place], points[place], xytext=(5, 5 if place == 0 else -11),
            textcoords="offset points", fontsize=8, fontweight="bold", zorder=4,
        )  # fmt: skip
    _square(axes)


def _corners(axes: Axes) -> None:
    axes.axhline(0.5, color=PALE, linewidth=1)
    axes.axvline(0.5, color=PALE, linewidth=1)
    for x, y, word in (
        (0.02, 0.98, "calm, glad"),
        (0.98, 0.98, "lively, glad"),
        (0.02, 0.02, "calm, sad"),
        (0.98, 0.02, "lively, tense"),
    ):
        side, end = ("left" if x < 0.5 else "right"), ("top" if y > 0.5 else "bottom")
        axes.text(x, y, word, ha=side, va=end, color=GREY, fontsize=8, style="italic")


def _square(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="energy", ylabel="valence")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(False)


def spans(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Song-weighted means over spans of equally many years, at most `steps` of them."""
    first, last = int(rows["year"].min()), int(rows["year"].max())
    length = max(1, -(-(last - first + 1) // steps))
    span = (rows["year"] - first) // length
    found = []
    for _, part in rows.groupby(span):
        low, high = int(part["year"].min()), int(part["year"].max())
        means = {
            name: np.average(part[name], weights=part["n_songs"]) for name in ("energy_mean", "valence_mean")
        }
        found.append({"year": (low + high) / 2, "label": f"{low}–{high % 100:02d}" if high > low else f"{low}", **means})
    return pd.DataFrame(found)


def time_scale(figure: Figure, years: tuple[int, int]) -> None:
    """The colours of the years, once for all planes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.subplots()
    figure.colorbar(ScalarMappable(Normalize(*years), TIME), cax=axes, orientation="horizontal", label="year")
    axes.grid(False)


def forecasts_over_time(figure: Figure, rows: pd.DataFrame, dimension: str, z: float, test_from: float) -> None:
    """One artist: what was measured, and what had been forecast from the years before."""
    axes = figure.subplots()
    axes.axvspan(test_from - 0.5, max(rows["time"].max() + 0.5, test_from), color="#f1f3f5", linewidth=0)
    axes.errorbar(
        rows["time"], rows["forecast"], z * rows["sd"], fmt="_", markersize=8, color=VERMILION, elinewidth=0.9,
        alpha=0.85, label="forecast",
    )  # fmt: skip
    axes.plot(rows["time"], rows["truth"], "o", markersize=3.6, color=BLUE, label="measured")
    axes.set_ylim(0, 1)
    axes.set_xlim(rows["time"].min() - 1, rows["time"].max() + 1)
    axes.set_ylabel(dimension)
    label_once(axes)
    _whole_years(axes)
