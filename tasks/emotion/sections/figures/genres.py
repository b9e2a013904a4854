"""Chart of the sound of genres by decade."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.emotion.forecast.targets import TARGETS
from tasks.report.charts import Chart, columns

DIMENSIONS = TARGETS["audio"]
ALL = "All genres"
GENRES = 10
"""Genres with a row of their own, those with most artists."""
LEAST_ARTISTS = 5
"""Artists below which a cell is left empty: its mean would be that of a few careers."""


def by_genre_and_decade(artists: pd.DataFrame, careers: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over artists of each genre, decade and measure.

    Returns
    -------
    pandas.DataFrame
        Columns genre, decade, measure, value, low, high (95 % interval over artists), artists, songs;
        the genre `ALL` first, then by the number of artists.
    """
    rows = careers[~careers["reissue"]]
    rows = rows.assign(
        decade=rows["year"] // 10 * 10,
        genre=rows["artist_id"].map(artists.set_index("artist_id")["genre"]),
    )
    known = rows[rows["genre"].notna() & (rows["genre"] != "Unknown")]
    sizes = known.groupby("genre")["artist_id"].nunique()
    drawn = sorted(sizes.index, key=lambda genre: (-sizes[genre], genre))[:GENRES]
    parts = [
        _cells(rows.assign(genre=ALL)), *(_cells(known[known["genre"] == genre]) for genre in drawn),
    ]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    place = {name: k for k, name in enumerate(DIMENSIONS)}
    order = table.assign(place=table["measure"].map(place)).sort_values("place", kind="stable")
    return order.drop(columns="place").reset_index(drop=True)


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of one genre with enough artists."""
    keys = ["genre", "decade", "artist_id"]
    songs = rows.groupby(keys)["n_songs"].sum()
    tables = []
    for name in DIMENSIONS:
        weighted = (rows[f"{name}_mean"] * rows["n_songs"]).groupby([rows[key] for key in keys]).sum() / songs
        cells = weighted.groupby(["genre", "decade"]).agg(value="mean", spread="std", artists="size")
        half = 1.96 * cells["spread"] / np.sqrt(cells["artists"])
        cells = cells.assign(measure=name, low=cells["value"] - half, high=cells["value"] + half)
        cells = cells.assign(songs=songs.groupby(["genre", "decade"]).sum())
        tables.append(cells[cells["artists"] >= LEAST_ARTISTS].drop(columns="spread").reset_index())
    return pd.concat(tables, ignore_index=True)


def chart(table: pd.DataFrame, alt: str) -> Chart:
    """Return the chart; radio buttons choose the measure."""
    genres = list(dict.fromkeys(table["genre"]))
    x = {"field": "decade", "type": "ordinal", "title": None, "axis": {"labelAngle": 0, "grid": False,
         "labelFontSize": 10, "labelOverlap": False}}  # fmt: skip
    y = {"field": "genre", "type": "nominal", "sort": genres, "title": None,
         "axis": {"grid": False, "labelLimit": 90}}  # fmt: skip
    spec = {
        "data": {"name": "cells"},
        "params": [
            {
                "name": "measure",
                "value": DIMENSIONS[0],
                "bind": {"input": "radio", "options": list(DIMENSIONS), "name": "Measure"},
            }
        ],
        "transform": [{"filter": "datum.measure === measure"}],
        "layer": [
            {
                "mark": {"type": "rect", "cursor": "pointer", "stroke": "var(--paper)", "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {
                        "field": "value",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"zero": False},
                    },
                    "tooltip": [
                        {"field": name, "type": "nominal"}
                        for name in ("genre", "decade", "value", "low", "high", "artists", "songs")
                    ],
                },
            },
            {
                "transform": [{"calculate": "round(100 * datum.value)", "as": "text"}],
                "mark": {"type": "text", "fontSize": 12, "fill": "var(--ink)", "cursor": "pointer"},
                "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }
    height = 30 * len(genres)
    data = {"cells": columns(table, 3)}
    return Chart("genres", spec | {"height": height}, alt, data, height + 90)
