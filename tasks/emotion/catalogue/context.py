"""Context of a release: facts about its artist that were known at its time."""

from __future__ import annotations

import numpy as np
import pandas as pd

INFLUENCER_EMOTION = ("valence", "energy", "acousticness", "danceability")


def context_at(
    releases: pd.DataFrame, artists: pd.DataFrame, careers: pd.DataFrame, influence: pd.DataFrame
) -> pd.DataFrame:
    """Compute the context of every release, in natural units.

    Parameters
    ----------
    releases : pandas.DataFrame
        `artist_id`, `kind`, `time`, `n_songs`; the year of a release at 1987.4 is 1987.
    artists, careers, influence : pandas.DataFrame
        See the contracts.

    Returns
    -------
    pandas.DataFrame
        On the index of `releases`: `genre`, `year`, `debut_years`, `releases`,
        `influencers`, `followers`, `n_songs`, and `influencer_valence` ... (missing where no
        influencer has an earlier year with songs).
    """
    reliable = _reliable(artists)
    year = np.floor(releases["time"]).astype("int64")
    start = releases["artist_id"].map(reliable["active_start"])
    # The minimum includes the release itself, so the first release is never later than it.
    first = year.groupby(releases["artist_id"]).transform("min")
    debut = np.fmin(first, start.where(start <= year))
    known = pd.DataFrame(
        {
            "genre": releases["artist_id"].map(reliable["genre"]),
            "year": year,
            "debut_years": year - debut,
            "releases": releases.groupby(["artist_id", "kind"])["time"].rank(method="min") - 1,
            "influencers": _degree(releases, year, influence, "follower_id", "influencer_id", reliable),
            "followers": _degree(releases, year, influence, "influencer_id", "follower_id", reliable),
            "n_songs": releases["n_songs"],
        }
    )
    return known.join(_influencer_emotion(releases["artist_id"], year, careers, influence))


def _reliable(artists: pd.DataFrame) -> pd.DataFrame:
    """Return genre and start of every id: those of the namesake whose songs it holds."""
    by_id = artists.set_index("artist_id")[["genre", "active_start"]]
    return by_id.loc[artists["same_as"]].set_axis(by_id.index)


def _degree(
    releases: pd.DataFrame,
    year: pd.Series,
    influence: pd.DataFrame,
    own: str,
    other: str,
    reliable: pd.DataFrame,
) -> pd.Series:
    """Count the artists at the other end of a pair that had started.

    A start is a decade: an artist with the start 1980 has certainly started by 1989, so a start counts
    from the last year of its decade.
    """
    pairs = pd.DataFrame(
        {"artist_id": influence[own], "year": influence[other].map(reliable["active_start"]) + 9}
    ).dropna()
    counts = pairs.astype({"year": "int64"}).sort_values("year", kind="stable")
    counts["degree"] = counts.groupby("artist_id").cumcount() + 1.0
    return _as_of(releases["artist_id"], year, counts, exact=True)["degree"].fillna(0)


def _influencer_emotion(
    artist_id: pd.Series, year: pd.Series, careers: pd.DataFrame, influence: pd.DataFrame
) -> pd.DataFrame:
    """Average the songs of all influencers in the years strictly before."""
    means = [f"{name}_mean" for name in INFLUENCER_EMOTION]
    songs = influence[["influencer_id", "follower_id"]].merge(
        careers[["artist_id", "year", "n_songs", *means]], left_on="influencer_id", right_on="artist_id"
    )
    songs[means] = songs[means].mul(songs["n_songs"], axis=0)
    yearly = songs.groupby(["follower_id", "year"])[[*means, "n_songs"]].sum()
    so_far = yearly.groupby(level="follower_id").cumsum()
    table = so_far[means].div(so_far["n_songs"], axis=0).reset_index()
    table = table.rename(columns={"follower_id": "artist_id"}).sort_values("year", kind="stable")
    latest = _as_of(artist_id, year, table, exact=False)[means]
    return latest.set_axis([f"influencer_{name}" for name in INFLUENCER_EMOTION], axis=1)


def _as_of(artist_id: pd.Series, year: pd.Series, table: pd.DataFrame, *, exact: bool) -> pd.DataFrame:
    """Return the latest row of each artist up to its year (`exact`), or before it."""
    releases = pd.DataFrame({"artist_id": artist_id, "year": year, "at": artist_id.index})
    latest = pd.merge_asof(
        releases.sort_values("year", kind="stable"),
        table,
        on="year",
        by="artist_id",
        allow_exact_matches=exact,
    )
    return latest.set_index("at").loc[artist_id.index]
