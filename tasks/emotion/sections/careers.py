"""Sections of the report on single careers: their turning points, their paths through the plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.emotion.changepoint import ChangepointMetrics
from tasks.emotion.params import ReportParams
from tasks.emotion.sections.figures import history as draw
from tasks.emotion.sections.figures.style import typical_spread
from tasks.emotion.sections.music import SOURCES
from tasks.report.blocks import (
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    share,
    signed,
)
from tasks.report.drawing import svg


class Shown(NamedTuple):
    """An artist of the report: `rows` of its career."""

    artist_id: int
    name: str
    genre: str
    rows: pd.DataFrame


def choose(artists: pd.DataFrame, careers: pd.DataFrame, params: ReportParams) -> tuple[list[Shown], str]:
    """Artists named in the params that have a career here; a sentence if any is missing.

    Where none is here (another catalogue), those with the most years take their place.
    """
    years = careers.groupby("artist_id").size()
    known = artists[artists["artist_id"].isin(years.index)]
    known = known.assign(years=known["artist_id"].map(years))
    known = known.sort_values(["years", "artist_id"], ascending=[False, True])
    first = known.drop_duplicates("artist")
    wanted = first.set_index("artist").reindex(
        [name for name in params.artists if name in set(first["artist"])]
    )
    missing = [name for name in params.artists if name not in wanted.index]
    note = f"Named in the parameters but not in the data: {joined(missing)}." if missing else ""
    if wanted.empty:
        wanted = known.head(len(params.artists) or 6).set_index("artist")
        note += " The artists with the most years are shown instead."
    found = [
        Shown(
            int(row.artist_id), str(row.Index), str(row.genre),
            careers[careers["artist_id"] == row.artist_id].sort_values("year", ignore_index=True),
        )
        for row in wanted.itertuples()
    ]  # fmt: skip
    return found, note.strip()


def careers(
    shown: list[Shown],
    note: str,
    tables: dict[str, pd.DataFrame],
    metrics: ChangepointMetrics,
    params: ReportParams,
) -> Section:
    """All careers in numbers, some in pictures, the surest changes in a table."""
    of = metrics.careers
    text = (
        f"Of {count(of.careers)} careers long enough to be looked at, {count(of.certain)} changed with a "
        f"probability above 0.9 and {count(of.likely)} with one above 0.5. The same careers with their "
        f"years in random order give {count(of.shuffled_certain)} and {count(of.shuffled_likely)}: that is "
        f"what chance alone would show. {note}"
    )
    return Section(
        "careers",
        "Careers and their turning points",
        (Prose(text.strip()), _career_figure(shown, tables, params), _surest(tables, params)),
    )


def _career_figure(shown: list[Shown], tables: dict[str, pd.DataFrame], params: ReportParams) -> Figure:
    changes = tables["changes"]
    typical = {name: typical_spread(tables["careers"], name) for name in params.dimensions}
    pictures = []
    for one in shown:
        rows = changes[changes["artist_id"] == one.artist_id]
        alt = (
            f"{one.name}: yearly {joined(params.dimensions)} from {one.rows['year'].min()} to "
            f"{one.rows['year'].max()}, and the probability of a change. {_turning_points(rows)}"
        )
        picture = svg(
            f"career-{one.artist_id}", (4.3, 3.6), alt,
            lambda figure, years=one.rows, rows=rows: draw.career(
                figure, years, rows, params.dimensions, typical
            ),
        )  # fmt: skip
        title = f"{one.name} ({one.genre}, {count(one.rows['n_songs'].sum())} songs)"
        pictures.append(Picture(picture, title, _turning_points(rows)))
    return Figure(
        tuple(pictures),
        f"Yearly means of {joined(params.dimensions)} with 95% intervals of the mean (years of fewer than "
        "five songs borrow the typical spread of songs within a year); hollow and pale: a possible "
        "reissue, left out of the analysis. The broad pale line is the mean of the stretch, averaged over "
        "all divisions. Below, the posterior probability that a new stretch begins in that year, over all "
        "dimensions analysed together; dark where the most probable division cuts. How sure: a bar near 1 "
        "is strong evidence, one below 0.5 is none.",
    )


def _turning_points(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Too few years to look for changes."
    return f"Most probable: {joined(_moves(rows)) or 'no change'}."


def _surest(tables: dict[str, pd.DataFrame], params: ReportParams) -> Grid:
    changes, counts, artists = (
        tables["changes"],
        tables["change_counts"],
        tables["artists"].set_index("artist_id"),
    )
    none = counts[(counts["k"] == 0) & counts["artist_id"].notna()].set_index("artist_id")["probability"]
    of_careers = changes[changes["artist_id"].notna()]
    years = of_careers.groupby("artist_id")["year"].agg(years="size", first="min", last="max")
    years = years.assign(
        changed=1 - none.reindex(years.index).fillna(0).clip(lower=1e-6),
        strongest=of_careers.groupby("artist_id")["probability"].max(),
    )
    top = years.sort_values(["changed", "strongest", "years"], ascending=False, kind="stable").head(
        params.careers_listed
    )
    rows = []
    for row in top.itertuples():
        part = of_careers[of_careers["artist_id"] == row.Index]
        known = artists.loc[row.Index] if row.Index in artists.index else None
        rows.append(
            (
                str(part["series"].iloc[0]), "" if known is None else str(known["genre"]),
                count(row.years), f"{row.first}–{row.last}", share(row.changed),
                joined(_moves(part)) or "—",
            )
        )  # fmt: skip
    return grid(
        f"The {len(rows)} careers with the highest probability of at least one change, of {len(years)} "
        "(ties: the sharpest single year first). The last column gives the changes of the most probable "
        "division: year, probability of that very year, and the dimension that moved most. With this many "
        "careers some high probabilities come by chance; the shuffled careers above say how many.",
        ("artist", "genre", "years", "span", "P(any change)", "most probable changes"),
        rows,
        text=(1, 5),
    )


def _moves(part: pd.DataFrame) -> list[str]:
    part = part.sort_values("year")
    regimes = part.filter(regex="_regime$")
    steps = regimes.diff()
    found = []
    for place in np.flatnonzero(part["is_map"]):
        year, probability = int(part["year"].iloc[place]), float(part["probability"].iloc[place])
        move = steps.iloc[place].dropna()
        if len(move):
            name = str(move.abs().idxmax())
            moved = f", {name.removesuffix('_regime')} {signed(float(move[name]), 2)}"
        else:
            moved = ""
        found.append(f"{year} ({share(probability)}{moved})")
    return found


def plane(shown: list[Shown], years: pd.DataFrame, careers: pd.DataFrame, params: ReportParams) -> Section:
    """Paths through the plane of valence and energy."""
    parts = _paths(shown, years, careers, params)
    ends = np.concatenate(
        [path[["energy_mean", "valence_mean"]].to_numpy(float).ravel() for *_, path in parts]
    )
    window = (max(0.0, float(ends.min()) - 0.08), min(1.0, float(ends.max()) + 0.08))
    pictures = []
    for key, name, rows, path in parts:
        start, end = path.iloc[0], path.iloc[-1]
        alt = (
            f"{name}: from energy {start['energy_mean']:.2f} and valence {start['valence_mean']:.2f} in "
            f"{start['label']} to {end['energy_mean']:.2f} and {end['valence_mean']:.2f} in {end['label']}."
        )
        picture = svg(
            f"plane-{key}", (3.5, 3.5), alt,
            lambda figure, rows=rows, path=path: draw.plane(figure, rows, path, window),
        )  # fmt: skip
        note = f"about {count(path['n_songs'].median())} songs a point"
        pictures.append(Picture(picture, name, note))
    caption = (
        "Valence against energy over time. Each large dot is a group of successive years with about "
        f"equally many songs ({params.path_steps} groups at most; how many songs stands below each "
        "picture), the arrows lead from early (dark violet) to late (green), the first and the last group "
        "are dated; grey crosses are 95% intervals. Small dots are single years; those outside the window "
        "are not drawn. Possible reissues are left out. How sure: where crosses overlap, the step between "
        "them may be chance."
    )
    return Section(
        "plane", "Paths through the emotion plane", (Prose(_PLANE), Figure(tuple(pictures), caption, tile=17))
    )


_PLANE = (
    "Psychologists lay emotions out on two axes, how pleasant and how aroused. Spotify’s valence and "
    "energy stand in for them here: close, but energy measures loudness and pace, not feeling."
)


def _paths(
    shown: list[Shown], years: pd.DataFrame, careers: pd.DataFrame, params: ReportParams
) -> list[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    """Key, name, years and groups of years of every path."""
    heard = years[years["valence_mean"].notna() & (years["n_songs"] > 0)]
    parts = [(f"whole-{key}", name, heard[heard["source"] == key]) for key, name in SOURCES.items()]
    parts += [(str(one.artist_id), one.name, one.rows[~one.rows["reissue"]]) for one in shown]
    paths = []
    for key, name, rows in parts:
        if rows.empty:
            continue
        spread = heard if key.startswith("whole-") else careers
        typical = {dimension: typical_spread(spread, dimension) for dimension in ("energy", "valence")}
        paths.append((key, name, rows, draw.spans(rows, params.path_steps, typical)))
    return paths
