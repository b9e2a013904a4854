"""Matching of artists and albums across the tables."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.catalogue.names import collection_kind, fold, fold_album, is_reissue
from tasks.emotion.contracts.tables import AUDIO, LYRICS

DECADE = 10
LONGEST_CAREER = 60
LATEST_FIRST_ALBUM = 30
UNKNOWN = "Unknown"
COLLECTIVE = fold("Various Artists")
"""Folded name under which a source files compilations; it is not an artist."""


def known_artists(artists: pd.DataFrame, careers: pd.DataFrame, influence: pd.DataFrame) -> pd.DataFrame:
    """List every artist that has an id, with `ambiguous` and `same_as`.

    An id that only careers or pairs contain is included without a name of its own. In the source the
    songs of two artists of one name are filed under one of the two ids, often the wrong one. `same_as` is
    the id whose start fits the songs best (else the id itself); its genre, start and influences are the
    reliable ones.
    """
    named = artists[
        ["artist_id", "artist", "genre", "active_start", "influences", "influenced_by", "first_year"]
    ].astype({"active_start": "float64"})
    mentioned = pd.concat([careers["artist_id"], influence["influencer_id"], influence["follower_id"]])
    nameless = pd.DataFrame({"artist_id": sorted(set(mentioned) - set(named["artist_id"]))})
    nameless["artist"] = "artist " + nameless["artist_id"].astype(str)
    everyone = pd.concat(
        [named, nameless.assign(genre=UNKNOWN, influences=0, influenced_by=0)], ignore_index=True
    )
    everyone = everyone.astype({"artist_id": "int64", "influences": "int64", "influenced_by": "int64"})
    everyone["folded"] = everyone["artist"].map(fold)
    everyone["ambiguous"] = everyone.duplicated("folded", keep=False) | (everyone["folded"] == COLLECTIVE)
    everyone["same_as"] = everyone["artist_id"]
    for _, namesakes in everyone[everyone["ambiguous"]].groupby("folded"):
        for row, artist in namesakes[namesakes["first_year"].notna()].iterrows():
            fitting = fitting_by_date(namesakes, artist["first_year"])
            if artist["artist_id"] not in fitting and len(fitting) == 1:
                everyone.loc[row, "same_as"] = fitting[0]
    return everyone


def fitting_by_date(candidates: pd.DataFrame, first_year: float) -> list[int]:
    """Return the ids of the candidates whose start is nearest to `first_year`.

    Starts that are not after it come first. The start is a decade: 1980 means 1980 to 1989.
    """
    lag = first_year - candidates["active_start"]
    # A start ten years too late has the weight of one sixty years too early.
    distance = lag.where(lag >= 0, -6 * lag + LONGEST_CAREER)
    return candidates.loc[distance == distance.min(), "artist_id"].tolist()


def join_artists(names: pd.DataFrame, everyone: pd.DataFrame) -> pd.DataFrame:
    """Find the id of each album artist.

    Parameters
    ----------
    names : pandas.DataFrame
        One row per artist of the album tables: `folded`, `artist`, `first_year` of an album,
        `dated` (the year is known from lyrics; the year of an edition can be far too late).
    everyone : pandas.DataFrame
        From `known_artists`.

    Returns
    -------
    pandas.DataFrame
        `names` with `artist_id` (missing where not joined) and `how`: joined, joined by
        dates (two artists of that name), ambiguous (dates do not distinguish them), refused
        by dates (the only artist of that name lived in another time), unknown.
    """
    candidates = everyone[everyone["folded"].isin(names["folded"])]
    by_name = dict(iter(candidates.groupby("folded")))
    joins = [_join_one(by_name.get(row.folded), row.first_year, row.dated) for row in names.itertuples()]
    return names.assign(
        artist_id=pd.array([artist_id for artist_id, _ in joins], dtype="Int64"),
        how=[how for _, how in joins],
    )


def _join_one(candidates: pd.DataFrame | None, first_year: float, dated: bool) -> tuple[int | None, str]:
    if candidates is None:
        return None, "unknown"
    fitting = fitting_by_date(candidates, first_year)
    if len(fitting) > 1:
        return None, "ambiguous"
    chosen = fitting[0] if fitting else candidates["artist_id"].iloc[0]
    start = candidates.set_index("artist_id")["active_start"][chosen]
    if start > first_year + DECADE or (dated and first_year > start + LONGEST_CAREER):
        return None, "refused by dates"
    # The songs of this artist may be filed under the id of a namesake; albums use the id of the songs.
    songs = candidates[(candidates["same_as"] == chosen) & candidates["first_year"].notna()]
    holder = int(songs["artist_id"].iloc[0]) if len(songs) else int(chosen)
    return holder, "joined" if len(candidates) == 1 else "joined by dates"


def one_row_an_album(table: pd.DataFrame, measures: tuple[str, ...]) -> pd.DataFrame:
    """Select the most complete, then largest row of an album; add its earliest year."""
    keyed = with_keys(table)
    keyed["missing"] = keyed[[f"{name}_mean" for name in measures]].isna().sum(axis=1)
    keyed["earliest"] = keyed.groupby(["folded", "folded_album"])["release_year"].transform("min")
    best = keyed.sort_values(["missing", "n_songs"], ascending=[True, False], kind="stable")
    return best.drop_duplicates(["folded", "folded_album"]).sort_index().drop(columns="missing")


def with_keys(table: pd.DataFrame) -> pd.DataFrame:
    """Add the folded artist and album, and the album folded without its edition."""
    return table.assign(
        folded=table["artist"].map(fold),
        folded_album=table["album"].map(fold),
        any_edition=table["album"].map(fold_album),
    )


def match_albums(left: pd.DataFrame, right: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Match rows of two tables, each at most once: by name, then by edition.

    Returns
    -------
    by_name, by_edition : pandas.Series
        Index of `left` to index of `right`.
    """
    by_name = _match_on(left, right, ["folded", "folded_album"])
    rest = left.drop(index=by_name.index), right.drop(index=by_name.to_numpy())
    return by_name, _match_on(*rest, ["folded", "any_edition"])


