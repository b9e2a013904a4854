"""Section of the report on the change points of single careers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from tasks.emotion.catalogue.selection import Selection
from tasks.emotion.changepoint import ChangepointOutputs
from tasks.emotion.params import ReportParams
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections.figures import history as draw
from tasks.emotion.sections.figures.style import typical_spread
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


def finding(changepoint: ChangepointOutputs) -> list[str]:
    """Return the sentence on all careers for the findings."""
    metrics = changepoint.changepoint.careers
    ratio = metrics.certain / max(metrics.shuffled_certain, 1)
    text = (
        f"{count(metrics.certain)} of {count(metrics.careers)} careers "
        f"({share(metrics.certain / max(metrics.careers, 1))}) changed character with a probability above "
        f"0.9. If the years of each career are shuffled, {count(metrics.shuffled_certain)} do, so "
    )
    if ratio >= 2:
        return [f"{text}chance does not explain most of these changes ({ratio:.1f} times as many)."]
    return [f"{text}chance may explain many of these changes."]


def section(
    selection: Selection, preprocess: PreprocessOutputs, changepoint: ChangepointOutputs, params: ReportParams
) -> Section:
    """Return the section: counts, selected careers drawn, surest ones listed."""
    metrics = changepoint.changepoint.careers
    text = (
        f"Of {count(metrics.careers)} careers with enough years, {count(metrics.certain)} changed with a "
        f"probability above 0.9 and {count(metrics.likely)} with one above 0.5. The same careers with their "
        f"years in random order give {count(metrics.shuffled_certain)} and {count(metrics.shuffled_likely)}, "
        f"which is what chance alone produces. {selection.note}"
    )
    return Section(
        "careers",
        "Change points in careers",
        (
            Prose(text.strip()),
            _figure(selection, preprocess.careers, changepoint.changes, params),
            _surest(preprocess.artists, changepoint, params),
        ),
    )


def _figure(
    selection: Selection, careers: pd.DataFrame, changes: pd.DataFrame, params: ReportParams
) -> Figure:
    typical = {name: typical_spread(careers, name) for name in params.dimensions}
    pictures = []
    for artist in selection.artists:
        rows, years = changes[changes["artist_id"] == artist.artist_id], artist.years
        alt = (
            f"{artist.name}: yearly {joined(params.dimensions)} from {years['year'].min()} to "
            f"{years['year'].max()}, and the probability of a change. {_most_probable(rows)}"
        )
        picture = svg(
            f"career-{artist.artist_id}", (4.3, 3.6), alt,
            partial(draw.career, rows=years, changes=rows, dimensions=params.dimensions, typical=typical),
        )  # fmt: skip
        title = f"{artist.name} ({artist.genre}, {count(years['n_songs'].sum())} songs)"
        pictures.append(Picture(picture, title, _most_probable(rows)))
    return Figure(
        tuple(pictures),
        f"Yearly means of {joined(params.dimensions)} with 95% intervals of the mean (a year of fewer than "
        "five songs uses the typical spread of songs within a year). Hollow and pale points are possible "
        "reissues, which the analysis excludes. The broad pale line is the mean of the period, averaged over "
        "all segmentations. Below: the posterior probability that a new period begins in that year, over all "
        "dimensions together; dark bars are the change points of the most probable segmentation. "
        "Uncertainty: a bar near 1 is strong evidence, a bar below 0.5 is none.",
    )


def _most_probable(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "Too few years to look for changes."
    return f"Most probable: {joined(_changes(rows)) or 'no change'}."


def _surest(artists: pd.DataFrame, changepoint: ChangepointOutputs, params: ReportParams) -> Grid:
    changes, counts, by_id = (
        changepoint.changes,
        changepoint.change_counts,
        artists.set_index("artist_id"),
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
        artist = by_id.loc[row.Index] if row.Index in by_id.index else None
        rows.append(
            (
                str(part["series"].iloc[0]), "" if artist is None else str(artist["genre"]),
                count(row.years), f"{row.first}–{row.last}", share(row.changed),
                joined(_changes(part)) or "—",
            )
        )  # fmt: skip
    return grid(
        f"The {len(rows)} careers with the highest probability of at least one change, of {len(years)} "
        "(ties: the sharpest single year first). The last column lists the changes of the most probable "
        "segmentation: year, probability of exactly that year, and the dimension that moved most. Among this "
        "many careers some high probabilities occur by chance; the shuffled careers above say how many.",
        ("artist", "genre", "years", "span", "P(any change)", "most probable changes"),
        rows,
        text=(1, 5),
    )


def _changes(part: pd.DataFrame) -> list[str]:
    """Return the changes of the most probable segmentation in words."""
    part = part.sort_values("year")
    steps = part.filter(regex="_regime$").diff()
    words = []
    for index in np.flatnonzero(part["is_map"]):
        year, probability = int(part["year"].iloc[index]), float(part["probability"].iloc[index])
        step = steps.iloc[index].dropna()
        moved = ""
        if len(step):
            name = str(step.abs().idxmax())
            moved = f", {name.removesuffix('_regime')} {signed(float(step[name]), 2)}"
        words.append(f"{year} ({share(probability)}{moved})")
    return words
