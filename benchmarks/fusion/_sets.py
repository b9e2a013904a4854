"""Read the data sets of the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parts import ROOT, Omission, external_data
from methods.fusion.choice import Data
from methods.fusion.views import CLASSIFICATION, REGRESSION, Bools, Floats, Ints, Problem


@dataclass(frozen=True)
class GivenSplit:
    """Data with published training and test rows, and sequences of rows."""

    data: Data
    train: Ints
    test: Ints
    sequence: Ints | None = None


def digits() -> Data | Omission:
    """Return the six views of handwritten digits."""
    path = ROOT / "data/source/digit_views.parquet"
    source = path if path.exists() else external_data("figures/digit_views.parquet")
    return source if isinstance(source, Omission) else _spread(pd.read_parquet(source), 10)


def rosmap() -> GivenSplit | Omission:
    """Return the three omics of ROSMAP."""
    path = external_data("learning/multimodal/rosmap.parquet")
    if isinstance(path, Omission):
        return path
    frame = pd.read_parquet(path)
    return _given(frame, frame["split"].to_numpy() == "train")


def mosi() -> GivenSplit | Omission:
    """Return text, audio and video features of CMU-MOSI, by video and position."""
    path = external_data("learning/multimodal/mosi_features.parquet")
    if isinstance(path, Omission):
        return path
    frame = pd.read_parquet(path).sort_values(["video", "position"], ignore_index=True)
    given = _given(frame, frame["split"].to_numpy() == "train")
    sequence = np.unique(frame["video"], return_inverse=True)[1]
    return GivenSplit(given.data, given.train, given.test, sequence)


def albums(folder: Path = ROOT / "data/source") -> Data:
    """Return the years of albums with lyrics, and audio where it is known, by artist.

    The audio of an album is absent in most rows. Names are joined after case folding. Numbers of songs are
    not used.
    """
    lyrics = pd.read_parquet(folder / "album_lyrics.parquet")
    audio = pd.read_parquet(folder / "album_audio.parquet")
    keys = ["artist_key", "album_key"]
    for frame in (lyrics, audio):
        for column in ("artist", "album"):
            frame[f"{column}_key"] = frame[column].astype(str).str.casefold().str.strip()
    audio = audio.drop_duplicates(keys)
    figures = {name: [c for c in f if c.endswith(("_mean", "_sd"))] for name, f in _named(lyrics, audio)}
    joined = lyrics.drop_duplicates(keys).merge(audio[keys + figures["audio"]], on=keys, how="left")
    views = {name: joined[columns].to_numpy(float) for name, columns in figures.items()}
    groups = np.unique(joined["artist_key"], return_inverse=True)[1]
    year = joined["release_year"].to_numpy(float)
    return Data(views, year, Problem(REGRESSION, 0), groups)


def _named(lyrics: pd.DataFrame, audio: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [("audio", audio), ("lyrics", lyrics)]


def _spread(frame: pd.DataFrame, classes: int) -> Data:
    views: dict[str, Floats] = {
        name.removeprefix("x_"): np.stack(frame[name].to_list()).astype(float)
        for name in frame.columns
        if name.startswith("x_")
    }
    return Data(views, frame["label"].to_numpy(float), Problem(CLASSIFICATION, classes))


def _given(frame: pd.DataFrame, train: Bools) -> GivenSplit:
    return GivenSplit(_spread(frame, 2), np.flatnonzero(train), np.flatnonzero(~train))
