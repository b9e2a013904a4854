"""Figures of the three time scales: songs, albums, careers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREY, INK, PALE, VERMILION, label_once, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def songs(figure: Figure, curves: pd.DataFrame, chosen: list[int]) -> None:
    """Draw the rated tenths and the model's curve of a few songs, calm to varied."""
    for axes, song in zip(panels(figure, len(chosen), sharey=True), chosen, strict=True):
        rows = curves[curves["song_id"] == song]
        error = 1.96 * np.hypot(rows["curve_sd"], rows["noise_sd"])
        axes.fill_between(rows["part"], rows["curve"] - error, rows["curve"] + error, color=PALE, linewidth=0)
        axes.plot(rows["part"], rows["curve"], color=BLUE, label="model")
        axes.plot(rows["part"], rows["observed"], "o", color=VERMILION, markersize=3.5, label="rated")
        axes.set_title(f"song {song}")
        axes.set_xlabel("tenth of the excerpt")
    axes.legend(loc="best")


def albums(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the coherence of albums compared with that of shuffled songs."""
    names = list(dict.fromkeys(table["modality"]))
    places = panels(figure, len(names))
    places[0].set_ylabel("albums")
    for axes, name in zip(places, names, strict=True):
        rows = table[table["modality"] == name]
        edges = np.linspace(0, max(rows["coherence"].max(), rows["shuffled"].max()), 40).tolist()
        axes.hist(rows["coherence"], edges, color=BLUE, alpha=0.8, label="albums")
        axes.hist(
            rows["shuffled"], edges, histtype="step", color=VERMILION, linewidth=1.6, label="shuffled songs"
        )
        axes.set_title({"audio": "sound", "lyrics": "lyrics"}[name])
        axes.set_xlabel("share that the album explains")
    places[0].legend(loc="upper right")


def careers(figure: Figure, courses: pd.DataFrame, chosen: list[int]) -> None:
    """Draw yearly means, smooth courses, and forecasts of later years."""
    for axes, artist in zip(panels(figure, len(chosen), sharey=True), chosen, strict=True):
        rows = courses[courses["artist_id"] == artist]
        low, high = (rows["course"] + sign * 1.96 * rows["course_sd"] for sign in (-1, 1))
        axes.fill_between(rows["year"], low, high, color=PALE, linewidth=0)
        axes.plot(rows["year"], rows["course"], color=BLUE, label="course")
        axes.errorbar(
            rows["year"], rows["observed"], 1.96 * rows["sampling_sd"], fmt="o", markersize=3, color=GREY,
            elinewidth=0.7, label="yearly mean",
        )  # fmt: skip
        later = rows[rows["future"]]
        axes.errorbar(
            later["year"], later["forecast"], 1.96 * later["forecast_sd"], fmt="D", markersize=3.5,
            color=VERMILION, elinewidth=0.9, label="forecast",
        )  # fmt: skip
        axes.set_title(str(rows["artist"].iloc[0]), color=INK)
        axes.set_ylim(-0.1, 1.1)
    label_once(axes, ncols=1, loc="lower left", bbox_to_anchor=(0, 0))
