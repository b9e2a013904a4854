"""Section of the report on effects of interventions and their refutation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from tasks.emotion.effects import EffectsMetrics, EffectsOutputs
from tasks.emotion.sections.figures import interventions as draw
from tasks.emotion.sections.figures.interventions import dimension_of
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

# Two-sided 1 %: five dimensions are compared, so that 5 % are left for all together (Bonferroni).
FIVE_COMPARISONS = 2.576

TITLES = {
    "same year": "of the same year",
    "influencers": "of its influencers, five years back",
    "random artists": "of random artists of their genre (placebo)",
}


def finding(effects: EffectsOutputs) -> list[str]:
    """Return the sentence on the largest effect within a year for the findings."""
    estimates = effects.effect_estimates
    rows = estimates[(estimates["question"] == "same year") & (estimates["graph"] == "all earlier")]
    row = rows.loc[rows["effect"].abs().idxmax()]
    return [
        f"If the assumed causal order is right, {dimension_of(row['cause'])} affects the "
        f"{dimension_of(row['outcome'])} of the same year most: one standard deviation more changes it by "
        f"{signed(row['effect'], 2)} (±{1.96 * row['std_error']:.2f}) standard deviations."
    ]


def section(effects: EffectsOutputs) -> Section:
    """Return the section: effects on valence and of influencers, and their tests."""
    estimates, curve, metrics = effects.effect_estimates, effects.effect_curve, effects.effects
    first = curve.iloc[0]
    alt = "; ".join(
        f"{dimension_of(row.cause)} {TITLES[row.question]} on {dimension_of(row.outcome)}: "
        f"{signed(row.effect, 2)}"
        for row in estimates.itertuples()
    )
    picture = svg("effects", (8.2, 5.0), f"Effects of one standard deviation more. {alt}",
                  partial(draw.effects, estimates=estimates, curve=curve))  # fmt: skip
    return Section(
        "effects",
        "Effects of a different sound",
        (
            Prose(_same_year(estimates, metrics)),
            Prose(_influence(estimates)),
            Figure(
                (Picture(picture),),
                "Left: by how many standard deviations the outcome would move if the cause were one higher, "
                "with 95% interval. Filled: every earlier variable may act (the safer graph). Hollow: the "
                "learnt graph, which omits edges that its tests do not need. Right: mean "
                f"{dimension_of(first.outcome)} if {dimension_of(first.cause)} were set to a value in every "
                f"artist-year, by linear and by curved equations, with 95% bands. n = {count(metrics.rows)} "
                f"artist-years of {count(metrics.artists)} artists, with the means of year and genre "
                "removed. Uncertainty: the answer holds only if the order within a year is as assumed and no "
                "common cause is missing. No experiment was made.",
            ),
            _table(estimates),
        ),
    )


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _same_year(estimates: pd.DataFrame, metrics: EffectsMetrics) -> str:
    rows = estimates[(estimates["question"] == "same year") & (estimates["graph"] == "all earlier")]
    changes = joined(
        f"{signed(row.effect, 2)} (±{1.96 * row.std_error:.2f}) by {dimension_of(row.cause)}"
        for row in rows.itertuples()
    )
    text = (
        "If the sound of a year were one standard deviation higher in one dimension, its "
        f"{dimension_of(rows.iloc[0].outcome)} would move by {changes}. The two graphs differ by up to "
        f"{metrics.largest_gap:.2f}: the size of an effect depends on the graph, and no test here can decide "
        "between them. "
    )
    if not (rows["linearity_p"] < 0.01).any():
        return f"{text}The tests do not reject linear equations."
    return (
        f"{text}The tests reject linear equations (p {rows['linearity_p'].min():.2g}), and the curve departs "
        f"from the line by up to {metrics.curve_gap:.2f}: the effects are those of a small change."
    )


def _influence(estimates: pd.DataFrame) -> str:
    influencers, placebo = (
        estimates[estimates["question"] == question].set_index("outcome")
        for question in ("influencers", "random artists")
    )
    both = influencers.join(placebo[["effect", "std_error"]].add_suffix("_placebo"))
    error = np.hypot(both["std_error"], both["std_error_placebo"])
    ahead = both[
        (both["effect"] > FIVE_COMPARISONS * both["std_error"])
        & (both["effect"] - both["effect_placebo"] > FIVE_COMPARISONS * error)
    ]
    if ahead.empty:
        return (
            "The sound of influencers in the years before moves no dimension of their followers more clearly "
            "than the sound of random artists of the same genre does."
        )
    dimensions = joined(
        f"{dimension_of(str(outcome))} ({signed(row.effect, 2)} against {signed(row.effect_placebo, 2)})"
        for outcome, row in ahead.iterrows()
    )
    return (
        "Followers sound like their influencers did, and more so than like random artists of the same genre, "
        f"in {dimensions}. This alone does not show influence: artists are linked to artists who resemble "
        "them, and the graph does not contain the lasting causes of that resemblance. The tests within each "
        "artist in the section above, which remove everything that lasts, decide between the two."
    )


def _table(estimates: pd.DataFrame) -> Grid:
    rows = [
        (
            f"{dimension_of(row.cause)} → {dimension_of(row.outcome)}", TITLES[row.question], row.graph,
            f"{signed(row.effect, 2)} (±{1.96 * row.std_error:.2f})", f"{row.placebo_p:.2f}",
            f"{row.random_cause_change:.2f}",
            "—" if pd.isna(row.robustness_value) else share(row.robustness_value), _p(row.linearity_p),
        )
        for row in estimates.itertuples()
    ]  # fmt: skip
    return grid(
        "Each effect and four tests of it. Placebo p: how often permuted values of the cause show as large "
        "an effect; it rules out chance, not confounding. Random cause: by how many standard errors the "
        "effect moves when a random common cause is added. Unmeasured cause: the share of the remaining "
        "variance of both variables that an unmeasured common cause would have to explain to reduce the "
        "direct effect to zero; a dash where the learnt graph has no direct effect. Linearity p: p of the "
        "test that no curve is needed.",
        (
            "cause → outcome",
            "cause",
            "graph",
            "effect",
            "placebo p",
            "random cause",
            "unmeasured cause",
            "linearity p",
        ),
        rows,
        text=(1, 2),
    )
