"""Coverage of intervals by group of artists: genre, length of career, songs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.emotion.forecast.intervals import Errors, adaptive_radius
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.params import TrustParams

Floats = np.ndarray

PLAIN, BY_GENRE, ADAPTED = "scaled", "scaled by genre", "adaptive"
GROUPINGS = ("genre", "career", "past forecasts")
SIMULATIONS = 500


def group_coverage(forecasts: pd.DataFrame, artists: pd.DataFrame, params: TrustParams) -> pd.DataFrame:
    """Measure coverage and width on test targets, by interval and group."""
    ours = forecasts[forecasts["model"] == OURS]
    tables = []
    for (task, dimension), rows in ours.groupby(["task", "dimension"], sort=False):
        grouped = _with_groups(rows, artists)
        known, test = grouped[grouped["split"] == "validation"], grouped[grouped["split"] == "test"]
        for kind, radius in _radii(known, test, params).items():
            tables += [
                _coverage(test, radius, grouping, params).assign(
                    task=task, dimension=dimension, interval=kind
                )
                for grouping in ("all", *GROUPINGS)
                if kind != BY_GENRE or grouping in ("all", "genre")
            ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _with_groups(rows: pd.DataFrame, artists: pd.DataFrame) -> pd.DataFrame:
    """Add the groups of each target; all are known before it."""
    facts = artists.set_index("artist_id")
    earlier = rows.groupby("artist_id").cumcount()
    first = rows.groupby("artist_id")["time"].transform("min")
    age = rows["time"] - first
    return rows.assign(
        all="all",
        genre=rows["artist_id"].map(facts["genre"]).fillna("Unknown"),
        career=np.select([age < 5, age < 15], ["under 5 years", "5 to 14 years"], "15 years or more"),
        **{"past forecasts": np.select([earlier < 3, earlier < 8], ["0 to 2", "3 to 7"], "8 or more")},
        error=rows["truth"] - rows["forecast"],
    )


def _radii(known: pd.DataFrame, test: pd.DataFrame, params: TrustParams) -> dict[str, Floats]:
    """Return the half-widths of the intervals of each kind."""
    from methods.trust.conformal import conformal_radius

    error, sd, new = (
        frame[name].to_numpy(float) for frame, name in ((known, "error"), (known, "sd"), (test, "sd"))
    )
    one = np.ones_like(sd)
    by_genre = np.empty_like(new)
    common = conformal_radius(error, sd, new, params.level)
    for genre in test["genre"].unique():
        mine, theirs = (known["genre"] == genre).to_numpy(), (test["genre"] == genre).to_numpy()
        enough = mine.sum() >= params.least_group
        by_genre[theirs] = (
            conformal_radius(error[mine], sd[mine], new[theirs], params.level) if enough else common[theirs]
        )
    return {
        "one width": conformal_radius(error, one, np.ones_like(new), params.level),
        PLAIN: common,
        BY_GENRE: by_genre,
        ADAPTED: adaptive_radius(
            Errors(error, sd, known["time"].to_numpy(float)),
            Errors(test["error"].to_numpy(float), new, test["time"].to_numpy(float)),
            params.level,
        ),
    }


def _coverage(test: pd.DataFrame, radius: Floats, grouping: str, params: TrustParams) -> pd.DataFrame:
    inside = (test["error"].abs().to_numpy() <= radius).astype(float)
    finite = np.where(np.isfinite(radius), 2 * radius, np.nan)
    frame = pd.DataFrame({"group": test[grouping].to_numpy(), "inside": inside, "width": finite})
    frame["infinite"] = ~np.isfinite(radius)
    table = (
        frame.groupby("group")
        .agg(targets=("inside", "size"), covered=("inside", "mean"), width=("width", "mean"),
             infinite=("infinite", "sum"))
        .reset_index()
    )  # fmt: skip
    if grouping != "all":
        table = table[table["targets"] >= params.least_group].reset_index(drop=True)
    table["width"] = table["width"].fillna(0.0)
    return table.assign(
        grouping=grouping, chance=_chance(test, inside, table["group"].tolist(), grouping, params.seed)
    )


def _chance(test: pd.DataFrame, inside: Floats, groups: list[str], grouping: str, seed: int) -> float:
    """Return the 5 % quantile of the worst group's coverage if groups did not matter.

    Whole artists move between groups at random: the forecasts of one artist are not independent.
    """
    artist = np.unique(test["artist_id"], return_inverse=True)[1]
    hits, sizes = np.bincount(artist, inside), np.bincount(artist)
    shares = pd.crosstab(artist, test[grouping].to_numpy())[groups].to_numpy(float) / sizes[:, None]
    generator = np.random.default_rng(seed)
    lowest = []
    for _ in range(SIMULATIONS):
        order = generator.permutation(len(hits))
        total = shares.T @ sizes[order]
        lowest.append((shares.T @ hits[order] / np.maximum(total, 1)).min())
    return float(np.quantile(lowest, 0.05))
