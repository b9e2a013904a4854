"""What was known about an artist at the time of a release, and no later."""

from __future__ import annotations

import numpy as np
import pandas as pd

INFLUENCER_EMOTION = ("valence", "energy", "acousticness", "danceability")


def context_at(
    releases: pd.DataFrame, artists: pd.DataFrame, careers: pd.DataFrame, influence: pd.DataFrame
) -> pd.DataFrame:
    """Context of every release, in natural units.

    Parameters
    ----------
    releases : pandas.DataFrame
        `artist_id`, `kind`, `time`, `n_songs`; a release of 1987.4 knows the year 1987.
    artists, careers, influence : pandas.DataFrame
        See the contracts.

    Returns
    -------
    pandas.DataFrame
        On the index of `releases`: `genre`, `year`, `debut_years`, `releases`,
        `influencers`, `followers`, `n_songs`, and `influencer_valence` ... (missing where no
        influencer has a year with songs before).
    """
    believed = _believed(artists)
    year = np.floor(releases["time"]).astype("int64")
    start = releases["artist_id"].map(believed["active_start"])
    # Each release sees itself, so the artist's first one is never later than it.
    first = year.groupby(releases["artist_id"]).transform("min")
    debut = np.fmin(first, start.where(start <= year))
    known = pd.DataFrame(
        {
            "genre": releases["artist_id"].map(believed["genre"]),
            "year": year,
            "debut_years": year - debut,
            "releases": releases.groupby(["artist_id", "kind"])["time"].rank(method="min") - 1,
            "influencers": _degree(releases, year, influence, "follower_id", "influencer_id", believed),
            "followers": _degree(releases, year, influence, "influencer_id", "follower_id", believed),
            "n_songs": releases["n_songs"],
        }
    )
    return known.join(_influencer_emotion(releases["artist_id"], year, careers, influence))


def _believed(artists: pd.DataFrame) -> pd.DataFrame:
    """Genre and start of every id, those of the namesake whose songs it holds."""
    by_id = artists.set_index("artist_id")[["genre", "active_start"]]
    return by_id.loc[artists["same_as"]].set_axis(by_id.index)


def _degree(
    releases: pd.DataFrame,
    year: pd.Series,
    influence: pd.DataFrame,
    own: str,
    other: str,
    believed: pd.DataFrame,
) -> pd.Series:
    """How many artists at the other end of a pair had started.

    A start is a decade: who started "in 1980" has for certain started when 1989 is here, so
    a start counts from the last year of its decade on.
    """
    pairs = pd.DataFrame(
        {"artist_id": influence[own], "year": influence[other].map(believed["active_start"]) + 9}
    ).dropna()
    counts = pairs.astype({"year": "int64"}).sort_values("year", kind="stable")
    counts["degree"] = counts.groupby("artist_id").cumcount() + 1.0
    return _as_of(releases["artist_id"], year, counts, exact=True)["degree"].fillna(0)


def _influencer_emotion(
    artist_id: pd.Series, year: pd.Series, careers: pd.DataFrame, influence: pd.DataFrame
) -> pd.DataFrame:
    """Mean over the songs of all influencers in the years strictly before."""
    means = [f"{name}_mean" for name in INFLUENCER_EMOTION]
    songs = influence[["influencer_id", "follower_id"]].merge(
        careers[["artist_id", "year", "n_songs", *means]], left_on="influencer_id", right_on="artist_id"
    )
    songs[means] = songs[means].mul(songs["n_songs"], axis=0)
    yearly = songs.groupby(["follower_id", "year"])[[*means, "n_songs"]].sum()
    so_far = yearly.groupby(level="follower_id").cumsum()
    table = so_far[means].div(so_far["n_songs"], axis=0).reset_index()
    table = table.rename(columns={"follower_id": "artist_id"}).sort_values("year", kind="stable")
    found = _as_of(artist_id, year, table, exact=False)[means]
    return found.set_axis([f"influencer_{name}" for name in INFLUENCER_EMOTION], axis=1)


def _as_of(artist_id: pd.Series, year: pd.Series, table: pd.DataFrame, *, exact: bool) -> pd.DataFrame:
    """Latest row of `table` for each artist up to its year (`exact`), or before it."""
    asked = pd.DataFrame({"artist_id": artist_id, "year": year, "at": artist_id.index})
    found = pd.merge_asof(
        asked.sort_values("year", kind="stable"),
        table,
        on="year",
        by="artist_id",
        allow_exact_matches=exact,
    )
    return found.set_index("at").loc[artist_id.index]
