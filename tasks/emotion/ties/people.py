"""Artists with ties of influence, and the ties in order of the follower's decade."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.graph.weights import genre_similarity, tie_weights
from tasks.emotion.catalogue.names import fold
from tasks.emotion.contracts.tables import AUDIO
from tasks.emotion.params import InfluenceParams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GENRE_FEATURES = ("same genre", "similarity of genres", "share of the genre", "decades apart")
DECADE = 10.0
LIKENESS = 3
"""Columns of `likeness`."""
LEAST_WEIGHT = 1e-6
"""Least weight of a tie in a graph network, where weights must be positive."""
CLIP = 3.0
"""Largest standardised sound, in standard deviations."""


class People(NamedTuple):
    """Artists of the network, n of them, and their E ties.

    Attributes
    ----------
    table : DataFrame
        Rows of the raw table of artists, with ``ambiguous`` where several artists have one name.
    genre : ndarray of shape (n,)
        Index into `genres`.
    began : ndarray of shape (n,)
        Decade in which the artist began.
    sound : ndarray of shape (n, 9)
        Mean sound of all songs of an artist, in standard deviations over artists.
    links : ndarray of shape (2, E)
        Follower and influencer, in order of the follower's decade.
    against_time : int
        Ties that are left out, because the influencer began after the follower.
    """

    table: pd.DataFrame
    genre: Ints
    genres: tuple[str, ...]
    began: Floats
    sound: Floats
    links: Ints
    against_time: int

    @property
    def time(self) -> Floats:
        """Return the decade of the follower of each tie."""
        return np.asarray(self.began[self.links[0]])


def read_people(influence: pd.DataFrame, artists: pd.DataFrame) -> People:
    """Select the artists that have a tie, a decade and songs, and their ties."""
    folded = artists["artist"].map(fold)
    table = artists.assign(ambiguous=folded.duplicated(keep=False)).dropna(
        subset=["active_start", "n_songs", *(f"{name}_mean" for name in AUDIO)]
    )
    ends = influence[["influencer_id", "follower_id"]]
    known = ends[ends.isin(set(table["artist_id"])).all(axis=1)]
    table = table[table["artist_id"].isin(np.unique(known))].sort_values("artist_id", ignore_index=True)
    follower, influencer = (
        np.searchsorted(table["artist_id"], known[column]) for column in ("follower_id", "influencer_id")
    )
    began = table["active_start"].to_numpy(float)
    forward = began[influencer] <= began[follower]
    order = np.lexsort((influencer[forward], follower[forward], began[follower[forward]]))
    genres = tuple(sorted(table["genre"].unique()))
    sound = table[[f"{name}_mean" for name in AUDIO]].to_numpy(float)
    sound = (sound - sound.mean(axis=0)) / sound.std(axis=0)
    return People(
        table,
        np.searchsorted(genres, table["genre"]),
        genres,
        began,
        np.clip(sound, -CLIP, CLIP),
        np.stack([follower[forward], influencer[forward]])[:, order],
        int((~forward).sum()),
    )


class Genres(NamedTuple):
    """Tables of genres, counted from earlier ties.

    `similarity` and `share` have shape (genres, genres); row g of `share` has the shares of the genres
    among the influences of genre g, with one added to each count.
    """

    similarity: Floats
    share: Floats


def genre_tables(people: People, before: float) -> Genres:
    """Compute both tables from the ties of followers that began before a year."""
    links = people.links[:, people.time < before]
    size = len(people.genres)
    counts = np.ones((size, size))
    np.add.at(counts, (people.genre[links[0]], people.genre[links[1]]), 1.0)
    return Genres(genre_similarity(links, people.genre, size), counts / counts.sum(axis=1, keepdims=True))


def weights(people: People, genres: Genres, half_life: float) -> Floats:
    """Return the weight of each tie, by genres and years between both ends."""
    follower, influencer = people.links
    similarity = genres.similarity[people.genre[follower], people.genre[influencer]]
    return tie_weights(similarity, people.began[follower] - people.began[influencer], half_life)


def content(people: People, genres: Genres, follower: Ints, influencer: Ints) -> Floats:
    """Describe pairs by genre, decade and sound, without the network.

    The columns are those of `GENRE_FEATURES`, the cosine of the sounds, and the absolute difference of each
    measure of sound. Shares are logarithms.
    """
    g, h = people.genre[follower], people.genre[influencer]
    a, b = people.sound[follower], people.sound[influencer]
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.column_stack(
        [
            g == h, genres.similarity[g, h], np.log(genres.share[g, h]),
            (people.began[follower] - people.began[influencer]) / DECADE,
            (a * b).sum(axis=1) / np.maximum(length, 1e-9), np.abs(a - b),
        ]
    ).astype(float)  # fmt: skip


def likeness(people: People, one: Ints, other: Ints) -> Floats:
    """Compare two artists by genre and sound, shape (..., 3).

    The columns are whether they have one genre, the cosine of their sounds, and the mean absolute difference.
    """
    a, b = people.sound[one], people.sound[other]
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = (a * b).sum(axis=-1) / np.maximum(length, 1e-9)
    return np.stack([people.genre[one] == people.genre[other], cosine, np.abs(a - b).mean(axis=-1)], axis=-1)


def node_features(people: People, now: float, earlier: Ints) -> Floats:
    """Describe all artists at a moment by genre, age, earlier ties and sound.

    Parameters
    ----------
    now : float
        Year.
    earlier : ndarray of shape (2, E)
        Ties strictly earlier than the moment.
    """
    size = len(people.table)
    counts = [np.log1p(np.bincount(ends, minlength=size)) for ends in earlier]
    return np.column_stack(
        [np.eye(len(people.genres))[people.genre], (now - people.began) / 30, *counts, people.sound]
    )


def split_decades(people: People, params: InfluenceParams) -> dict[str, NDArray[np.bool_]]:
    """Return which ties are for training, validation and testing, by the follower."""
    time = people.time
    return {
        "train": time < params.validation_from,
        "validation": (time >= params.validation_from) & (time < params.test_from),
        "test": time >= params.test_from,
    }
