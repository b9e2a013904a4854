"""Section of the report on artists' states by variational inference, and whether they are worth it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.emotion.params import ReportParams
from tasks.emotion.sections.careers import Shown
from tasks.emotion.sections.figures import states as draw
from tasks.emotion.series.hidden_years import HiddenScore
from tasks.emotion.variational import VariationalMetrics
from tasks.report.blocks import (
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

METHODS = {
    "structured": "state, years kept together",
    "mean_field": "state, mean field",
    "moments": "artist's mean, shrunk by moments",
    "artist_mean": "artist's mean of songs",
    "nearest_year": "raw mean of the nearest year",
}


def states(
    shown: list[Shown], table: pd.DataFrame, metrics: VariationalMetrics, params: ReportParams
) -> Section:
    """The states of some artists, their error on hidden years, and how the fit went."""
    dimensions = [dim for dim in params.dimensions if dim in metrics.dimensions] or metrics.dimensions[:2]
    return Section(
        "states",
        "Where artists were, year by year",
        (
            Prose(_sentence(metrics)),
            *_figure(shown, table, dimensions),
            _scores(metrics),
            Prose(_families(metrics)),
            Prose(_steps(metrics)),
        ),
    )


def verdict(metrics: VariationalMetrics) -> str:
    """Whether the states foretell hidden years better than shrinkage by moments does."""
    parts = []
    for name in ("structured", "mean_field"):
        score = metrics.hidden[name]
        how = (
            "clearly better than" if score.gain_low > 0 else "clearly worse than" if score.gain_high < 0
            else "not distinguishable from"
        )  # fmt: skip
        parts.append(f"{METHODS[name]}: {how} it ({_against(score, metrics)})")
    return (
        "On hidden years the states, beside the simple artist's mean shrunk by moments, are: "
        f"{'; '.join(parts)}."
    )


def _against(score: HiddenScore, metrics: VariationalMetrics) -> str:
    return f"error {score.rmse:.3f} against {metrics.hidden['moments'].rmse:.3f}"


def _sentence(metrics: VariationalMetrics) -> str:
    return (
        f"The mean of a year's few songs says little of where an artist was. The model takes each year of "
        f"{plural(metrics.artists, 'artist')} ({count(metrics.years)} years, {count(metrics.silent_years)} "
        "of them without songs) as a state that leans on the artist's lasting level and on the years beside "
        f"it, and a yearly mean as what its number of songs makes it worth. {verdict(metrics)}"
    )


def _figure(shown: list[Shown], table: pd.DataFrame, dimensions: list[str]) -> list[Figure]:
    pictures = []
    for one in shown:
        rows = table[table["artist_id"] == one.artist_id]
        if rows.empty:
            continue
        widest = rows.loc[rows[f"{dimensions[0]}_state_sd"].idxmax()]
        alt = (
            f"{one.name}: state of {joined(dimensions)} from {rows['year'].min()} to {rows['year'].max()}; "
            f"{dimensions[0]} is least known in {widest['year']:.0f}."
        )
        picture = svg(
            f"states-{one.artist_id}", (4.3, 2.9), alt,
            lambda figure, rows=rows, raw=one.rows: draw.states(figure, rows, raw, dimensions),
        )  # fmt: skip
        pictures.append(Picture(picture, one.name, f"{count(rows['n_songs'].sum())} songs"))
    caption = (
        f"The state of {joined(dimensions)} (line) with its 95% interval (band), and the raw yearly means "
        "(dots, larger for more songs; hollow: a possible reissue, left out). Where songs are few "
        "the state keeps near the artist's level and the band is wide; in silent years it bridges. How sure: "
        "what intervals of hidden years held stands in the table below; "
        "a band is not about single songs, whose scatter is wider."
    )
    return [Figure(tuple(pictures), caption)] if pictures else []


def _scores(metrics: VariationalMetrics) -> Grid:
    best = min(metrics.hidden.values(), key=lambda score: score.rmse).rmse
    rows = [
        (
            METHODS[name], Cell(f"{score.rmse:.3f}", best=score.rmse == best),
            f"{signed(score.gain_low, 4)} to {signed(score.gain_high, 4)}" if name != "moments" else "—",
            "—" if score.coverage is None else share(score.coverage),
            "—" if score.log_density is None else signed(score.log_density, 3),
        )
        for name, score in sorted(metrics.hidden.items(), key=lambda item: item[1].rmse)
    ]  # fmt: skip
    return grid(
        f"{count(metrics.hidden_years)} years hidden at random, never an artist's first or last; their "
        f"yearly means foretold from the artist's other years, over {joined(metrics.dimensions)}. Error: "
        "root mean square, in standard deviations of the yearly means. Gain: how much lower the mean square "
        "is than that of shrinkage by moments, 95% interval over artists. Held: share of means inside "
        "intervals meant to hold 90%. Density: mean log predictive density, higher is better.",
        ("method", "error", "gain over moments", "held", "density"),
        rows,
    )


def _families(metrics: VariationalMetrics) -> str:
    persistence = {
        name: np.mean([one["persistence"].mean for one in family.parameters.values()])
        for name, family in metrics.families.items()
    }
    bounds = {name: family.elbo for name, family in metrics.families.items()}
    unfit = [METHODS[name] for name, family in metrics.families.items() if not family.converged]
    text = (
        f"Where the mean field falls short: it takes every year as independent of the next and so finds a "
        f"persistence of {persistence['mean_field']:.2f} from year to year where the posterior that keeps "
        f"years together finds {persistence['structured']:.2f}; its evidence bound is "
        f"{count(bounds['structured'] - bounds['mean_field'])} nats lower. Either is too sure of the model's "
        "parameters; docs/methods/variational.md has both beside a sampler that makes neither mistake."
    )
    return f"{text} Not converged: {joined(unfit)}." if unfit else text


def _steps(metrics: VariationalMetrics) -> str:
    ascent = metrics.ascent
    names = {"coordinate": "coordinate ascent", "natural_gradient": "the natural gradient",
             "plain_gradient": "the plain gradient"}  # fmt: skip
    parts = [
        f"{names[name]} {count(steps)} steps" if steps is not None else
        f"{names[name]} more than {count(ascent.most_steps)} (then {ascent.nats_left[name]:,.1f} nats short)"
        for name, steps in ascent.steps.items()
    ]  # fmt: skip
    return (
        f"To come within one nat of the best mean-field bound on {plural(ascent.artists, 'career')}, "
        f"from one start: {joined(parts)}."
    )
