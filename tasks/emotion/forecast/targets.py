"""Fixed forecasting tasks: targets, their history, and the split by time.

`audio`: the mean of an artist's next active year, from all earlier years (at least two).
`lyrics`: the mean of an artist's next album with dated lyrics, from all earlier albums (at least two), in
order of release date. The tasks use every row of the source, including thin years and reissues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.temporal.panel import Panel, position
from statewright.contracts import Table
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Albums, Artists, Careers
from tasks.emotion.params import SplitParams

TARGETS = {
    "audio": ("valence", "energy", "danceability", "acousticness"),
    "lyrics": ("joy", "sadness", "anger", "fear", "polarity"),
}
"""Scored dimensions in order; they are the first columns in the panel of their task."""

LEAST_HISTORY = 2

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """A panel with the names of its columns and the ids of its rows.

    Attributes
    ----------
    name : str
        ``audio`` or ``lyrics``.
    panel : Panel
    dimensions : tuple of str
        Columns of the panel; the targets first.
    artist_id, time : (n,)
        As in the tables; time is the year, for albums including the elapsed fraction of the year.
    split : (n,) str
        ``train``, ``validation`` or ``test`` by date; empty where the history is too short.
    """

    name: str
    panel: Panel
    dimensions: tuple[str, ...]
    artist_id: NDArray[np.int64]
    time: NDArray[np.float64]
    split: NDArray[np.str_]
    learnable: Mask

    @property
    def targets(self) -> int:
        """Number of scored dimensions."""
        return len(TARGETS[self.name])

    def rows(self, *splits: str) -> Mask:
        """Return which rows are a target of one of the splits."""
        return np.isin(self.split, splits)


def audio_task(careers: Table[Careers], split: SplitParams, artists: Table[Artists] | None = None) -> Task:
    """Build the task of careers by year."""
    frame = careers.sort_values(["year", "artist_id"], kind="stable")
    year = frame["year"].to_numpy(float)
    dimensions = _targets_first("audio", AUDIO)
    return _task(
        "audio", frame, dimensions, year, year, frame["n_songs"], artists,
        split.audio_train_before, split.audio_test_from,
    )  # fmt: skip


def lyrics_task(albums: Table[Albums], split: SplitParams, artists: Table[Artists] | None = None) -> Task:
    """Build the task of albums with dated lyrics, by release date."""
    frame = albums[albums["has_lyrics"] & albums["release_date"].notna()]
    if frame.empty:
        raise ValueError(
            "albums: no album has both lyrics and a release date, expected at least one; check the source of "
            "album_lyrics"
        )
    # The sort is stable: albums of one day keep the order of the table.
    frame = frame.sort_values("release_date", kind="stable")
    date = pd.to_datetime(frame["release_date"], format="%Y-%m-%d")
    year = date.dt.year.to_numpy(float)
    dimensions = _targets_first("lyrics", LYRICS)
    return _task(
        "lyrics", frame, dimensions, year, year + (date.dt.day_of_year.to_numpy(float) - 1) / 366,
        frame["n_songs_lyrics"], artists, split.lyrics_train_before, split.lyrics_test_from,
    )  # fmt: skip


def _targets_first(name: str, dimensions: tuple[str, ...]) -> tuple[str, ...]:
    return TARGETS[name] + tuple(other for other in dimensions if other not in TARGETS[name])


def _task(
    name: str,
    frame: pd.DataFrame,
    dimensions: tuple[str, ...],
    year: NDArray[np.float64],
    time: NDArray[np.float64],
    count: pd.Series,
    artists: pd.DataFrame | None,
    train_before: int,
    test_from: int,
) -> Task:
    artist_id = frame["artist_id"].to_numpy(np.int64)
    unit = np.unique(artist_id, return_inverse=True)[1].astype(np.int64)
    panel = Panel(
        unit=unit,
        group=_genres(artist_id, artists),
        block=year,
        time=time,
        count=count.to_numpy(float),
        mean=frame[[f"{dimension}_mean" for dimension in dimensions]].to_numpy(float),
        sd=frame[[f"{dimension}_sd" for dimension in dimensions]].to_numpy(float),
    )
    split = np.where(year < train_before, "train", np.where(year >= test_from, "test", "validation"))
    split = np.where(position(unit) >= LEAST_HISTORY, split, "")
    return Task(name, panel, dimensions, artist_id, time, split, year < train_before)


def _genres(artist_id: NDArray[np.int64], artists: pd.DataFrame | None) -> NDArray[np.int64]:
    if artists is None:
        return np.zeros(len(artist_id), np.int64)
    genre = pd.Series(artist_id).map(artists.set_index("artist_id")["genre"]).fillna("Unknown")
    return np.unique(genre.to_numpy(str), return_inverse=True)[1].astype(np.int64)
