"""Data of the picker: all artists in columns of small integers.

Values of the four dimensions are in thousandths, their errors in units of ``1 / ERRORS``. Rows of a table
are sorted by artist and year; ``counts`` holds the rows of each artist, so that a script cuts the columns
without an index. Columns in ``coded`` are differences to the row before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.emotion.contracts.tables import AUDIO
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.forecast.targets import TARGETS
from tasks.emotion.picker.changes import most_probable_changes
from tasks.emotion.sections.figures.style import standard_error, typical_spread

DIMENSIONS = TARGETS["audio"]
SPLITS = ("train", "validation", "test")
NEIGHBOURS = 8
"""Artists listed as the most similar ones."""
ERRORS = 250
"""Errors are rounded to a 250th, the height of a pixel in the charts."""
PLAIN = ("counts", "first", "songs", "flag", "split")
"""Columns that differences would not shorten."""
LEAST_PROBABILITY = 0.005
"""Smallest probability of a change that the page keeps: less rounds to 0 %."""

Columns = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """Tables that the picker reads, as the stages wrote them."""

    artists: pd.DataFrame
    careers: pd.DataFrame
    years: pd.DataFrame
    influence: pd.DataFrame
    states: pd.DataFrame
    changes: pd.DataFrame
    career_tests: pd.DataFrame
    forecasts: pd.DataFrame


def picker_data(catalogue: Catalogue) -> Columns:
    """Return the data of the picker for JSON.

    Keys: `artists`, one entry per artist with a career, in order of the name; `years`, `states`, `changes`
    and `forecasts`, tables with `counts`; `music`, yearly means of all music.
    """
    artists = careers_by_name(catalogue)
    ids = artists["artist_id"].tolist()
    return {
        "artists": _artists(artists, catalogue),
        "years": differences(_years(ids, catalogue.careers)),
        "states": differences(_states(ids, catalogue.states)),
        "changes": _changes(ids, catalogue.changes),
        "forecasts": differences(_forecasts(ids, catalogue.forecasts)),
        "music": _music(catalogue.years),
    }


def careers_by_name(catalogue: Catalogue) -> pd.DataFrame:
    """Return the rows of `artists` that have a career, in order of the name."""
    known = catalogue.artists[catalogue.artists["artist_id"].isin(catalogue.careers["artist_id"])]
    order = known.assign(key=known["artist"].str.casefold()).sort_values(["key", "artist_id"])
    return order.drop(columns="key").reset_index(drop=True)


def mean_sound(careers: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of all songs of each artist, one column per audio measure.

    Years that may be reissues count only for an artist that has no other years.
    """
    own = careers.groupby("artist_id")["reissue"].transform("all")
    used = careers[~careers["reissue"] | own]
    present = [name for name in AUDIO if f"{name}_mean" in used]
    songs = used["n_songs"].to_numpy(float)[:, None]
    total = used[[f"{name}_mean" for name in present]].mul(songs).groupby(used["artist_id"]).sum()
    total = total.div(used.groupby("artist_id")["n_songs"].sum(), axis=0)
    return total.set_axis(present, axis="columns")


