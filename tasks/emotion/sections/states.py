"""Section of the report on the yearly states of artists by variational inference."""

from __future__ import annotations

import numpy as np

from tasks.emotion.series.held_out_years import HeldOutScore
from tasks.emotion.variational import VariationalMetrics, VariationalOutputs
from tasks.report.blocks import (
    Cell,
    Grid,
    Prose,
    Section,
    count,
    grid,
    joined,
    plural,
    share,
    signed,
)

METHODS = {
    "structured": "structured posterior",
    "mean_field": "mean-field posterior",
    "moments": "artist's mean, shrunk by moments",
    "artist_mean": "artist's mean of songs",
    "nearest_year": "raw mean of the nearest year",
}


def finding(variational: VariationalOutputs) -> list[str]:
    """Return the sentence on predictions of held-out years for the findings."""
    return [_comparison(variational.variational)]


def section(variational: VariationalOutputs) -> Section:
    """Return the section: errors of the states on held-out years, and the fit."""
    metrics = variational.variational
    return Section(
        "states",
        "Emotional state of artists by year",
        (
            Prose(_text(metrics)),
            _scores(metrics),
            Prose(_families(metrics)),
            Prose(_steps(metrics)),
        ),
    )


def _comparison(metrics: VariationalMetrics) -> str:
    """Compare the states with shrinkage by moments on held-out years."""
    parts = []
    for name in ("structured", "mean_field"):
        score = metrics.hidden[name]
        how = (
            "clearly better" if score.gain_low > 0 else "clearly worse" if score.gain_high < 0
            else "not distinguishable"
        )  # fmt: skip
        parts.append(f"the {METHODS[name]} is {how} ({_errors(score, metrics)})")
    return (
        "Compared with the simple artist's mean, shrunk by moments, as a prediction of held-out years, "
        f"{joined(parts)}."
    )


def _errors(score: HeldOutScore, metrics: VariationalMetrics) -> str:
    return f"error {score.rmse:.3f} against {metrics.hidden['moments'].rmse:.3f}"


def _text(metrics: VariationalMetrics) -> str:
    return (
        "The mean of the few songs of a year is a poor estimate of an artist's state. The model estimates a "
        f"state for each year of {plural(metrics.artists, 'artist')} ({count(metrics.years)} years, "
        f"{count(metrics.silent_years)} of them without songs). It combines the yearly mean, weighted by the "
        "number of its songs, with the artist's lasting level and the neighbouring years. "
        f"{_comparison(metrics)} The picker above draws the state as “estimated course”, with "
        "its 95% interval. In years without songs it interpolates."
    )


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
        f"Prediction of {count(metrics.hidden_years)} years held out at random (never an artist's first or "
        f"last) from the other years of the artist, over {joined(metrics.dimensions)}. Error: root mean "
        "square, in standard deviations of the yearly means. Gain: reduction of the mean squared error "
        "relative to shrinkage by moments, 95% interval over artists. Coverage: share of means inside "
        "intervals with a nominal level of 90%. Density: mean log predictive density, higher is better.",
        ("method", "error", "gain over moments", "coverage", "density"),
        rows,
    )


def _families(metrics: VariationalMetrics) -> str:
    persistence = {
        name: np.mean([estimates["persistence"].mean for estimates in family.parameters.values()])
        for name, family in metrics.families.items()
    }
    bounds = {name: family.elbo for name, family in metrics.families.items()}
    unconverged = [METHODS[name] for name, family in metrics.families.items() if not family.converged]
    text = (
        "The mean-field posterior assumes that a year is independent of the next. It therefore estimates a "
        f"persistence of {persistence['mean_field']:.2f} from year to year, where the structured posterior "
        f"estimates {persistence['structured']:.2f}, and its evidence bound is "
        f"{count(bounds['structured'] - bounds['mean_field'])} nats lower. Both understate the uncertainty "
        "of the parameters of the model; docs/methods/variational.md compares both with a sampler that does "
        "not."
    )
    return f"{text} Not converged: {joined(unconverged)}." if unconverged else text


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
        f"Steps to within one nat of the best mean-field bound on {plural(ascent.artists, 'career')}, from "
        f"one start: {joined(parts)}."
    )
