"""Stage emotion-features: audio, lyrics and context of every release.

The features of a release use no data that are later than the release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from statewright.contracts import ContractError, Document, Table
from tasks.emotion.catalogue.context import INFLUENCER_EMOTION, context_at
from tasks.emotion.contracts.tables import AUDIO, LYRICS, Albums, Artists, Careers, Features, Influence
from tasks.emotion.params import FeaturesParams, SplitParams
from tasks.emotion.series.scaling import COUNTS, Scale, scale_of, scaled

if TYPE_CHECKING:
    from methods.moments import Moments


class Characterisation(Document):
    """Moments of one modality: mean, covariance (n - 1), skewness, excess kurtosis."""

    n: int
    measures: list[str]
    mean: list[float]
    covariance: list[list[float]]
    skewness: list[float]
    kurtosis: list[float]


class MomentsReport(Document):
    """Moments of each modality in natural units, and scales of the features."""

    modalities: dict[str, Characterisation]
    scales: dict[str, Scale]


class FeaturesSummary(Document):
    """Counts of releases by modality, of exclusions and of imputed values."""

    releases: dict[str, int]
    left_out: dict[str, int]
    filled_with_training_mean: dict[str, int]
    training_rows: dict[str, int]
    columns: dict[str, int]
    text: dict[str, float]


class FeaturesOutputs(NamedTuple):
    """Features, their moments and counts."""

    features: Table[Features]
    moments: MomentsReport
    features_summary: FeaturesSummary


def features(
    artists: Table[Artists],
    careers: Table[Careers],
    albums: Table[Albums],
    influence: Table[Influence],
    *,
    params: FeaturesParams,
    split: SplitParams,
) -> FeaturesOutputs:
    """Scale audio and lyrics by the training period, and add the context."""
    releases = list_releases(careers, albums)
    context = context_at(releases, artists, careers, influence)
    before = {"audio": split.audio_train_before, "lyrics": split.lyrics_train_before}
    before["context"] = min(before.values())
    training = {name: releases["time"] < year for name, year in before.items()}
    for name in ("audio", "lyrics"):
        training[name] &= releases[f"has_{name}"]
    scales: dict[str, Scale] = {}
    filled: dict[str, int] = {}
    audio = _modality(releases, "audio", AUDIO, training["audio"], scales, filled)
    lyrics = _modality(releases, "lyrics", LYRICS, training["lyrics"], scales, filled)
    text, text_summary = _text(releases, training["lyrics"], params)
    lyrics = lyrics.join(text)
    known = _context(context, training["context"], scales, params.genres)
    table = releases[
        ["release_id", "artist_id", "kind", "time", "n_songs", "has_audio", "has_lyrics", "album_id"]
    ]
    table = table.join([audio, lyrics, known])
    filled["lyrics_text"] = int(text_summary.pop("missing", 0))
    summary = FeaturesSummary(
        releases=_release_counts(releases),
        left_out={
            "collections": int(albums["collection"].sum()),
            "reissues_without_date": int((_undated(albums) & ~albums["collection"]).sum()),
        },
        filled_with_training_mean={name: count for name, count in filled.items() if count},
        training_rows={name: int(rows.sum()) for name, rows in training.items()},
        columns={"audio": audio.shape[1], "lyrics": lyrics.shape[1], "context": known.shape[1]},
        text=text_summary,
    )
    return FeaturesOutputs(table, _characterise(releases, context, scales), summary)


def _undated(albums: pd.DataFrame) -> pd.Series:
    """Return which albums are reissues without a date of the first release."""
    return albums["reissue"] & ~albums["has_lyrics"]


def list_releases(careers: pd.DataFrame, albums: pd.DataFrame) -> pd.DataFrame:
    """List years of careers and albums, without collections and undated reissues.

    The `time` of a year is the year; of an album its date as a fraction of the year, or the
    middle of the year where only the year is known.
    """
    proper = albums[~albums["collection"] & ~_undated(albums)]
    years = careers.assign(
        kind="year", time=careers["year"].astype(float), has_audio=True, has_lyrics=False, album_id=-1
    )
    records = proper.assign(
        kind="album", time=_time(proper), n_songs=proper[["n_songs_audio", "n_songs_lyrics"]].max(axis=1)
    )
    years["release_id"] = range(len(years))
    records["release_id"] = len(years) + records["album_id"]
    wanted = ["release_id", "artist_id", "kind", "time", "n_songs", "has_audio", "has_lyrics", "album_id"]
    measures = [f"{name}_mean" for name in (*AUDIO, *LYRICS)]
    columns = [*wanted, *measures, *(["text"] if "text" in records else [])]
    return pd.concat(
        [years.reindex(columns=columns), records.reindex(columns=columns)], ignore_index=True
    ).astype({"kind": "str"})


def _time(albums: pd.DataFrame) -> pd.Series:
    date = pd.to_datetime(albums["release_date"], format="%Y-%m-%d")
    length = np.where(date.dt.is_leap_year, 366, 365)
    return (date.dt.year + (date.dt.day_of_year - 1) / length).fillna(albums["year"] + 0.5)


def _release_counts(releases: pd.DataFrame) -> dict[str, int]:
    albums = releases[releases["kind"] == "album"]
    return {
        "years": int((releases["kind"] == "year").sum()),
        "albums": len(albums),
        "albums_with_audio": int(albums["has_audio"].sum()),
        "albums_with_lyrics": int(albums["has_lyrics"].sum()),
        "albums_with_both": int((albums["has_audio"] & albums["has_lyrics"]).sum()),
        "artists": int(releases["artist_id"].nunique()),
    }


def _modality(
    releases: pd.DataFrame,
    modality: str,
    measures: tuple[str, ...],
    training: pd.Series,
    scales: dict[str, Scale],
    filled: dict[str, int],
) -> pd.DataFrame:
    """Scale the measures of a modality; a single missing measure becomes the mean, 0."""
    table = pd.DataFrame(index=releases.index)
    present = releases[f"has_{modality}"]
    for measure in measures:
        column, values = f"{modality}_{measure}", releases[f"{measure}_mean"]
        scales[column] = scale_of(values, measure, training, column)
        gap = present & values.isna()
        filled[column] = int(gap.sum())
        table[column] = scaled(values, scales[column]).mask(gap, 0.0)
    return table


def _text(
    releases: pd.DataFrame, training: pd.Series, params: FeaturesParams
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return reduced sentence embeddings of the lyric text, if a model is set."""
    if params.text_model is None:
        return pd.DataFrame(index=releases.index), {"used": 0}
    if "text" not in releases:
        raise ContractError(
            f"emotion-features: text_model is '{params.text_model}', but the albums have no text; give "
            "its column under emotion.ingest.text_column, or set text_model to null"
        )
    from methods.text import embed, find_model, fit_projection, project

    written = releases["has_lyrics"] & releases["text"].notna()
    vectors = embed(releases.loc[written, "text"].tolist(), find_model(params.text_model))
    projection = fit_projection(vectors[training[written].to_numpy()], params.text_width)
    columns = [f"lyrics_text_{axis:03d}" for axis in range(params.text_width)]
    reduced = pd.DataFrame(project(vectors, projection), index=releases.index[written], columns=columns)
    spread = reduced[training[written]].std().replace(0, 1)
    table = (reduced / spread).round(6).reindex(releases.index)
    missing = releases["has_lyrics"] & ~written
    table.loc[missing] = 0.0
    return table, {
        "used": 1,
        "texts": int(written.sum()),
        "width": params.text_width,
        "explained_variance": round(projection.explained, 6),
        "missing": int(missing.sum()),
    }


