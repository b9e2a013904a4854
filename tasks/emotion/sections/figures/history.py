"""Figures over time: music as a whole, careers, paths in the emotion plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import GREY, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v")


def plane(figure: Figure, rows: pd.DataFrame, path: pd.DataFrame, window: tuple[float, float]) -> None:
    """Draw a path through the plane: pale years, and groups of years with errors."""
    from matplotlib import colormaps

    axes = figure.subplots()
    first, last = rows["year"].min(), rows["year"].max()

    def shade(year: pd.Series | float) -> np.ndarray:
        # The light end of the scale is invisible on white.
        return colormaps["viridis"](0.86 * (np.asarray(year, float) - first) / max(last - first, 1))

    _corners(axes, *window)
    axes.scatter(
        rows["energy_mean"], rows["valence_mean"], s=8, color=shade(rows["year"]), alpha=0.4, linewidths=0
    )
    points = path[["energy_mean", "valence_mean"]].to_numpy(float)
    x, y = points.T
    axes.errorbar(
        x, y, 1.96 * path["valence_error"], 1.96 * path["energy_error"], fmt="none", ecolor="#aab2ba",
        elinewidth=0.8, zorder=1,
    )  # fmt: skip
    for before, after, year in zip(points[:-1], points[1:], path["year"].iloc[1:], strict=True):
        axes.annotate(
            "", after, before,
            arrowprops={"arrowstyle": "-|>", "color": shade(year), "linewidth": 1.6, "shrinkA": 3,
                        "shrinkB": 3, "mutation_scale": 9},
        )  # fmt: skip
    axes.scatter(x, y, s=34, color=shade(path["year"]), edgecolors="white", zorder=3)
    _ends(axes, path, points)
    axes.set(xlim=window, ylim=window, aspect="equal", xlabel="energy", ylabel="valence")
    axes.grid(False)


def _ends(axes: Axes, path: pd.DataFrame, points: np.ndarray) -> None:
    """Label the first and the last group with their dates.

    The label of the higher one is above its point.
    """
    above = points[0, 1] >= points[-1, 1]
    for index, up in {0: above, len(path) - 1: not above}.items():
        axes.annotate(
            path["label"].iloc[index], points[index], xytext=(0, 9 if up else -16), ha="center",
            textcoords="offset points", fontsize=8.5, fontweight="bold", zorder=5,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
        )  # fmt: skip


def _corners(axes: Axes, low: float, high: float) -> None:
    if low < 0.5 < high:
        axes.axhline(0.5, color=PALE, linewidth=1)
        axes.axvline(0.5, color=PALE, linewidth=1)
    inset = 0.02 * (high - low)
    for right, top, word in (
        (0, 1, "calm, glad"),
        (1, 1, "lively, glad"),
        (0, 0, "calm, sad"),
        (1, 0, "tense"),
    ):
        axes.text(
            high - inset if right else low + inset, high - inset if top else low + inset, word,
            ha="right" if right else "left", va="top" if top else "bottom", color=GREY, fontsize=8.5,
            style="italic",
        )  # fmt: skip


def spans(rows: pd.DataFrame, steps: int, typical: dict[str, float]) -> pd.DataFrame:
    """Average at most `steps` groups of years with about equally many songs."""
    rows = rows.sort_values("year")
    means = []
    for _, part in rows.groupby(_groups(rows["n_songs"].to_numpy(float), steps)):
        low, high, total = int(part["year"].min()), int(part["year"].max()), part["n_songs"].sum()
        label = f"{low}–{str(high)[2:] if low // 100 == high // 100 else high}" if high > low else f"{low}"
        row = {"year": (low + high) / 2, "label": label, "n_songs": int(total)}
        for name in ("energy", "valence"):
            row[f"{name}_mean"] = np.average(part[f"{name}_mean"], weights=part["n_songs"])
            row[f"{name}_error"] = typical[name] / np.sqrt(total)
        means.append(row)
    return pd.DataFrame(means)


def _groups(songs: np.ndarray, steps: int) -> np.ndarray:
    """Return the group of each year; a group is full at a `steps`-th of all songs."""
    full, group, count = songs.sum() / steps, 0, 0.0
    groups = np.zeros(len(songs), dtype=int)
    for index, number in enumerate(songs):
        groups[index] = group
        count += number
        if count >= full:
            group, count = group + 1, 0.0
    # A small remainder joins the last full group.
    if 0 < count < full / 2 and group:
        groups[groups == group] = group - 1
    return groups