def nearest(sound: pd.DataFrame, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows nearest to each row, and their distances.

    The distance is Euclidean, divided by the root of the number of measures, where each measure is in
    standard deviations over artists: 1 is one standard deviation in every measure.

    Returns
    -------
    rows : (n, min(number, n - 1)) int
    distances : as rows
    """
    spread = sound.std(ddof=0).replace(0, 1)
    scaled = ((sound - sound.mean()) / spread).to_numpy(float)
    squares = (scaled**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * scaled @ scaled.T, 0))
    np.fill_diagonal(distance, np.inf)
    rows = np.argsort(distance, axis=1, kind="stable")[:, : min(number, len(sound) - 1)]
    return rows, np.take_along_axis(distance, rows, axis=1) / np.sqrt(scaled.shape[1])


def differences(table: Columns) -> Columns:
    """Replace values by their differences to the row before of the same artist.

    Differences have fewer digits. A missing value stays missing. `coded` lists the columns.
    """
    coded = [name for name in table if name not in PLAIN]
    starts = set(np.cumsum([0, *table["counts"]]).tolist())
    out: Columns = {**table, "coded": coded}
    for name in coded:
        before, column = 0, []
        for k, value in enumerate(table[name]):
            if k in starts:
                before = 0
            column.append(None if value is None else value - before)
            before = before if value is None else value
        out[name] = column
    return out


def _artists(artists: pd.DataFrame, catalogue: Catalogue) -> Columns:
    ids = artists["artist_id"]
    place = {artist: k for k, artist in enumerate(ids)}
    sound = mean_sound(catalogue.careers).reindex(ids)
    rows, distances = nearest(sound, NEIGHBOURS)
    tests = catalogue.career_tests.dropna(subset=["artist_id"]).set_index("artist_id").reindex(ids)
    genres = sorted(artists["genre"].unique())
    ties = catalogue.influence[
        catalogue.influence["influencer_id"].isin(place) & catalogue.influence["follower_id"].isin(place)
    ]
    named: list[list[int]] = [[] for _ in ids]
    for influencer, follower in zip(ties["influencer_id"], ties["follower_id"], strict=True):
        named[place[follower]].append(place[influencer])
    return {
        "id": ids.tolist(),
        "name": artists["artist"].tolist(),
        "genres": genres,
        "genre": [genres.index(genre) for genre in artists["genre"]],
        "start": integers(artists["active_start"], 1),
        "influences": artists["influences"].tolist(),
        "influenced_by": artists["influenced_by"].tolist(),
        "mean": {name: integers(sound[name]) for name in DIMENSIONS},
        "nearest": rows.tolist(),
        "distance": [integers(row, 100) for row in distances],
        "named": [sorted(part) for part in named],
        "p": integers(tests["p_value"], 10_000),
        "changed": [bool(flag) if flag == flag else False for flag in tests["changed"]],
        "any": integers(tests["probability"], 100),
    }


def _years(ids: list[int], careers: pd.DataFrame) -> Columns:
    rows = _sorted(ids, careers, "year")
    flags = rows["thin"].astype(int) + 2 * rows["reissue"].astype(int)
    table: Columns = {
        "counts": _counts(ids, rows),
        "year": rows["year"].tolist(),
        "songs": rows["n_songs"].tolist(),
        "flag": flags.tolist(),
    }
    for name in DIMENSIONS:
        table[name] = integers(rows[f"{name}_mean"])
        table[f"{name}_error"] = integers(standard_error(rows, name, typical_spread(careers, name)), ERRORS)
    return table


def _states(ids: list[int], states: pd.DataFrame) -> Columns:
    """Return the states; an artist has one row for each year since its first."""
    rows = _sorted(ids, states, "year")
    first = rows.groupby("artist_id")["year"].min().reindex(ids)
    table: Columns = {"counts": _counts(ids, rows), "first": integers(first, 1)}
    for name in DIMENSIONS:
        if f"{name}_state" in rows:
            table[name] = integers(rows[f"{name}_state"])
            table[f"{name}_error"] = integers(rows[f"{name}_state_sd"], ERRORS)
    return table


def _changes(ids: list[int], changes: pd.DataFrame) -> Columns:
    """Return probabilities of a change in percent, and the most probable changes in words."""
    rows = _sorted(ids, changes.dropna(subset=["artist_id"]), "year")
    words = {artist: most_probable_changes(part) for artist, part in rows.groupby("artist_id")}
    cuts = {artist: part.loc[part["is_map"], "year"].tolist() for artist, part in rows.groupby("artist_id")}
    kept = rows[rows["probability"] >= LEAST_PROBABILITY]
    return {
        "counts": _counts(ids, kept),
        "year": kept["year"].tolist(),
        "percent": integers(kept["probability"], 100),
        "words": [words.get(artist) for artist in ids],
        "cuts": [cuts.get(artist, []) for artist in ids],
    }


def _forecasts(ids: list[int], forecasts: pd.DataFrame) -> Columns:
    chosen = forecasts[(forecasts["task"] == "audio") & (forecasts["model"] == OURS)]
    wide = chosen.pivot_table(
        index=["artist_id", "time", "split"], columns="dimension", values=["forecast", "sd"]
    ).reset_index()
    rows = _sorted(ids, wide, "time")
    table: Columns = {
        "counts": _counts(ids, rows),
        "year": integers(rows["time"], 1),
        "split": [SPLITS.index(split) for split in rows["split"]],
    }
    for name in DIMENSIONS:
        if ("forecast", name) in rows:
            table[name] = integers(rows["forecast", name])
            table[f"{name}_error"] = integers(rows["sd", name], ERRORS)
    return table


def _music(years: pd.DataFrame) -> Columns:
    rows = years[(years["source"] == "music") & (years["n_songs"] > 0)].sort_values("year")
    return {"year": rows["year"].tolist()} | {
        name: integers(rows[f"{name}_mean"]) for name in DIMENSIONS
    }  # fmt: skip


def _sorted(ids: list[int], rows: pd.DataFrame, time: str) -> pd.DataFrame:
    """Return the rows of the artists in their order, then by time."""
    place: Mapping[int, int] = {artist: k for k, artist in enumerate(ids)}
    column = rows["artist_id"].map(place)
    known = rows[column.notna()]
    order = np.lexsort((known[time].to_numpy(float), column.dropna().to_numpy(int)))
    return known.iloc[order].reset_index(drop=True)


def _counts(ids: list[int], rows: pd.DataFrame) -> list[int]:
    return rows["artist_id"].value_counts().reindex(ids, fill_value=0).tolist()


def integers(values: Any, scale: int = 1000) -> list[int | None]:
    """Return rounded multiples of ``1 / scale``; None where a value is missing."""
    return [round(scale * value) if value == value else None for value in np.asarray(values, float).tolist()]