def _match_on(left: pd.DataFrame, right: pd.DataFrame, key: list[str]) -> pd.Series:
    ours = left[key].drop_duplicates().reset_index(names="left")
    theirs = right[key].drop_duplicates().reset_index(names="right")
    pairs = ours.merge(theirs, on=key)
    return pairs.set_index("left")["right"].rename(None)


def unify_albums(
    lyrics: pd.DataFrame, audio: pd.DataFrame, joint: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Join the three album tables into one row per album, and count the joins.

    All rows of `lyrics` come first, in their order. Audio comes from the audio table, else from the joint
    table; lyrics likewise. A lyric date is that of the album. Other dates are those of an edition: the
    earliest one is used, and an edition later than the album makes it a `reissue`.
    """
    lyrics, audio = with_keys(lyrics), one_row_an_album(audio, AUDIO)
    joint = one_row_an_album(joint, AUDIO)
    named, edition = match_albums(lyrics, audio)
    lyric_rows = lyrics.assign(audio_row=pd.concat([named, edition])).reset_index(names="lyric_row")
    audio_only = audio[~audio.index.isin(lyric_rows["audio_row"].dropna())]
    albums = pd.concat(
        [lyric_rows, audio_only.reset_index(names="audio_row")], ignore_index=True
    )  # fmt: skip
    joint_named, joint_edition = match_albums(albums, joint)
    albums["joint_row"] = pd.concat([joint_named, joint_edition])
    joint_only = joint[~joint.index.isin(albums["joint_row"].dropna())]
    albums = pd.concat([albums, joint_only.reset_index(names="joint_row")], ignore_index=True)
    counts = {
        "lyrics_and_audio_by_name": len(named),
        "lyrics_and_audio_by_edition": len(edition),
        "joint_by_name": len(joint_named),
        "joint_by_edition": len(joint_edition),
        "lyrics_rows": len(lyrics),
        "audio_only_rows": len(audio_only),
        "joint_only_rows": len(joint_only),
    }
    return _filled(albums, lyrics, audio, joint), counts


def _filled(
    albums: pd.DataFrame, lyrics: pd.DataFrame, audio: pd.DataFrame, joint: pd.DataFrame
) -> pd.DataFrame:
    """Fill the audio and lyric columns of each album from its source rows."""
    result = albums[["folded", "artist", "album"]].copy()
    audio_from = {"audio": audio, "joint": joint}
    lyrics_from = {"lyric": lyrics, "joint": joint}
    for what, sources, measures in (("audio", audio_from, AUDIO), ("lyrics", lyrics_from, LYRICS)):
        columns = [f"{name}_{part}" for name in measures for part in ("mean", "sd")]
        values = pd.DataFrame(index=albums.index, columns=[*columns, "n_songs"], dtype="float64")
        for source, table in sources.items():
            rows = albums.loc[albums[f"{source}_row"].notna() & values["n_songs"].isna(), f"{source}_row"]
            values.loc[rows.index] = table.loc[rows.astype(int), values.columns].to_numpy()
        result[columns] = values[columns]
        result[f"has_{what}"] = values["n_songs"].notna()
        result[f"n_songs_{what}"] = values["n_songs"].fillna(0).astype("int64")
    return _dated(result, albums, lyrics, audio, joint)


def _dated(
    result: pd.DataFrame, albums: pd.DataFrame, lyrics: pd.DataFrame, audio: pd.DataFrame, joint: pd.DataFrame
) -> pd.DataFrame:
    editions = pd.DataFrame(
        {
            "audio": albums["audio_row"].map(audio["earliest"]),
            "joint": albums["joint_row"].map(joint["earliest"]),
        }
    )
    known = albums["lyric_row"].map(lyrics["release_year"])
    result["year"] = known.fillna(editions.min(axis=1)).astype("int64")
    result["release_date"] = albums["lyric_row"].map(lyrics["release_date"]).astype("str")
    result["edition_year"] = editions["audio"]
    if "text" in lyrics:
        result["text"] = albums["lyric_row"].map(lyrics["text"]).astype("str")
    return result


def flag_albums(albums: pd.DataFrame, reissue_gap: int, most_songs: int) -> pd.DataFrame:
    """Flag collections (by name or number of songs) and reissues (by name or date)."""
    kind = albums["album"].map(collection_kind)
    largest = albums["n_songs_lyrics"].where(albums["has_lyrics"], 0)
    kind = kind.where((kind != "") | (largest <= most_songs), "box set")
    late = albums["edition_year"] - albums["year"] >= reissue_gap
    return albums.assign(
        collection=kind != "",
        collection_kind=kind.astype("str"),
        reissue=late | albums["album"].map(is_reissue),
    ).drop(columns="edition_year")


def flag_late_first(albums: pd.DataFrame, everyone: pd.DataFrame) -> pd.DataFrame:
    """Flag undated albums as reissues if the artist's first one is decades too late.

    For example, Frank Sinatra started in the 1930s but has no album before 2017 in the source: all his
    dates are those of editions.
    """
    start = everyone.set_index("artist_id")["active_start"]
    reliable = albums["artist_id"].map(everyone.set_index("artist_id")["same_as"]).map(start)
    first = albums.groupby("artist_id")["year"].transform("min")
    late = (first - reliable >= LATEST_FIRST_ALBUM) & ~albums["has_lyrics"]
    return albums.assign(reissue=albums["reissue"] | late)
