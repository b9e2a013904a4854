"""Section of the report on music as a whole, with its years of change."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.changepoint import MAUCH_2015, ChangepointMetrics
from tasks.emotion.sections.figures import history as draw
from tasks.report.blocks import (
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
)
from tasks.report.drawing import svg

SOURCES = {"music": "All music", "charts": "The US charts"}


def music(years: pd.DataFrame, changes: pd.DataFrame, metrics: ChangepointMetrics) -> Section:
    """All music and the charts, year by year, with the posterior of change."""
    blocks: list[Prose | Figure] = [
        Prose(" ".join(_whole_sentence(name, metrics) for name in _levels(metrics)))
    ]
    blocks += [_music_figure(name, years, changes, metrics) for name in _levels(metrics)]
    return Section(
        "music", "Music as a whole", (*blocks, _landmarks(metrics), Prose(_INNOVATIONS), _models(metrics),
            Prose(_models_sentence(metrics))),
    )  # fmt: skip


_INNOVATIONS = (
    "“Levels” asks where the yearly mean itself moves to a new stretch; a slow trend is then cut into "
    "steps. “Innovations” asks the same of what last year does not already explain, so a change there is "
    "one that mere persistence does not bring about. A change that only the levels show may be "
    "persistence."
)


def _levels(metrics: ChangepointMetrics) -> list[str]:
    return [name for name in SOURCES if name in metrics.whole]


def _whole_sentence(name: str, metrics: ChangepointMetrics) -> str:
    whole = metrics.whole[name]
    near = [year for year, landmark in whole.mauch.items() if landmark.within >= 0.5]
    text = (
        f"{SOURCES[name]}: over {plural(whole.years, 'year')} the most probable division has "
        f"{plural(whole.map_changes, 'change')} ({whole.expected_changes:.1f} on average over all "
        "divisions); of the years of Mauch et al. (2015), "
    )
    text += (
        f"{joined(near) or 'none'} {'are' if len(near) > 1 else 'is'} met with a probability above one half."
    )
    return (
        f"{text} Placed at random, as many changes would come as near to all three in "
        f"{share(whole.mauch_chance)} of cases."
    )


def _music_figure(
    name: str, years: pd.DataFrame, changes: pd.DataFrame, metrics: ChangepointMetrics
) -> Figure:
    series = {
        label: changes[changes["series"] == key]
        for label, key in (("levels", name), ("innovations", f"{name} innovations"))
    }
    first, last = series["levels"]["year"].min(), series["levels"]["year"].max()
    rows = years[(years["source"] == name) & years["year"].isin(series["levels"]["year"])].sort_values("year")
    picture = svg(
        f"music-{name}", (8.2, 5.4),
        f"{SOURCES[name]}, {first} to {last}: valence, energy, danceability and acousticness by year, and "
        f"the probability of a change in each year. {_whole_sentence(name, metrics)}",
        lambda figure: draw.music(figure, rows, series, MAUCH_2015),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"{SOURCES[name]}, {first}–{last}: yearly means with 95% intervals (shaded), from "
        f"{count(rows['n_songs'].sum())} songs, {count(rows['n_songs'].min())} to "
        f"{count(rows['n_songs'].max())} a year. Below, the posterior probability that a new stretch "
        "begins in that year; dark bars are the changes of the most probable division. Dashed: the "
        "stylistic revolutions of Mauch et al. (2015) in the US charts. How sure: the probabilities are "
        "exact given the model of constant stretches; they say nothing of what caused a change.",
    )


def _models_sentence(metrics: ChangepointMetrics) -> str:
    texts = []
    for name in _levels(metrics):
        models = metrics.whole[name].models
        if not {"levels", "trends"} <= set(models):
            continue
        gain = models["trends"].log_evidence - models["levels"].log_evidence
        names = ("a trend and persistence", "one level")
        better, worse = names if gain > 0 else names[::-1]
        texts.append(
            f"{SOURCES[name]}: the evidence speaks for stretches with {better} against {worse} by "
            f"{abs(gain):.0f} nats; with trends there are {models['trends'].expected_changes:.1f} changes "
            f"on average, with levels {models['levels'].expected_changes:.1f}."
        )
    return " ".join([*texts, "A year of change is to be trusted where both kinds of stretch show it."])


def _models(metrics: ChangepointMetrics) -> Grid:
    kinds = {"levels": "one level", "trends": "level or trend, persistence"}
    rows = [
        (
            SOURCES.get(name, name), kinds[kind], f"{model.waic:.1f}", f"{model.unreliable}",
            f"{model.log_evidence:.1f}", f"{model.expected_changes:.1f}",
            ", ".join(share(model.near[str(year)]) for year in MAUCH_2015),
        )
        for name, whole in metrics.whole.items()
        for kind, model in whole.models.items()
    ]  # fmt: skip
    return grid(
        "What a stretch of years is taken to be. WAIC (lower is better; unreliable where few years of a "
        "stretch decide, counted beside it) and log evidence (higher is better) judge the two kinds of "
        "stretch on the same years; the last column is the probability of a change near "
        f"{joined([str(year) for year in MAUCH_2015])}. A change that vanishes once a stretch may drift "
        "is a matter of the model as much as of music.",
        ("series", "a stretch has", "WAIC", "unreliable years", "log evidence", "changes", "near each"),
        rows,
        text=(0, 1),
    )


def _landmarks(metrics: ChangepointMetrics) -> Grid:
    rows = [
        (
            f"{SOURCES.get(name.split()[0], name)}, "
            f"{'innovations' if name.endswith('innovations') else 'levels'}",
            year, str(landmark.nearest) if landmark.nearest else "none",
            f"{landmark.distance}" if landmark.nearest else "—", share(landmark.within),
        )
        for name, whole in metrics.whole.items()
        for year, landmark in whole.mauch.items()
    ]  # fmt: skip
    return grid(
        "The published years beside ours. “Nearest” is the nearest change of the most probable division; "
        "the last column is the posterior probability of a change at most a year or so away (the window "
        "is the parameter emotion.changepoint.near).",
        ("series", "published", "nearest", "years off", "probability near it"),
        rows,
    )
