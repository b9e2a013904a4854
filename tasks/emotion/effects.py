"""Stage emotion-effects: effects of interventions by structural equations.

Two questions. How would the valence of a year change if its sound were one standard deviation higher in
one dimension? How would an artist's sound change if that of its influencers had been different in the
years before? The data are observational. The answers are correct only if the graph is: the past comes
first, within a year the dimensions act in the order of `emotion.effects.order`, and no common cause is
missing except those that the artist's past, the year and the genre represent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts.tables import Artists, Careers, Influence
from tasks.emotion.params import EffectsParams
from tasks.emotion.series.panels import (
    TIERS,
    artist_years,
    random_influencers,
    with_influencers,
    with_past,
    without_trend,
)

QUESTIONS = ("same year", "influencers", "random artists")
GRAPHS = ("learnt", "all earlier")
MODELS = ("straight", "curved")


class EffectEstimates(pa.DataFrameModel):
    """One row per question, cause and graph: effect of a cause that is 1 higher.

    All variables in standard deviations. `placebo_p`: share of draws with permuted values of the cause
    (years of an artist stay together) that show as large an effect. `random_cause_change`: largest
    change, in standard errors, when a random common cause is added. `robustness_value`: share of the
    remaining variance of both that an unmeasured common cause would have to explain to remove the
    direct effect; missing where the graph has none. `linearity_p`: of the outcome's equation.
    """

    question: Series[str] = pa.Field(isin=QUESTIONS)
    cause: Series[str]
    outcome: Series[str]
    graph: Series[str] = pa.Field(isin=GRAPHS)
    effect: Series[float]
    std_error: Series[float] = pa.Field(ge=0)
    placebo_p: Series[float] = pa.Field(ge=0, le=1)
    random_cause_change: Series[float] = pa.Field(ge=0)
    robustness_value: Series[float] = pa.Field(ge=0, le=1, nullable=True)
    linearity_p: Series[float] = pa.Field(ge=0, le=1)
    rows: Series[int] = pa.Field(ge=1)
    artists: Series[int] = pa.Field(ge=1)


class EffectCurve(pa.DataFrameModel):
    """Mean outcome with the cause set to `value`, by straight and curved equations."""

    model: Series[str] = pa.Field(isin=MODELS)
    cause: Series[str]
    outcome: Series[str]
    value: Series[float]
    mean: Series[float]
    std_error: Series[float] = pa.Field(ge=0)


class EffectsMetrics(Document):
    """Counts of estimates, and of those whose 95 % interval excludes 0, by question.

    `largest_gap` is the largest difference between the two graphs of an effect within a year.
    `curve_gap` is the largest distance between the straight and the curved answer.
    """

    rows: int
    artists: int
    same_year: int
    same_year_clear: int
    influencers: int
    influencers_clear: int
    random_artists: int
    random_artists_clear: int
    largest_gap: float
    curve_gap: float


class EffectsOutputs(NamedTuple):
    """Outputs of the stage."""

    effect_estimates: Table[EffectEstimates]
    effect_curve: Table[EffectCurve]
    effects: EffectsMetrics


def effects(
    careers: Table[Careers], artists: Table[Artists], influence: Table[Influence], *, params: EffectsParams
) -> EffectsOutputs:
    """Estimate the effects of both questions, test them, and compute one as a curve."""
    order = list(params.order)
    rows = artist_years(careers, artists, order, params.min_songs)
    past = with_past(without_trend(rows, order), order, params.max_gap)
    past = past.dropna(subset=[f"{dim} {tier}" for dim in order for tier in TIERS])
    _check_enough(past, params)
    same_year, curve = _same_year(past, params)
    pairs = {"influencers": influence, "random artists": random_influencers(influence, rows, params.seed)}
    others = [_from_artists(question, past, rows, pairs[question], params) for question in QUESTIONS[1:]]
    table = pd.DataFrame([*same_year, *(row for part in others for row in part)])
    floats = table.select_dtypes(float).columns
    table[floats] = table[floats].round(6)
    return EffectsOutputs(table, curve, _metrics(table, curve))


def _check_enough(past: pd.DataFrame, params: EffectsParams) -> None:
    artists, needed = past["artist_id"].nunique(), 10 * len(TIERS) * len(params.order)
    if artists < needed:
        raise ValueError(
            f"emotion-effects: careers.parquet has {artists} artists with three years of "
            f"{params.min_songs} songs or more, at most {params.max_gap} years apart; expected at "
            f"least {needed}. Lower "
            "emotion.effects.min_songs, raise emotion.effects.max_gap, or name fewer dimensions in "
            "emotion.effects.order; then: statewright run emotion-effects"
        )


def _same_year(past: pd.DataFrame, params: EffectsParams) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    *causes, outcome = [f"{dim} now" for dim in params.order]
    names = [f"{dim} {tier}" for tier in TIERS for dim in params.order]
    graphs = {"learnt": _learnt(past[names], params), "all earlier": _all_earlier(params.order)}
    estimates = [
        _estimate(past, names, graph, (cause, outcome), params) | {"question": "same year", "graph": key}
        for key, graph in graphs.items()
        for cause in causes
    ]
    later = [f"{dim} now" for dim in params.order[params.order.index(params.curve_cause) + 1 :]]
    onward = [edge for edge in graphs["all earlier"] if edge[1] in later]
    return estimates, _curve(past, names, onward, (f"{params.curve_cause} now", outcome), params)


def _learnt(data: pd.DataFrame, params: EffectsParams) -> list[tuple[str, str]]:
    """Return the edges into this year that PC finds, directed by time and order."""
    from methods.causal import Background, discover

    tiers = [[f"{dim} {tier}" for dim in params.order] for tier in TIERS[:-1]]
    tiers += [[f"{dim} now"] for dim in params.order]
    learnt = discover(data.to_numpy(), params.alpha, list(data.columns), Background(tiers=tiers))
    return [(edge.source, edge.target) for edge in learnt.edges if edge.target.endswith(" now")]


def _all_earlier(order: Sequence[str]) -> list[tuple[str, str]]:
    """Return the graph in which every earlier variable may act on every later one."""
    return [
        *((f"{a} {tier}", f"{b} now") for b in order for a in order for tier in TIERS[:-1]),
        *((f"{a} now", f"{b} now") for i, b in enumerate(order) for a in order[:i]),
    ]


def _from_artists(
    question: str, past: pd.DataFrame, rows: pd.DataFrame, pairs: pd.DataFrame, params: EffectsParams
) -> list[dict[str, Any]]:
    """Estimate the effect of each dimension of influencers on that of the follower."""
    sound = without_trend(rows, params.order)
    table = with_influencers(past, sound, pairs, params.order, params.influence_window)
    earlier = [f"{dim} {tier}" for dim in params.order for tier in (*TIERS[:-1], "influencers")]
    estimates = []
    for dim in params.order:
        outcome = f"{dim} now"
        graph = [(name, outcome) for name in earlier]
        ends = (f"{dim} influencers", outcome)
        estimate = _estimate(table, [*earlier, outcome], graph, ends, params)
        estimates.append(estimate | {"question": question, "graph": "all earlier"})
    return estimates


def _estimate(
    table: pd.DataFrame,
    names: list[str],
    graph: list[tuple[str, str]],
    ends: tuple[str, str],
    params: EffectsParams,
) -> dict[str, Any]:
    from methods.causal import (
        StructuralCausalModel,
        linearity,
        partial_correlation,
        placebo_treatment,
        random_common_cause,
        robustness_value,
    )

    cause, outcome = ends
    data, groups = table[names], table["artist_id"].to_numpy()
    model = StructuralCausalModel.fit(data, graph, groups=groups)
    effect = model.effect(cause, outcome)
    refute = {"seed": params.seed, "groups": groups}
    placebo = placebo_treatment(data, graph, cause, outcome, draws=params.placebo_draws, **refute)
    common = random_common_cause(data, graph, cause, outcome, draws=params.random_cause_draws, **refute)
    parents = [a for a, b in graph if b == outcome]
    strength = np.nan
    if cause in parents:
        others = [names.index(name) for name in parents if name != cause]
        strength = robustness_value(
            partial_correlation(data.to_numpy(), names.index(cause), names.index(outcome), others)
        )
    return {
        "cause": cause, "outcome": outcome, "effect": effect.value, "std_error": effect.std_error,
        "placebo_p": placebo.p_value, "random_cause_change": common.largest_change,
        "robustness_value": strength, "linearity_p": linearity(model).get(outcome, np.nan),
        "rows": len(data), "artists": len(np.unique(groups)),
    }  # fmt: skip


def _curve(
    past: pd.DataFrame,
    names: list[str],
    graph: list[tuple[str, str]],
    ends: tuple[str, str],
    params: EffectsParams,
) -> pd.DataFrame:
    """Compute the mean outcome under ``do(cause = value)``.

    The value runs from -2 to 2 standard deviations.
    """
    from methods.causal import StructuralCausalModel

    cause, outcome = ends
    groups = past["artist_id"].to_numpy()
    fit = partial(StructuralCausalModel.fit, past[names], graph, groups=groups)
    models = {
        "straight": fit(),
        "curved": fit(regressor=_splines, draws=params.curve_draws, seed=params.seed),
    }
    rows = [
        {"model": kind, "cause": cause, "outcome": outcome, "value": value}
        | {"mean": answer.mean[outcome], "std_error": answer.std_error[outcome]}
        for kind, model in models.items()
        for value in np.linspace(-2, 2, 9)
        for answer in [model.do({cause: value})]
    ]
    return pd.DataFrame(rows).round({"mean": 6, "std_error": 6})


def _splines() -> Any:
    """Return a regression on splines, one per parent, linear beyond the data."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    return make_pipeline(SplineTransformer(5, knots="quantile", extrapolation="linear"), Ridge(1.0))


def _metrics(table: pd.DataFrame, curve: pd.DataFrame) -> EffectsMetrics:
    safe = table[table["graph"] == "all earlier"]
    clear = safe["effect"].abs() > 1.96 * safe["std_error"]
    counts: dict[str, int] = {}
    for question in QUESTIONS:
        key, rows = question.replace(" ", "_"), safe["question"] == question
        counts |= {key: int(rows.sum()), f"{key}_clear": int((clear & rows).sum())}
    by_graph = table[table["question"] == "same year"].pivot(index="cause", columns="graph", values="effect")
    by_model = curve.pivot(index="value", columns="model", values="mean")
    first = table.iloc[0]
    return EffectsMetrics(
        rows=int(first["rows"]),
        artists=int(first["artists"]),
        **counts,
        largest_gap=round(float((by_graph["learnt"] - by_graph["all earlier"]).abs().max()), 6),
        curve_gap=round(float((by_model["straight"] - by_model["curved"]).abs().max()), 6),
    )
