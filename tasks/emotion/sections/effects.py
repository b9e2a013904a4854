"""Section of the report on what would have happened: effects, how they stand attack, and a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.emotion.effects import EffectsMetrics
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
from tasks.report.drawing import BLUE, GREY, PALE, VERMILION, label_once, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Two-sided 1 %: five dimensions are looked at, so that 5 % are left for all together (Bonferroni).
FIVE_LOOKS = 2.576

TITLES = {
    "same year": "of the same year",
    "influencers": "of its influencers, five years back",
    "random artists": "of random artists of their genre (placebo)",
}


def effects(estimates: pd.DataFrame, curve: pd.DataFrame, metrics: EffectsMetrics) -> Section:
    """What a change of sound would do to valence, and the sound of influencers to their followers'."""
    first = curve.iloc[0]
    alt = "; ".join(
        f"{_name(row.cause)} {TITLES[row.question]} on {_name(row.outcome)}: {signed(row.effect, 2)}"
        for row in estimates.itertuples()
    )
    picture = svg("effects", (8.2, 5.0), f"Effects of one standard deviation more. {alt}",
                  lambda canvas: _draw(canvas, estimates, curve))  # fmt: skip
    return Section(
        "effects",
        "What if it had sounded otherwise?",
        (
            Prose(_same_year(estimates, metrics)),
            Prose(_influence(estimates)),
            Figure(
                (Picture(picture),),
                "Left: by how many standard deviations the outcome would move if the cause were one "
                "higher, with 95% interval; filled: everything earlier may act (the safer graph), "
                "hollow: the learnt graph, which leaves edges out that a test does not need. Right: mean "
                f"{_name(first.outcome)} if {_name(first.cause)} were set to a value in every "
                "artist-year, by straight and by curved equations, with 95% bands. n = "
                f"{count(metrics.rows)} artist-years of {count(metrics.artists)} artists, year and genre "
                "taken out. Right only if the order within a year is as assumed and nothing is left out "
                "that moves both; no experiment was made.",
            ),
            _table(estimates),
        ),
    )


def _name(variable: str) -> str:
    return variable.rsplit(" ", 1)[0]


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _same_year(estimates: pd.DataFrame, metrics: EffectsMetrics) -> str:
    rows = estimates[(estimates["question"] == "same year") & (estimates["graph"] == "all earlier")]
    told = joined(
        f"{signed(row.effect, 2)} (±{1.96 * row.std_error:.2f}) by {_name(row.cause)}"
        for row in rows.itertuples()
    )
    text = (
        "If a year's sound were one standard deviation higher in one respect, its "
        f"{_name(rows.iloc[0].outcome)} would move by {told}. The two graphs differ by up to "
        f"{metrics.largest_gap:.2f}: how large an effect is depends on the graph, which no test here can "
        "settle. "
    )
    bent = (rows["linearity_p"] < 0.01).any()
    return text + (
        f"Straight lines are refuted (p {rows['linearity_p'].min():.2g}), and the curve parts from the "
        f"line by up to {metrics.curve_gap:.2f}: read the effects as those of a small change."
        if bent
        else "Straight lines are not refuted."
    )


def _influence(estimates: pd.DataFrame) -> str:
    true, placebo = (
        estimates[estimates["question"] == question].set_index("outcome")
        for question in ("influencers", "random artists")
    )
    both = true.join(placebo[["effect", "std_error"]].add_suffix("_placebo"))
    apart = np.hypot(both["std_error"], both["std_error_placebo"])
    ahead = both[
        (both["effect"] > FIVE_LOOKS * both["std_error"])
        & (both["effect"] - both["effect_placebo"] > FIVE_LOOKS * apart)
    ]
    if ahead.empty:
        return (
            "What influencers sounded like in the years before moves none of their followers' dimensions "
            "more clearly than random artists of the same genre do."
        )
    told = joined(
        f"{_name(outcome)} ({signed(row.effect, 2)} against {signed(row.effect_placebo, 2)})"
        for outcome, row in ahead.iterrows()
    )
    return (
        "Followers sound like their influencers did, and more so than like random artists of the same "
        f"genre, in {told}. That is not yet influence: artists are linked to those who are like them, and "
        "what makes two artists alike for good is not in the graph. The tests within each artist in the "
        "section above, which take all that lasts out, decide between the two."
    )


def _table(estimates: pd.DataFrame) -> Grid:
    rows = [
        (
            f"{_name(row.cause)} → {_name(row.outcome)}", TITLES[row.question], row.graph,
            f"{signed(row.effect, 2)} (±{1.96 * row.std_error:.2f})", f"{row.placebo_p:.2f}",
            f"{row.random_cause_change:.2f}",
            "—" if pd.isna(row.robustness_value) else share(row.robustness_value), _p(row.linearity_p),
        )
        for row in estimates.itertuples()
    ]  # fmt: skip
    return grid(
        "Each effect and three attacks on it. Placebo p: how often the cause's values, dealt out anew, "
        "show as much; it rules out chance, not confounding. Random cause: by how many standard errors "
        "the effect moves when a random common cause is added. Hidden cause: the share of what is left "
        "of both that a common cause nobody measured would have to explain to bring the direct effect to "
        "nothing; a dash where the learnt graph has no direct effect. Straight line: p of the test that "
        "no curve is needed.",
        (
            "cause → outcome",
            "cause is that",
            "graph",
            "effect",
            "placebo p",
            "random cause",
            "hidden cause",
            "straight line",
        ),
        rows,
        text=(1, 2),
    )


def _draw(canvas: Canvas, estimates: pd.DataFrame, curve: pd.DataFrame) -> None:
    left, right = canvas.subplots(1, 2, width_ratios=[1.35, 1])
    _forest(left, estimates)
    first = curve.iloc[0]
    for (kind, rows), colour, line in zip(
        curve.groupby("model", sort=False), (BLUE, VERMILION), ("--", "-"), strict=True
    ):
        band = 1.96 * rows["std_error"]
        right.plot(rows["value"], rows["mean"], line, color=colour, label=str(kind))
        right.fill_between(
            rows["value"], rows["mean"] - band, rows["mean"] + band, color=colour, alpha=0.15, lw=0
        )
    right.set(xlabel=f"{_name(first.cause)} set to (sd)", ylabel=f"mean {_name(first.outcome)} (sd)")
    label_once(right, ncols=2)


def _forest(axes: Axes, estimates: pd.DataFrame) -> None:
    labels: list[str] = []
    for question, of in estimates.groupby("question", sort=False):
        labels.append(f"{question}")
        for cause, rows in of.groupby("cause", sort=False):
            for shift, row in zip((-0.14, 0.14), rows.sort_values("graph").itertuples(), strict=False):
                _interval(axes, len(labels) + (shift if len(rows) > 1 else 0), row)
            labels.append(f"{_name(str(cause))} → {_name(rows.iloc[0].outcome)}")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(labels)), labels)
    for label in axes.get_yticklabels():
        if "→" not in label.get_text():
            label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="effect of one sd more (sd)", ylim=(len(labels) - 0.5, -0.5), facecolor="white")
    axes.spines["left"].set_color(PALE)


def _interval(axes: Axes, place: float, row: Any) -> None:
    safe = row.graph == "all earlier"
    colour = GREY if row.question == "random artists" else BLUE
    axes.plot(
        [row.effect - 1.96 * row.std_error, row.effect + 1.96 * row.std_error],
        [place] * 2,
        color=colour,
        lw=1.3,
    )
    axes.plot(row.effect, place, "o", ms=5, color=colour, markerfacecolor=colour if safe else "white")
