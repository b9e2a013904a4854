"""Sections of the report on the data, on music as a whole, and on single careers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.emotion import figures_history as draw
from tasks.emotion.changepoint import MAUCH_2015, ChangepointMetrics
from tasks.emotion.figures import svg, typical_spread
from tasks.emotion.ingest import IngestReport
from tasks.emotion.params import ReportParams
from tasks.emotion.preprocess import PreprocessReport
from tasks.emotion.report_blocks import (
    Figure,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    plural,
    share,
    signed,
)

SOURCES = {"music": "All music", "charts": "The US charts"}
JOINS = {
    ("rows", "artists"): "artists known to any table",
    ("rows", "careers"): "artist-years with audio",
    ("rows", "albums"): "albums with audio, lyrics or both",
    ("artists", "with_namesakes"): "artists who share their name with another",
    ("artists", "songs_under_a_namesake"): "artists whose songs stand under a namesake's number",
    ("artists", "without_name"): "artists without a name, known by number only",
    ("album_artists", "joined"): "album artists found in the artist table by name",
    ("album_artists", "joined_by_dates"): "... of them told apart from a namesake by their dates",
    ("album_artists", "ambiguous"): "album artists left out of the join as ambiguous",
    ("album_artists", "unknown"): "album artists that no other table knows",
    ("albums", "with_audio"): "albums with audio",
    ("albums", "with_lyrics"): "albums with lyrics",
    ("albums", "with_both"): "albums with both",
    ("albums", "lyrics_and_audio_by_name"): "albums whose lyrics and audio were joined by title",
    ("albums", "lyrics_and_audio_by_edition"): "... and by title without the words for an edition",
    ("flags", "thin_years"): "artist-years marked as resting on too few songs",
    ("flags", "careers_reissue"): "artist-years marked as possible reissues (after a long silence)",
    ("flags", "albums_reissue"): "albums whose date may be a reissue's",
    ("flags", "albums_collection"): "albums marked as collections (live, best-of, deluxe, box sets ...)",
}


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
    wanted = first.set_index("artist").reindex([name for name in params.artists if name in set(first["artist"])])
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


def data(ingest: IngestReport, preprocess: PreprocessReport, quarantine: pd.DataFrame) -> Section:
    """Rows read, set aside, joined and marked."""
    total = ingest.all_tables
    parts = preprocess.model_dump()
    facts = [
        (text, count(parts[part][key])) for (part, key), text in JOINS.items() if key in parts.get(part, {})
    ]
    blocks = [
        Prose(
            f"{count(total.rows_read)} rows were read from {plural(len(ingest.tables), 'table')}; "
            f"{count(total.rows_kept)} kept to the rules and "
            f"{plural(total.rows_quarantined, 'row')} did not and "
            f"{'was' if total.rows_quarantined == 1 else 'were'} set aside. Nothing was dropped silently. "
            "Audio figures are Spotify's; lyric figures count words of the NRC emotion lexicon "
            "per hundred words. Both are instruments with a bias of their own, not the ear of a listener."
        ),
        grid(
            "Rows of each source table. Exact counts; no sampling.",
            ("table", "read", "kept", "set aside"),
            [
                (name, count(one.rows_read), count(one.rows_kept), count(one.rows_quarantined))
                for name, one in sorted(ingest.tables.items())
            ],
        ),
    ]
    if len(quarantine):
        blocks.append(
            grid(
                f"The rows set aside, and why (the first {min(len(quarantine), 10)} of "
                f"{plural(len(quarantine), 'reason')}).",
                ("table", "row", "column", "found", "reason"),
                [
                    (row.table, count(row.row), row.column, row.value[:60], row.reason)
                    for row in quarantine.head(10).itertuples()
                ],
                text=(2, 3, 4),
            )
        )
    blocks.append(
        grid(
            "What was joined, and what is marked as doubtful. Exact counts; the marks come from rules on names "
            "and dates and can be wrong in single cases.",
            ("what", "how many"),
            facts,
        )
    )
    return Section("data", "The data and its faults", tuple(blocks))


def music(years: pd.DataFrame, changes: pd.DataFrame, metrics: ChangepointMetrics) -> Section:
    """All music and the charts, year by year, with the posterior of change."""
    blocks: list[Prose | Figure] = [Prose(" ".join(_whole_sentence(name, metrics) for name in _levels(metrics)))]
    blocks += [_music_figure(name, years, changes, metrics) for name in _levels(metrics)]
    return Section(
        "music", "Music as a whole", (*blocks, _landmarks(metrics), Prose(_INNOVATIONS)),
    )  # fmt: skip


_INNOVATIONS = (
    "“Levels” asks where the yearly mean itself moves to a new stretch; a slow trend is then cut "
    "into steps. “Innovations” asks the same of what last year does not already explain, so a "
    "change there is one that mere persistence does not bring about. A change that only the levels show may be "
    "persistence."
)


def _levels(metrics: ChangepointMetrics) -> list[str]:
    return [name for name in metrics.whole if name in SOURCES]


def _whole_sentence(name: str, metrics: ChangepointMetrics) -> str:
    whole = metrics.whole[name]
    near = [year for year, landmark in whole.mauch.items() if landmark.within >= 0.5]
    text = (
        f"{SOURCES[name]}: over {plural(whole.years, 'year')} the most probable division has "
        f"{plural(whole.map_changes, 'change')} (about {whole.expected_changes:.1f} are to be expected); "
        f"of the years of Mauch et al. (2015), "
    )
    text += f"{joined(near)} {'is' if len(near) == 1 else 'are'} met with a probability above one half." if near else (
        "none is met with a probability above one half."
    )  # fmt: skip
    return (
        f"{text} Placed at random, as many changes would come as near to all three in "
        f"{share(whole.mauch_chance)} of cases."
    )


def _music_figure(name: str, years: pd.DataFrame, changes: pd.DataFrame, metrics: ChangepointMetrics) -> Figure:
    series = {
        label: changes[changes["series"] == key]
        for label, key in (("levels", name), ("innovations", f"{name} innovations"))
    }
    first, last = series["levels"]["year"].min(), series["levels"]["year"].max()
    rows = years[(years["source"] == name) & years["year"].between(first, last)].sort_values("year")
    picture = svg(
        f"music-{name}", (8.2, 5.4),
        f"{SOURCES[name]}, {first} to {last}: valence, energy, danceability and acousticness by year, and the "
        f"probability of a change in each year. {_whole_sentence(name, metrics)}",
        lambda figure: draw.music(figure, rows, series, MAUCH_2015),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{SOURCES[name]}, {first}–{last}: yearly means with 95% intervals (shaded), from "
        f"{count(rows['n_songs'].sum())} songs, {count(rows['n_songs'].min())} to {count(rows['n_songs'].max())} a "
        "year. Below, the posterior probability that a new stretch begins in that year; dark bars are the "
        "changes of the most probable division. Dashed: the stylistic revolutions of Mauch et al. (2015) in the "
        "US charts. How sure: the probabilities are exact given the model of constant stretches; they "
        "say nothing of what caused a change.",
    )


def _landmarks(metrics: ChangepointMetrics):  # type: ignore[no-untyped-def]
    rows = [
        (
            f"{SOURCES.get(name.split()[0], name)}, {'innovations' if name.endswith('innovations') else 'levels'}",
            year, str(landmark.nearest) if landmark.nearest else "none",
            f"{landmark.distance}" if landmark.nearest else "—", share(landmark.within),
        )
        for name, whole in metrics.whole.items()
        for year, landmark in whole.mauch.items()
    ]  # fmt: skip
    return grid(
        "The published years beside ours. “Nearest” is the nearest change of the most probable division; the last "
        "column is the posterior probability of a change at most a year or so away (the window is the parameter "
        "emotion.changepoint.near).",
        ("series", "published", "nearest", "years off", "probability near it"),
        rows,
    )


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
        f"Of {count(of.careers)} careers long enough to be looked at, {count(of.certain)} changed with a probability "
        f"above 0.9 and {count(of.likely)} with one above 0.5. The same careers with their years in random order "
        f"give {count(of.shuffled_certain)} and {count(of.shuffled_likely)}: that is what chance alone would show. "
        f"{note}"
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
            lambda figure, one=one, rows=rows: draw.career(figure, one.rows, rows, params.dimensions, typical),
        )  # fmt: skip
        pictures.append(Picture(picture, f"{one.name} ({one.genre}, {count(one.rows['n_songs'].sum())} songs)"))
    return Figure(
        tuple(pictures),
        f"Yearly means of {joined(params.dimensions)} with 95% intervals of the mean (years of fewer than five songs "
        "borrow the typical spread of songs within a year); hollow and pale: a possible reissue, left out of the "
        "analysis. The broad pale line is the mean of the stretch, averaged over all divisions. Below, the posterior "
        "probability that a new stretch begins in that year, over all dimensions analysed together; dark where "
        "the most probable division cuts. How sure: a bar near 1 is strong evidence, one below 0.5 is none.",
    )


def _turning_points(rows: pd.DataFrame) -> str:
    cuts = rows[rows["is_map"]]
    if cuts.empty:
        return "The most probable division has no change."
    return "Most probable changes: " + joined(
        f"{row.year} ({share(row.probability)})" for row in cuts.itertuples()
    ) + "."  # fmt: skip


def _surest(tables: dict[str, pd.DataFrame], params: ReportParams):  # type: ignore[no-untyped-def]
    changes, counts, artists = tables["changes"], tables["change_counts"], tables["artists"].set_index("artist_id")
    none = counts[(counts["k"] == 0) & counts["artist_id"].notna()].set_index("artist_id")["probability"]
    of_careers = changes[changes["artist_id"].notna()]
    years = of_careers.groupby("artist_id")["year"].agg(["size", "min", "max"])
    years = years.assign(changed=1 - none.reindex(years.index).fillna(0), strongest=of_careers.groupby("artist_id")["probability"].max())
    top = years.sort_values(["changed", "strongest", "size"], ascending=False, kind="stable").head(params.careers_listed)
    rows = []
    for row in top.itertuples():
        part = of_careers[of_careers["artist_id"] == row.Index]
        known = artists.loc[row.Index] if row.Index in artists.index else None
        rows.append(
            (
                str(part["series"].iloc[0]), "" if known is None else str(known["genre"]),
                f"{row.size if isinstance(row.size, int) else row[1]}", f"{row.min}–{row.max}", share(row.changed),
                joined(_moves(part)) or "—",
            )
        )  # fmt: skip
    return grid(
        f"The {len(rows)} careers with the highest probability of at least one change, of {len(years)} (ties: the "
        "sharpest single year first). The last column gives the changes of the most probable division: year, "
        "probability of that very year, and the dimension that moved most. With this many careers "
        "some high probabilities come by chance; the shuffled careers above say how many.",
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


def plane(shown: list[Shown], years: pd.DataFrame, params: ReportParams) -> Section:
    """Paths through the plane of valence and energy."""
    whole = years[(years["source"] == "music") & years["valence_mean"].notna() & (years["n_songs"] > 0)]
    charts = years[(years["source"] == "charts") & years["valence_mean"].notna() & (years["n_songs"] > 0)]
    parts = [("whole-music", SOURCES["music"], whole), ("whole-charts", SOURCES["charts"], charts)]
    parts += [(str(one.artist_id), one.name, one.rows[~one.rows["reissue"]]) for one in shown]
    parts = [(key, name, rows) for key, name, rows in parts if len(rows)]
    limits = min(int(rows["year"].min()) for *_, rows in parts), max(int(rows["year"].max()) for *_, rows in parts)
    pictures = []
    for key, name, rows in parts:
        path = draw.spans(rows, params.path_steps)
        start, end = path.iloc[0], path.iloc[-1]
        alt = (
            f"{name}: from energy {start['energy_mean']:.2f} and valence {start['valence_mean']:.2f} in "
            f"{start['label']} to {end['energy_mean']:.2f} and {end['valence_mean']:.2f} in {end['label']}."
        )
        picture = svg(
            f"plane-{key}", (3.7, 3.7), alt,
            lambda figure, rows=rows: draw.plane(figure, rows, params.path_steps, limits),
        )  # fmt: skip
        pictures.append(Picture(picture, name))
    scale = svg(
        "plane-scale", (3.7, 0.7), f"Colours of the years, {limits[0]} dark blue to {limits[1]} yellow.",
        lambda figure: draw.time_scale(figure, limits),
    )  # fmt: skip
    pictures.append(Picture(scale, "Colour of the years"))
    return Section(
        "plane",
        "Paths through the emotion plane",
        (
            Prose(
                "Psychologists lay emotions out on two axes, how pleasant and how aroused. Spotify’s "
                "valence and energy stand in for them here: close, but energy measures loudness and pace, not feeling."
            ),
            Figure(
                tuple(pictures),
                f"Valence against energy over time. Each small dot is a year; the arrows join song-weighted means of "
                f"at most {params.path_steps} equal spans of years, dark (early) to yellow (late); the first and the "
                "last span are labelled. Possible reissues are left out. How sure: a dot of few songs "
                "moves by 0.1 and more by chance (see the error bars of the careers above); trust the arrows, not the "
                "dots.",
            ),
        ),
    )
