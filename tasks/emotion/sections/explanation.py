"""Section of the report that explains forecasts of a darker turn."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.contracts.trust import Explained, ExplainOutputs
from tasks.emotion.sections.figures import trust as draw
from tasks.report.blocks import Figure, Picture, Prose, Section, grid, interval, joined, plural, signed
from tasks.report.drawing import svg


def finding(explain: ExplainOutputs) -> list[str]:
    """Return the sentence on the largest part of the first explained forecast."""
    metrics = explain.explain
    first = metrics.explained[0]
    parts = explain.attributions[explain.attributions["artist"] == first.artist]
    lowest = parts.loc[parts["part"].idxmin()]
    return [
        f"{first.artist} was predicted to turn darker in {first.year} ({metrics.dimension} "
        f"{first.forecast:.2f}, so far {first.so_far:.2f}) above all because of {lowest['input']} "
        f"({signed(lowest['part'], 3)}); the year then had {first.truth:.2f}. The part is that of a small "
        f"network that reproduces the forecasts (R² {metrics.fidelity.r2:.3f}), not of the forecaster itself."
    ]


def section(explain: ExplainOutputs) -> Section:
    """Return the section: parts of each forecast, and the change that undoes it."""
    metrics, parts = explain.explain, explain.attributions
    pictures = tuple(
        Picture(
            svg(
                f"parts-{number}", (4.1, 3.4), _alt(parts[parts["artist"] == one.artist], one),
                partial(draw.parts, table=parts[parts["artist"] == one.artist]),
            ),
            f"{one.artist}, {one.year}",
            f"typical {one.baseline:.2f}, predicted {one.stand_in:.2f}, so far {one.so_far:.2f}",
        )
        for number, one in enumerate(metrics.explained, 1)
    )  # fmt: skip
    rows = [
        (
            f"{one.artist}, {one.year}", f"{one.so_far:.3f}", f"{one.forecast:.3f}", f"{one.stand_in:.3f}",
            f"{one.truth:.3f}", _needed(explain.counterfactuals, one), _after(one),
        )
        for one in metrics.explained
    ]  # fmt: skip
    return Section(
        "explanation",
        "Why an artist is predicted to turn darker",
        (
            Prose(
                f"{plural(metrics.darker, 'artist')} of {metrics.candidates} with a forecast in the test "
                f"years were predicted to fall below the mean of their career in {metrics.dimension}. The "
                "pictures divide the prediction for the most influential of them among its twelve inputs: "
                "the parts sum to the difference from a typical artist, exactly (error at most "
                f"{metrics.additivity_error:.0e}). An estimate from random orders agrees for "
                f"{metrics.within_interval:.0%} of the parts. The explained value is that of a small network "
                f"which reproduces our forecasts (R² {metrics.fidelity.r2:.3f} on artists that it was not "
                "trained on). The parts describe the prediction; they are not causes."
            ),
            Figure(
                pictures,
                "Shapley values of the inputs of the network, largest first: how much each moves the "
                "prediction above (blue) or below (red) that of a typical artist, with the 95% interval of "
                "the estimate from random orders.",
            ),
            grid(
                "What would have to differ: the smallest change of what was measured, in standard "
                "deviations, after which the artist would be predicted at least "
                f"{metrics.margin:g} above the mean of the career. Counts, dates and the career so far stay, "
                "and no input leaves the range of most artists.",
                ("artist, year", "so far", "forecast", "network", "then", "needed", "after"),
                rows,
                text=(5,),
            ),
        ),
    )


def _needed(table: pd.DataFrame, one: Explained) -> str:
    rows = table[(table["artist"] == one.artist) & (table["change"].abs() >= 0.1)]
    if one.after is None:
        return "no plausible change is enough"
    rows = rows.loc[rows["change"].abs().sort_values(ascending=False).index]
    return joined(f"{row.input} {row.value:.2f} → {row.needed:.2f}" for row in rows.itertuples())


def _after(one: Explained) -> str:
    return "–" if one.after is None else f"{one.after:.3f}"


def _alt(table: pd.DataFrame, one: Explained) -> str:
    order = table.loc[table["part"].abs().sort_values(ascending=False).index]
    words = "; ".join(
        f"{row.input} {signed(row.part, 3)} ({interval(row.low, row.high)})" for row in order.itertuples()
    )
    return f"Parts of the prediction for {one.artist}: {words}."
