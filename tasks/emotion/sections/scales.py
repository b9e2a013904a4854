"""Section of the report on three time scales: song, album and career."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from tasks.emotion.contracts.macro import CareerFit, FutureScore, MacroMetrics, MacroOutputs
from tasks.emotion.contracts.meso import MesoMetrics, MesoOutputs
from tasks.emotion.contracts.micro import MicroMetrics, MicroOutputs, PredictionScore
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
DRAWN = "arousal"
"""The rated dimension of the figure of songs."""


def finding(meso: MesoOutputs) -> list[str]:
    """Return the sentence on the coherence of albums for the findings."""
    parts = joined(
        f"{share(one.coherence)} of the variation of a song's {NAMES[name]} (shuffled songs: "
        f"{share(one.shuffled_coherence)})"
        for name, one in meso.meso.modalities.items()
    )
    return [f"What the songs of an album have in common explains {parts}."]


def section(micro: MicroOutputs, meso: MesoOutputs, macro: MacroOutputs) -> Section:
    """Return the section: one model each for songs, albums and careers."""
    fits = macro.macro.dimensions
    blocks: list[Block] = [
        Prose(_songs_text(micro.micro)),
        _songs_figure(micro.song_curves, micro.micro),
        Prose(_sections_text(micro.section_effects, micro.micro)),
        Prose(_albums_text(meso.meso)),
        _albums_figure(meso.album_coherence, meso.meso),
        *[Prose(_careers_text(name, fit)) for name, fit in fits.items()],
    ]
    converged = [name for name, fit in fits.items() if fit.converged]
    if converged:
        courses = macro.career_courses[macro.career_courses["dimension"] == converged[0]]
        blocks.append(_careers_figure(courses, converged[0]))
    return Section(
        "scales",
        "Within a song, on an album, over a career",
        (*blocks, _table(micro.micro, macro.macro)),
    )


def _songs_text(micro: MicroMetrics) -> str:
    parts = []
    for name, rating in micro.ratings.items():
        model, line = rating.hidden_anywhere["model"], rating.hidden_anywhere["straight line"]
        parts.append(
            f"in {name} ({plural(rating.songs, 'song')}) the curve of the calmest class departs "
            f"{rating.moves_sd[0]:.3f} from its level, that of the most varied class "
            f"({share(rating.share_of_songs[-1])} of songs) {rating.moves_sd[-1]:.3f}; the error on held-out "
            f"tenths is {model.rmse:.4f}, that of a straight line between their neighbours {line.rmse:.4f} "
            f"(squared errors differ by {rating.excess_of_line:+.1%}, standard error "
            f"{rating.excess_error:.1%})"
        )
    excess = [rating.excess_of_line / rating.excess_error for rating in micro.ratings.values()]
    if min(excess) > 2:
        verdict = " The straight line has the smaller error: the model does not follow every turn."
    elif max(excess) < -2:
        verdict = " The model has the smaller error."
    else:
        verdict = " As a point prediction neither is clearly better."
    if all(
        rating.hidden_anywhere["model"].log_density > rating.hidden_anywhere["straight line"].log_density
        for rating in micro.ratings.values()
    ):
        verdict += " The model states its uncertainty better (log density in the table below)."
    return f"Within a song, {'; '.join(parts)}.{verdict}"


def _songs_figure(curves: pd.DataFrame, micro: MicroMetrics) -> Figure:
    rows = curves[curves["dimension"] == DRAWN]
    songs = rows.drop_duplicates("song_id").sort_values(["song_class", "noise_sd", "song_id"])
    chosen = [int(part["song_id"].iloc[len(part) // 2]) for _, part in songs.groupby("song_class", sort=True)]
    picture = svg(
        "songs", (8.2, 2.6),
        f"Rated {DRAWN} over ten parts of {plural(len(chosen), 'song')}, from the calmest class to the most "
        "varied, with the curve of the model.",
        partial(draw.songs, curves=rows, chosen=chosen),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"A typical song of each class, calm to varied: {DRAWN} as rated (dots) and the model's curve with "
        f"its 95% band. n = {count(micro.ratings[DRAWN].songs)} songs of ten parts. Uncertainty: raters "
        "disagree about the level of a song far more than about its course; the band is about its course.",
    )


def _sections_text(effects: pd.DataFrame, micro: MicroMetrics) -> str:
    clear = effects[(effects["low"] > 0) | (effects["high"] < 0)]
    differences = [
        f"{row.emotion} in the {row.kind} ({signed(row.difference, 2)} words per 100)"
        for row in clear.itertuples()
    ]
    text = f"By section, in the lyrics of {count(effects['songs'].max())} songs by one artist: "
    text += (
        f"{joined(differences)} differ{'s' if len(differences) == 1 else ''} clearly from the song's "
        "average. "
        if differences
        else "no kind of section differs clearly from the song's average. "
    )
    lost = [
        name
        for name, lyric in micro.lyrics.items()
        if lyric.hidden_section["model"].rmse >= min(
            score.rmse for key, score in lyric.hidden_section.items() if key != "model"
        )
    ]  # fmt: skip
    return text + (
        f"For a held-out section the model is not better than the best simple prediction for {joined(lost)}."
        if lost
        else "For a held-out section the model is better than every simple prediction."
    )


def _albums_text(meso: MesoMetrics) -> str:
    parts = [
        f"in {NAMES[name]} the factors of its album explain {share(summary.coherence)} of a song's emotion "
        f"(shuffled songs: {share(summary.shuffled_coherence)}); {count(summary.artists_with_albums)} of "
        f"{count(summary.artists)} artists have albums that differ more than random groups of their songs"
        for name, summary in meso.modalities.items()
    ]
    return (
        f"On an album: {'; '.join(parts)}. Shuffled songs stay above zero, because the errors of a few songs "
        "are correlated between dimensions and look like a factor."
    )


def _albums_figure(table: pd.DataFrame, meso: MesoMetrics) -> Figure:
    modalities = meso.modalities.items()
    means = [f"{name} {one.coherence:.2f} against {one.shuffled_coherence:.2f}" for name, one in modalities]
    picture = svg(
        "albums", (8.2, 2.7),
        f"Histograms of album coherence, compared with shuffled songs: {'; '.join(means)}.",
        partial(draw.albums, table=table),
    )  # fmt: skip
    sizes = joined(f"{count(one.albums)} albums ({NAMES[name]})" for name, one in modalities)
    return Figure(
        (Picture(picture),),
        "Coherence of albums: the share of a song's variance, about the mean of its artist, that the songs "
        f"of an album have in common. n = {sizes}. Uncertainty: computed from means, spreads and numbers of "
        "songs only; the value of a single album is less certain than the picture suggests.",
    )


def _careers_text(dimension: str, fit: CareerFit) -> str:
    text = (
        f"Over a career, {dimension}: {plural(fit.careers, 'career')} in one model, "
        f"{count(fit.years_fitted)} years. "
    )
    if not fit.converged:
        return f"{text}The fit has not converged ({fit.reason}), and its results are not used."
    best = max(fit.future, key=lambda name: fit.future[name].log_density)
    ours, mean = fit.future["Gaussian process"], fit.future["artist's mean"]
    differing = [name for name, check in fit.checks.items() if check.p < 0.05]
    text += (
        "The typical character of an artist persists for about "
        f"{fit.typical_length_years:.0f} years. In {count(fit.years_forecast)} later years the forecast has "
        f"an error of {ours.rmse:.3f}, the artist's mean {mean.rmse:.3f}"
    )
    if ours.rmse > mean.rmse:
        text += ": as a point prediction the mean is better"
    text += (
        f". The highest predictive density is that of “{best}”. "
        f"Intervals with a nominal level of 90% contain {share(fit.covered_90 or 0)} of the years. "
    )
    if differing:
        return f"{text}Data simulated from the model differ from the observed data in {joined(differing)}."
    return f"{text}Data simulated from the model resemble the observed data in every property checked."


def _careers_figure(courses: pd.DataFrame, dimension: str) -> Figure:
    future = courses[courses["future"]].groupby("artist_id").size()
    order = pd.DataFrame({"future": future, "all": courses.groupby("artist_id").size()}).fillna(0)
    chosen = [int(i) for i in order.sort_values(["future", "all"], ascending=False, kind="stable").index[:3]]
    names = [str(courses.loc[courses["artist_id"] == i, "artist"].iloc[0]) for i in chosen]
    picture = svg(
        "careers-gp", (8.2, 2.8), f"Smooth courses and forecasts of {dimension} of {joined(names)}.",
        partial(draw.careers, courses=courses, chosen=chosen),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{dimension.capitalize()} of the careers with the most later years: yearly means with their "
        "sampling error (grey), the course given all years (blue, 95% band), and forecasts from the years "
        "before each (red, 95%). The model was fitted to the earlier years only. Uncertainty: a year of one "
        "song has the longest bar.",
    )


def _table(micro: MicroMetrics, macro: MacroMetrics) -> Grid:
    rows: list[list[str | Cell]] = []
    for dimension, rating in micro.ratings.items():
        for title, scores in (
            ("held-out tenths", rating.hidden_anywhere),
            ("held-out end", rating.hidden_end),
        ):
            rows += _section_rows(f"{dimension}, {title}", scores)
    for emotion, lyric in micro.lyrics.items():
        rows += _section_rows(f"{emotion}, held-out section", lyric.hidden_section)
    for dimension, fit in macro.dimensions.items():
        rows += _year_rows(f"{dimension}, later years", fit.future)
    return grid(
        "Each model compared with simple predictions, on songs and years to which it was not fitted. RMSE is "
        "dominated by the largest errors, the median error is that of a typical case; log density rewards a "
        "correct statement of uncertainty (higher is better).",
        ("target", "prediction by", "RMSE", "median error", "log density"),
        rows, text=(1,),
    )  # fmt: skip


def _section_rows(title: str, scores: Mapping[str, PredictionScore]) -> list[list[str | Cell]]:
    rmse = min(score.rmse for score in scores.values())
    median = min(score.median_error for score in scores.values())
    density = max(score.log_density for score in scores.values())
    return [
        [
            title, name, Cell(f"{score.rmse:.4f}", score.rmse == rmse),
            Cell(f"{score.median_error:.4f}", score.median_error == median),
            Cell(signed(score.log_density, 3), score.log_density == density),
        ]
        for name, score in scores.items()
    ]  # fmt: skip


def _year_rows(title: str, scores: Mapping[str, FutureScore]) -> list[list[str | Cell]]:
    rmse = min((score.rmse for score in scores.values()), default=0.0)
    density = max((score.log_density for score in scores.values()), default=0.0)
    return [
        [
            title, name, Cell(f"{score.rmse:.4f}", score.rmse == rmse), "—",
            Cell(signed(score.log_density, 3), score.log_density == density),
        ]
        for name, score in scores.items()
    ]  # fmt: skip
