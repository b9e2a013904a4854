"""Section of the report on the three time scales: within a song, on an album, over a career."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.contracts.macro import CareerFit, MacroMetrics
from tasks.emotion.contracts.meso import MesoMetrics
from tasks.emotion.contracts.micro import Foretold, MicroMetrics
from tasks.emotion.sections.figures import scales as draw
from tasks.report.blocks import (
    Block,
    Cell,
    Figure,
    Grid,
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
from tasks.report.drawing import svg

NAMES = {"audio": "sound", "lyrics": "lyrics"}
SHOWN = "arousal"


def scales(
    song_curves: pd.DataFrame,
    section_effects: pd.DataFrame,
    album_coherence: pd.DataFrame,
    career_courses: pd.DataFrame,
    metrics: tuple[MicroMetrics, MesoMetrics, MacroMetrics],
) -> Section:
    """Songs, albums, careers: one model each, beside the plain guess that it has to beat."""
    micro, meso, macro = metrics
    blocks: list[Block] = [
        Prose(_songs_sentence(micro)),
        _songs_figure(song_curves, micro),
        Prose(_sections_sentence(section_effects, micro)),
        Prose(_albums_sentence(meso)),
        _albums_figure(album_coherence, meso),
        *[Prose(_careers_sentence(name, one)) for name, one in macro.dimensions.items()],
    ]
    used = [name for name, one in macro.dimensions.items() if one.converged]
    if used:
        courses = career_courses[career_courses["dimension"] == used[0]]
        blocks.append(_careers_figure(courses, used[0]))
    return Section("scales", "Within a song, on an album, over a career", (*blocks, _table(micro, macro)))


def _songs_sentence(micro: MicroMetrics) -> str:
    parts = []
    for name, one in micro.ratings.items():
        anywhere, line = one.hidden_anywhere["model"], one.hidden_anywhere["straight line"]
        parts.append(
            f"in {name}: {plural(one.songs, 'song')}; the curve of the calmest class goes "
            f"{one.moves_sd[0]:.3f} from its level, that of the most restless "
            f"({share(one.share_of_songs[-1])} of songs) {one.moves_sd[-1]:.3f}. Hidden tenths are missed by "
            f"{anywhere.rmse:.4f}, by a straight line between their neighbours {line.rmse:.4f} (squared "
            f"errors differ by {one.excess_of_line:+.1%}, standard error "
            f"{one.excess_error:.1%})"
        )
    sure = [one.excess_of_line / one.excess_error for one in micro.ratings.values()]
    if min(sure) > 2:
        verdict = " The plain line misses by less: the model does not follow every turn."
    elif max(sure) < -2:
        verdict = " The model misses by less."
    else:
        verdict = " As a single number neither is surely the better one."
    told = all(
        one.hidden_anywhere["model"].log_density > one.hidden_anywhere["straight line"].log_density
        for one in micro.ratings.values()
    )
    if told:
        verdict += " The model knows better how sure to be (log density in the table below)."
    return f"Within a song, {'; '.join(parts)}.{verdict}"


def _songs_figure(curves: pd.DataFrame, micro: MicroMetrics) -> Figure:
    rows = curves[curves["dimension"] == SHOWN]
    one = rows.drop_duplicates("song_id").sort_values(["song_class", "noise_sd", "song_id"])
    chosen = [int(part["song_id"].iloc[len(part) // 2]) for _, part in one.groupby("song_class", sort=True)]
    picture = svg(
        "songs", (8.2, 2.6),
        f"Rated {SHOWN} over ten parts of {plural(len(chosen), 'song')}, from the calmest class to the most "
        "restless, with the curve of the model.",
        lambda figure: draw.songs(figure, rows, chosen),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"A typical song of each class, calm to restless: {SHOWN} as rated (dots) and the model's curve with "
        f"its 95% band. n = {count(micro.ratings[SHOWN].songs)} songs of ten parts. How sure: raters "
        "disagree on how high a song lies as a whole far more than it moves; the band is about its moves.",
    )


def _sections_sentence(effects: pd.DataFrame, micro: MicroMetrics) -> str:
    sure = effects[(effects["low"] > 0) | (effects["high"] < 0)]
    told = [
        f"{row.emotion} in the {row.kind} ({signed(row.difference, 2)} words per 100)"
        for row in sure.itertuples()
    ]
    text = f"By section, in the lyrics of {count(effects['songs'].max())} songs by one artist: "
    text += (
        f"{joined(told)} differ surely from the song's average. "
        if told
        else "no kind of section differs surely. "
    )
    lost = [
        name
        for name, one in micro.lyrics.items()
        if one.hidden_section["model"].rmse >= min(
            score.rmse for key, score in one.hidden_section.items() if key != "model"
        )
    ]  # fmt: skip
    return text + (
        f"A section that was hidden is foretold no better than by the plainest guess for {joined(lost)}."
        if lost
        else "A section that was hidden is foretold better than by any plain guess."
    )


def _albums_sentence(meso: MesoMetrics) -> str:
    parts = [
        f"in {NAMES[name]} the factors of its album carry {share(one.coherence)} of a song's emotion, "
        f"shuffled songs would give {share(one.shuffled_coherence)}; {count(one.artists_with_albums)} of "
        f"{count(one.artists)} artists have albums that differ more than handfuls of their songs"
        for name, one in meso.modalities.items()
    ]
    return (
        f"On an album: {'; '.join(parts)}. Shuffles stay above zero: the errors of a few songs go together "
        "between dimensions, and look like a factor."
    )


def _albums_figure(table: pd.DataFrame, meso: MesoMetrics) -> Figure:
    modalities = meso.modalities.items()
    told = [f"{name} {one.coherence:.2f} against {one.shuffled_coherence:.2f}" for name, one in modalities]
    picture = svg(
        "albums", (8.2, 2.7),
        f"Histograms of album coherence beside the same for shuffled songs: {'; '.join(told)}.",
        lambda figure: draw.albums(figure, table),
    )  # fmt: skip
    sizes = joined(f"{count(one.albums)} albums ({NAMES[name]})" for name, one in modalities)
    return Figure(
        (Picture(picture),),
        "Coherence of albums: the share of a song's variance, about its artist, that lies in what the songs "
        f"of an album have in common. n = {sizes}. How sure: computed from means, spreads and numbers of "
        "songs only; of one album, less sure than the picture suggests.",
    )


def _careers_sentence(dimension: str, macro: CareerFit) -> str:
    text = (
        f"Over a career, {dimension}: {plural(macro.careers, 'career')} in one model, "
        f"{count(macro.years_fitted)} years. "
    )
    if not macro.converged:
        return text + f"The fit has not converged ({macro.reason}) and is not used."
    best = max(macro.future, key=lambda name: macro.future[name].log_density)
    ours, mean = macro.future["Gaussian process"], macro.future["artist's mean"]
    odd = [name for name, check in macro.checks.items() if check.p < 0.05]
    return (
        f"{text}What is typical of an artist lasts about "
        f"{macro.typical_length_years:.0f} years. In {count(macro.years_forecast)} later years the forecast "
        f"misses by {ours.rmse:.3f}, the artist's mean by {mean.rmse:.3f}"
        + (": as a single number the plain mean is better" if ours.rmse > mean.rmse else "")
        + f"; the most probable account of what came is that of “{best}”. "
        f"Intervals that promise 90% hold {share(macro.covered_90 or 0)}. "
        + (f"Data drawn from the model differ from these in {joined(odd)}." if odd else
           "Data drawn from the model look like these in every trait that was checked.")
    )  # fmt: skip


def _careers_figure(courses: pd.DataFrame, dimension: str) -> Figure:
    future = courses[courses["future"]].groupby("artist_id").size()
    order = pd.DataFrame({"future": future, "all": courses.groupby("artist_id").size()}).fillna(0)
    chosen = [int(i) for i in order.sort_values(["future", "all"], ascending=False, kind="stable").index[:3]]
    names = [str(courses.loc[courses["artist_id"] == i, "artist"].iloc[0]) for i in chosen]
    picture = svg(
        "careers-gp", (8.2, 2.8), f"Smooth courses and forecasts of {dimension} of {joined(names)}.",
        lambda figure: draw.careers(figure, courses, chosen),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{dimension.capitalize()} of the careers with the most later years: yearly means with their "
        "sampling error (grey), the course given all years (blue, 95% band), and forecasts from the years "
        "before each (red, 95%). The model was fitted to the earlier years only. How sure: a year of one "
        "song has the longest bar.",
    )


def _table(micro: MicroMetrics, macro: MacroMetrics) -> Grid:
    rows: list[list[str | Cell]] = []
    for dimension, one in micro.ratings.items():
        for title, scored in (("hidden tenths", one.hidden_anywhere), ("hidden end", one.hidden_end)):
            rows += _compared(f"{dimension}, {title}", scored)
    for emotion, lyric in micro.lyrics.items():
        rows += _compared(f"{emotion}, hidden section", lyric.hidden_section)
    for dimension, fitted in macro.dimensions.items():
        rows += _compared_years(f"{dimension}, later years", fitted)
    return grid(
        "Each model beside plain guesses, on songs and years that it was not fitted to. RMSE counts the "
        "worst misses most, the median error is that of a typical case; log density rewards knowing how sure "
        "to be.",
        ("what is foretold", "by", "RMSE", "median error", "log density"),
        rows, text=(1,),
    )  # fmt: skip


def _compared(title: str, scored: dict[str, Foretold]) -> list[list[str | Cell]]:
    best = {
        "rmse": min(one.rmse for one in scored.values()),
        "median_error": min(one.median_error for one in scored.values()),
        "log_density": max(one.log_density for one in scored.values()),
    }
    return [
        [
            title, name, Cell(f"{one.rmse:.4f}", one.rmse == best["rmse"]),
            Cell(f"{one.median_error:.4f}", one.median_error == best["median_error"]),
            Cell(signed(one.log_density, 3), one.log_density == best["log_density"]),
        ]
        for name, one in scored.items()
    ]  # fmt: skip


def _compared_years(title: str, fitted: CareerFit) -> list[list[str | Cell]]:
    best = min((one.rmse for one in fitted.future.values()), default=0.0)
    top = max((one.log_density for one in fitted.future.values()), default=0.0)
    return [
        [
            title, name, Cell(f"{one.rmse:.4f}", one.rmse == best), "—",
            Cell(signed(one.log_density, 3), one.log_density == top),
        ]
        for name, one in fitted.future.items()
    ]  # fmt: skip
