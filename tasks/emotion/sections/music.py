"""Section of the report on music as a whole, with its years of change."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.changepoint import MAUCH_2015, ChangepointOutputs
from tasks.emotion.contracts.changes import ChangepointMetrics, WholeMetrics
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections.figures import music as draw
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

SOURCES = {"music": "All music", "charts": "The US charts"}
MAUCH = "Mauch et al. (2015)"


def finding(changepoint: ChangepointOutputs) -> list[str]:
    """Return one sentence on each source for the findings."""
    metrics = changepoint.changepoint
    return [
        " ".join(
            text
            for text in (
                _changes(name, changepoint.changes, metrics),
                _published(name, metrics),
                _persistence(name, metrics),
            )
            if text
        )
        for name in _sources(metrics)
    ]


def drifts(name: str, metrics: ChangepointMetrics) -> bool:
    """Return whether periods with a trend and persistence fit better than levels."""
    models = metrics.whole[name].models
    return {"trends", "levels"} <= set(models) and (
        models["trends"].log_evidence > models["levels"].log_evidence
    )


def years_of_change(name: str, changes: pd.DataFrame) -> list[int]:
    """Return the change points of the most probable segmentation of a series."""
    rows = changes[(changes["series"] == name) & changes["is_map"]].sort_values("year")
    return [int(year) for year in rows["year"]]


def _changes(name: str, changes: pd.DataFrame, metrics: ChangepointMetrics) -> str:
    rows = changes[changes["series"] == name].sort_values("year")
    cuts = [f"{row.year} ({share(row.probability)})" for row in rows[rows["is_map"]].itertuples()]
    if not cuts:
        return f"{SOURCES[name]} shows no change in its most probable segmentation."
    verb = "would split into constant periods" if drifts(name, metrics) else "changed character"
    text = f"{SOURCES[name]} {verb} most probably in {joined(cuts)}."
    regimes = rows.filter(regex="_regime$")
    move = (regimes.iloc[-1] - regimes.iloc[0]).dropna()
    if len(move):
        largest = str(move.abs().idxmax())
        start, end = regimes[largest].iloc[0], regimes[largest].iloc[-1]
        text += (
            f" From {rows['year'].iloc[0]} to {rows['year'].iloc[-1]} {largest.removesuffix('_regime')} "
            f"moved most, from {start:.2f} to {end:.2f}."
        )
    return text


def _published(name: str, metrics: ChangepointMetrics) -> str:
    """Return how the published years of change compare."""
    whole = metrics.whole[name]
    if whole.map_changes == 0:
        return ""
    near = [f"{year} ({share(one.within)})" for year, one in whole.mauch.items() if one.within >= 0.5]
    far = [f"{year} ({share(one.within)})" for year, one in whole.mauch.items() if one.within < 0.5]
    verdicts = [f"confirm {joined(near)}"] if near else []
    verdicts += [f"do not confirm {joined(far)}"] if far else []
    if not verdicts:
        return ""
    return (
        f"Of the revolutions of {MAUCH} constant periods {joined(verdicts)}; {_as_near(whole)} would be as "
        f"near in {share(_chance(whole))} of cases."
    )


def _as_near(whole: WholeMetrics) -> str:
    """Return the name of the series that the nearness is compared with."""
    return "random changes" if whole.persistent_chance is None else "series that persist without a change"


def _chance(whole: WholeMetrics) -> float:
    """Return the probability of as near changes under the stricter comparison."""
    return whole.mauch_chance if whole.persistent_chance is None else whole.persistent_chance


def _persistence(name: str, metrics: ChangepointMetrics) -> str:
    """Return the caution where a model with persistence has the higher evidence."""
    levels, innovations = metrics.whole[name], metrics.whole.get(f"{name} innovations")
    texts = []
    if drifts(name, metrics):
        trends, steps = levels.models["trends"], levels.models["levels"]
        texts.append(
            f"But periods with a trend and persistence fit better, by "
            f"{trends.log_evidence - steps.log_evidence:.0f} nats, and have "
            f"{trends.expected_changes:.1f} changes on average; near the published years "
            f"{joined([share(value) for value in trends.near.values()])}."
        )
    elif innovations is not None and innovations.log_evidence > levels.log_evidence:
        changes = (
            f"has {plural(innovations.map_changes, 'abrupt change')}"
            if innovations.map_changes
            else "needs none"
        )
        texts.append(
            f"But a model in which each year depends on the year before fits better, and it {changes}."
        )
    if levels.persistent_changes is not None:
        texts.append(
            f"Simulated series that persist and drift like this one but never change give "
            f"{levels.persistent_changes:.1f} such changes on average."
        )
    return " ".join(texts)


def section(preprocess: PreprocessOutputs, changepoint: ChangepointOutputs) -> Section:
    """Return the section: music and charts by year, with the posterior of change."""
    metrics, changes = changepoint.changepoint, changepoint.changes
    return Section(
        "music",
        "Change points in music as a whole",
        (
            Prose(" ".join(_summary(name, metrics) for name in _sources(metrics))),
            *(_figure(name, preprocess.years, changes, metrics) for name in _sources(metrics)),
            _landmarks(metrics),
            Prose(
                "“Levels” shows where the yearly mean itself moves to a new period; a slow trend is then cut "
                "into steps. “Innovations” shows the same for the part of each year that the last year does "
                "not already explain, so persistence alone does not cause such a change. A change that only "
                "the levels show may be persistence."
            ),
            _models(metrics),
            Prose(_models_text(metrics)),
        ),
    )


def _sources(metrics: ChangepointMetrics) -> list[str]:
    return [name for name in SOURCES if name in metrics.whole]


def _summary(name: str, metrics: ChangepointMetrics) -> str:
    whole = metrics.whole[name]
    near = [year for year, landmark in whole.mauch.items() if landmark.within >= 0.5]
    return (
        f"{SOURCES[name]}: over {plural(whole.years, 'year')} the most probable segmentation has "
        f"{plural(whole.map_changes, 'change')} ({whole.expected_changes:.1f} on average over all "
        f"segmentations). Of the years of {MAUCH}, {joined(near) or 'none'} "
        f"{'have' if len(near) > 1 else 'has'} a change nearby with a probability above one half. "
        f"{_as_near(whole).capitalize()} would be as near to all three in {share(_chance(whole))} of cases."
    )


def _figure(name: str, years: pd.DataFrame, changes: pd.DataFrame, metrics: ChangepointMetrics) -> Figure:
    series = {
        label: changes[changes["series"] == key]
        for label, key in (("levels", name), ("innovations", f"{name} innovations"))
    }
    first, last = series["levels"]["year"].min(), series["levels"]["year"].max()
    rows = years[(years["source"] == name) & years["year"].isin(series["levels"]["year"])].sort_values("year")
    text = (
        f"{SOURCES[name]}, {first} to {last}: valence, energy, danceability and acousticness by year, and "
        f"the probability of a change in each year. {_summary(name, metrics)}"
    )
    charts = [draw.means(name, rows, MAUCH_2015, text)]
    heads = ["Yearly means"]
    for label, part in series.items():
        alt = f"{SOURCES[name]}: probability of a change of the {label} by year. {_summary(name, metrics)}"
        charts.append(draw.posterior(f"music-{name}-{label}", part, rows, MAUCH_2015, alt))
        heads.append(f"Probability of a change, {label}")
    picture = "".join(f"<h4>{head}</h4>{chart.html()}" for head, chart in zip(heads, charts, strict=True))
    return Figure(
        (Picture(picture),),
        f"{SOURCES[name]}, {first}–{last}: yearly means with 95% intervals (shaded), from "
        f"{count(rows['n_songs'].sum())} songs, {count(rows['n_songs'].min())} to "
        f"{count(rows['n_songs'].max())} per year. Below: the posterior probability that a new period begins "
        "in that year; coloured bars are the changes of the most probable segmentation. Dashed: the "
        f"stylistic revolutions of {MAUCH} in the US charts. Uncertainty: the probabilities are exact given "
        "the model of constant periods; they say nothing about the cause of a change.",
    )


def _models_text(metrics: ChangepointMetrics) -> str:
    texts = []
    for name in _sources(metrics):
        models = metrics.whole[name].models
        if not {"levels", "trends"} <= set(models):
            continue
        gain = models["trends"].log_evidence - models["levels"].log_evidence
        names = ("a trend and persistence", "one level")
        better, worse = names if gain > 0 else names[::-1]
        texts.append(
            f"{SOURCES[name]}: the evidence favours periods with {better} over {worse} by {abs(gain):.0f} "
            f"nats; with trends there are {models['trends'].expected_changes:.1f} changes on average, with "
            f"levels {models['levels'].expected_changes:.1f}."
        )
    return " ".join([*texts, "A year of change is reliable where both kinds of period show it."])


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
        "Two models of a period, on the same years. WAIC (lower is better; unreliable where few years of a "
        "period decide, which the next column counts) and log evidence (higher is better) compare them; the "
        f"last column is the probability of a change near {joined([str(year) for year in MAUCH_2015])}. A "
        "change that vanishes once a period may drift depends on the model as much as on the music.",
        ("series", "a period has", "WAIC", "unreliable years", "log evidence", "changes", "near each"),
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
        "Published years of change and the years found here. “Nearest” is the nearest change of the most "
        "probable segmentation; the last column is the posterior probability of a change within the window "
        "of the parameter emotion.changepoint.near.",
        ("series", "published", "nearest", "years off", "probability nearby"),
        rows,
    )
