"""Panels of artist-years with their past, and with the past of their influencers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.emotion.series.regimes import standardise

TIERS = ("before", "last", "now")
"""An artist's mean of all years before the last, its last active year, and this year."""


def artist_years(
    careers: pd.DataFrame, artists: pd.DataFrame, dimensions: Sequence[str], min_songs: int
) -> pd.DataFrame:
    """Return standardised means and their `weight`, one row per artist and year.

    Excluded are years of too few songs, possible reissues and ambiguous names.
    """
    known = artists.loc[~artists["ambiguous"], ["artist_id", "genre"]]
    rows = careers[careers["n_songs"] >= min_songs].merge(known, on="artist_id")
    if "reissue" in rows:
        rows = rows[~rows["reissue"]]
    rows = rows.sort_values(["artist_id", "year"], ignore_index=True)
    panel = standardise(rows, dimensions, rows["artist_id"].to_numpy())
    table = rows[["artist_id", "genre", "year"]].assign(weight=panel.weights)
    table[list(dimensions)] = panel.values
    return table


def without_trend(rows: pd.DataFrame, dimensions: Sequence[str]) -> pd.DataFrame:
    """Remove the means of year and genre, which are common causes of all dimensions."""
    levels = pd.get_dummies(rows[["year", "genre"]].astype(str), drop_first=True).to_numpy(float)
    design = np.column_stack([np.ones(len(rows)), levels])
    values = rows[list(dimensions)].to_numpy()
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return rows.assign(**dict(zip(dimensions, rest.T, strict=True)))


def with_past(rows: pd.DataFrame, dimensions: Sequence[str], max_gap: int) -> pd.DataFrame:
    """Add columns `DIM last` and `DIM before` (missing in the second year)."""
    by_artist = rows.groupby("artist_id")
    order = by_artist.cumcount()
    table = rows.rename(columns={dim: f"{dim} now" for dim in dimensions})
    for dim in dimensions:
        last = by_artist[dim].shift(1)
        earlier = by_artist[dim].cumsum() - rows[dim] - last
        table[f"{dim} last"] = last
        table[f"{dim} before"] = (earlier / (order - 1).clip(lower=1)).where(order >= 2)
    return table[rows["year"] - by_artist["year"].shift(1) <= max_gap].reset_index(drop=True)


def with_influencers(
    past: pd.DataFrame, rows: pd.DataFrame, influence: pd.DataFrame, dimensions: Sequence[str], window: int
) -> pd.DataFrame:
    """Add columns `DIM influencers`: their mean in the `window` years before.

    `past` has the rows of the followers (see `with_past`), `rows` those of every artist. Rows without
    influencers in the window are dropped.
    """
    pairs = influence.loc[influence["influencer_id"] != influence["follower_id"]]
    followers = past[["artist_id", "year"]].merge(pairs, left_on="artist_id", right_on="follower_id")
    sources = followers[["artist_id", "year", "influencer_id"]].merge(
        rows.rename(columns={"artist_id": "influencer_id", "year": "source_year"}), on="influencer_id"
    )
    sources = sources[sources["source_year"].between(sources["year"] - window, sources["year"] - 1)]
    sources[list(dimensions)] = sources[list(dimensions)].mul(sources["weight"], axis=0)
    sums = sources.groupby(["artist_id", "year"])[[*dimensions, "weight"]].sum()
    means = sums[list(dimensions)].div(sums["weight"], axis=0).add_suffix(" influencers").reset_index()
    return past.merge(means, on=["artist_id", "year"])


def random_influencers(influence: pd.DataFrame, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Replace each influencer by a random artist of its genre, as a placebo."""
    rng = np.random.default_rng(seed)
    genre = rows.drop_duplicates("artist_id").set_index("artist_id")["genre"]
    pairs = influence[influence["influencer_id"].isin(genre.index)].copy()
    of_pair = pairs["influencer_id"].map(genre).to_numpy()
    drawn = np.zeros(len(pairs), dtype=np.int64)
    for name in np.unique(of_pair):
        here = of_pair == name
        drawn[here] = rng.choice(genre.index[genre == name].to_numpy(), size=here.sum())
    return pairs.assign(influencer_id=drawn).drop_duplicates(["influencer_id", "follower_id"])