def _context(
    context: pd.DataFrame, training: pd.Series, scales: dict[str, Scale], most_genres: int
) -> pd.DataFrame:
    """Scale the context; genres become indicators, a missing emotion the mean."""
    table = _genres(context["genre"], training, most_genres)
    for measure in ("year", *COUNTS):
        column = f"context_{'decade' if measure == 'year' else measure}"
        scales[column] = scale_of(context[measure], measure, training, column)
        table[column] = scaled(context[measure], scales[column])
    for name in INFLUENCER_EMOTION:
        scale, values = scales[f"audio_{name}"], context[f"influencer_{name}"]
        table[f"context_influencer_{name}"] = scaled(values, scale).fillna(0.0)
    table["context_influencer_missing"] = context["influencer_valence"].isna().astype(float)
    return table


def _genres(genre: pd.Series, training: pd.Series, most: int) -> pd.DataFrame:
    """Return indicators of the most frequent training genres, others and unknown."""
    known = genre[training & (genre != "Unknown")].value_counts()
    frequent = sorted(known.sort_index().sort_values(ascending=False, kind="stable").index[:most])
    table = pd.DataFrame(index=genre.index)
    for name in frequent:
        table[f"context_genre_{_slug(name)}"] = (genre == name).astype(float)
    table["context_genre_other"] = (~genre.isin([*frequent, "Unknown"])).astype(float)
    table["context_genre_unknown"] = (genre == "Unknown").astype(float)
    return table


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower()).strip("_")


def _characterise(releases: pd.DataFrame, context: pd.DataFrame, scales: dict[str, Scale]) -> MomentsReport:
    from methods.moments import moments

    numbers = [name for name in context if name != "genre"]
    tables = {
        "audio": releases[[f"{name}_mean" for name in AUDIO]].set_axis(AUDIO, axis=1),
        "lyrics": releases[[f"{name}_mean" for name in LYRICS]].set_axis(LYRICS, axis=1),
        "context": context[numbers],
    }
    modalities = {}
    for modality, table in tables.items():
        whole = table.dropna()
        if len(whole) < 2:
            continue
        modalities[modality] = _document(list(whole), moments(whole.to_numpy(float)))
    return MomentsReport(modalities=modalities, scales=scales)


def _document(measures: list[str], values: Moments) -> Characterisation:
    """Round to 6 digits; a constant measure has no skewness and gets 0."""

    def rounded(array: np.ndarray) -> list[Any]:
        return list(np.nan_to_num(array).round(6).tolist())

    return Characterisation(
        n=values.n,
        measures=measures,
        mean=rounded(values.mean),
        covariance=rounded(values.covariance),
        skewness=rounded(values.skewness),
        kurtosis=rounded(values.kurtosis),
    )
