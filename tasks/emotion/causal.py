"""Stage emotion-causal: causal graph of artist-years, and Granger tests.

The data are observational. The graph is correct only if no common cause is missing: the means of
year and genre are removed, the artist's earlier style represents lasting traits, and nothing else is
controlled for. A yearly mean rests on few songs, so the last year is measured with error. An
apparent effect of one dimension on another may therefore be the past of the first dimension.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.emotion.contracts.tables import Artists, Careers, Influence, Years
from tasks.emotion.params import CausalParams
from tasks.emotion.series.panels import (
    TIERS,
    artist_years,
    random_influencers,
    with_influencers,
    with_past,
    without_trend,
)

if TYPE_CHECKING:
    from methods.causal import Cpdag, Edge, EdgeConfidence

SCOPES = ("within-artist", "influencer->follower", "random artist->follower", "music-year")


class CausalEdges(pa.DataFrameModel):
    """One row per edge of the graph.

    A variable is a dimension and its time (before, last, now).

    `confidence` is the share of bootstrap graphs with exactly this edge, `adjacency` with any edge
    between the two. `partial_correlation` is given the other variables with an edge into target.
    """

    source: Series[str]
    target: Series[str]
    kind: Series[str] = pa.Field(isin=["directed", "undirected", "bidirected"])
    confidence: Series[float] = pa.Field(ge=0, le=1)
    adjacency: Series[float] = pa.Field(ge=0, le=1)
    partial_correlation: Series[float] = pa.Field(ge=-1, le=1)
    given: Series[str]
    n: Series[int] = pa.Field(ge=1)


class GrangerTests(pa.DataFrameModel):
    """One row per test; `p_adjusted` is Benjamini-Hochberg's within the scope.

    `coefficient` is that of the cause's last value, all variables in standard deviations.
    'random artist->follower' is a placebo: a random artist of the influencer's genre instead.
    """

    scope: Series[str] = pa.Field(isin=SCOPES)
    cause: Series[str]
    effect: Series[str]
    lags: Series[int] = pa.Field(ge=1)
    coefficient: Series[float] = pa.Field(nullable=True)
    std_error: Series[float] = pa.Field(nullable=True)
    f: Series[float] = pa.Field(ge=0)
    df_num: Series[int] = pa.Field(ge=1)
    df_den: Series[int] = pa.Field(ge=1)
    p_value: Series[float] = pa.Field(ge=0, le=1)
    p_adjusted: Series[float] = pa.Field(ge=0, le=1)
    significant: Series[bool]
    n: Series[int] = pa.Field(ge=1)


class ScopeMetrics(Document):
    """Granger tests of one scope."""

    tests: int
    significant: int
    significant_same_dimension: int
    smallest_p_adjusted: float
    rows: int


class ScoreMetrics(Document):
    """Graph by a score (BOSS) beside the graph of PC.

    `shared`: pairs of variables that both graphs join; `equal`: with the same direction, or none, too.
    `cross_past`: edges from the past of a dimension to another one.
    """

    edges: int
    shared: int
    equal: int
    cross_past: int


class GraphMetrics(Document):
    """Counts of the causal graph.

    `own_past`: edges from the past of a dimension to itself; `cross_past`: to another dimension;
    `now`: within a year.
    """

    rows: int
    artists: int
    edges: int
    directed: int
    own_past: int
    cross_past: int
    now: int
    mean_confidence: float
    mean_adjacency: float
    boss: ScoreMetrics


class StationarityMetrics(Document):
    """Numbers of stationary dimensions of music as a whole.

    A dimension is stationary if the Dickey-Fuller and the KPSS test agree. `levels`: without
    differencing; `after`: differenced `differences` times, until neither test finds a unit root.
    """

    years: int
    dimensions: int
    levels: int
    differences: int
    after: int


class CausalMetrics(Document):
    """The graph, the Granger tests by scope, and stationarity."""

    graph: GraphMetrics
    granger: dict[str, ScopeMetrics]
    stationary: StationarityMetrics


class CausalOutputs(NamedTuple):
    """Outputs of the stage."""

    causal_edges: Table[CausalEdges]
    granger: Table[GrangerTests]
    causal: CausalMetrics


def causal(
    careers: Table[Careers],
    artists: Table[Artists],
    years: Table[Years],
    influence: Table[Influence],
    *,
    params: CausalParams,
) -> CausalOutputs:
    """Learn the graph and its confidence, and run the Granger tests."""
    of_music, stationary = _music_tests(years, params)
    dimensions = list(params.dimensions)
    rows = artist_years(careers, artists, dimensions, params.min_songs)
    edges, graph = _graph(rows, params)
    past = with_past(rows, dimensions, params.max_gap)
    placebo = random_influencers(influence, rows, params.seed)
    influenced, random = (
        with_influencers(past, rows, pairs, dimensions, params.influence_window)
        for pairs in (influence, placebo)
    )
    tests = [
        *_panel_tests("within-artist", past, "last", params),
        *_panel_tests("influencer->follower", influenced, "influencers", params),
        *_panel_tests("random artist->follower", random, "influencers", params),
        *of_music,
    ]
    granger = _corrected(pd.DataFrame(tests), params.false_discovery_rate)
    metrics = CausalMetrics(
        graph=graph,
        granger={scope: _scope_metrics(part) for scope, part in granger.groupby("scope", sort=False)},
        stationary=stationary,
    )
    return CausalOutputs(edges, granger, metrics)


def _graph(rows: pd.DataFrame, params: CausalParams) -> tuple[pd.DataFrame, GraphMetrics]:
    from tqdm import tqdm

    from methods.causal import Background, bootstrap_graphs, boss, discover, edge_confidence

    tiers = [[f"{dim} {tier}" for dim in params.dimensions] for tier in TIERS]
    names = [name for tier in tiers for name in tier]
    past = with_past(without_trend(rows, params.dimensions), params.dimensions, params.max_gap)
    past = past.dropna(subset=names)
    data = past[names].to_numpy()
    background = Background(tiers=tiers)
    learnt = discover(data, params.alpha, names, background)
    graphs = bootstrap_graphs(
        data, past["artist_id"].to_numpy(), params.draws, seed=params.seed, alpha=params.alpha,
        names=names, background=background, track=partial(tqdm, desc="bootstrap graphs", mininterval=1),
    )  # fmt: skip
    confidence = edge_confidence(graphs)
    table = pd.DataFrame([_edge_row(edge, learnt, confidence, data) for edge in learnt.edges])
    scored = _score_metrics(boss(data, names, background, seed=params.seed), learnt)
    return table, _graph_metrics(table, past, scored)


def _score_metrics(scored: Cpdag, learnt: Cpdag) -> ScoreMetrics:
    joined = np.triu((scored.matrix != 0) & (learnt.matrix != 0))
    same = (scored.matrix == learnt.matrix) & (scored.matrix == learnt.matrix).T
    ends = [(edge.source.rsplit(" ", 1), edge.target.rsplit(" ", 1)) for edge in scored.edges]
    return ScoreMetrics(
        edges=len(ends),
        shared=int(joined.sum()),
        equal=int((joined & same).sum()),
        cross_past=sum(
            target[1] == "now" and source[1] != "now" and source[0] != target[0] for source, target in ends
        ),
    )


def _edge_row(edge: Edge, learnt: Cpdag, confidence: EdgeConfidence, data: np.ndarray) -> dict[str, Any]:
    from methods.causal import partial_correlation

    given = [name for name in learnt.parents(edge.target) if name != edge.source]
    column = learnt.names.index
    i, j = column(edge.source), column(edge.target)
    r = partial_correlation(data, i, j, [column(name) for name in given])
    return {
        "source": edge.source,
        "target": edge.target,
        "kind": edge.kind,
        "confidence": float(getattr(confidence, edge.kind)[i, j]),
        "adjacency": float(confidence.adjacent[i, j]),
        "partial_correlation": round(r, 6),
        "given": ", ".join(given),
        "n": len(data),
    }


def _graph_metrics(table: pd.DataFrame, past: pd.DataFrame, scored: ScoreMetrics) -> GraphMetrics:
    source, target = (table[end].str.rsplit(" ", n=1, expand=True) for end in ("source", "target"))
    into_now = (target[1] == "now") & (source[1] != "now")
    return GraphMetrics(
        rows=len(past),
        artists=past["artist_id"].nunique(),
        edges=len(table),
        directed=int((table["kind"] == "directed").sum()),
        own_past=int((into_now & (source[0] == target[0])).sum()),
        cross_past=int((into_now & (source[0] != target[0])).sum()),
        now=int(((target[1] == "now") & (source[1] == "now")).sum()),
        mean_confidence=round(float(table["confidence"].mean()), 6),
        mean_adjacency=round(float(table["adjacency"].mean()), 6),
        boss=scored,
    )


def _panel_tests(scope: str, past: pd.DataFrame, causes: str, params: CausalParams) -> list[dict[str, Any]]:
    """Test every cause on every effect, given the last value of the effect itself."""
    from methods.causal import panel_granger

    tests = []
    for effect in params.dimensions:
        for cause in params.dimensions:
            if causes == "last" and cause == effect:
                continue
            result = panel_granger(
                past[f"{effect} now"].to_numpy(), past[f"{effect} last"].to_numpy(),
                past[f"{cause} {causes}"].to_numpy(), past["artist_id"].to_numpy(), past["year"].to_numpy(),
                weights=past["weight"].to_numpy(),
            )  # fmt: skip
            tests.append(
                {"scope": scope, "cause": cause, "effect": effect, "lags": 1, "n": result.rows}
                | {"coefficient": result.coefficients[0], "std_error": result.std_errors[0]}
                | vars(result.test)
            )
    return tests


def _music_tests(
    years: pd.DataFrame, params: CausalParams
) -> tuple[list[dict[str, Any]], StationarityMetrics]:
    """Test pairs of dimensions of music, differenced until stationary; lags by BIC."""
    from methods.causal import granger_pairs, stationarity

    levels = _unbroken_years(years, params)
    pairs = granger_pairs(levels, params.dimensions, max_lags=params.max_lags)
    n = len(levels) - pairs.differences - pairs.lags
    tests = [
        {"scope": "music-year", "cause": cause, "effect": effect, "lags": pairs.lags, "n": n}
        | {"coefficient": np.nan, "std_error": np.nan}
        | vars(test)
        for (cause, effect), test in zip(pairs.pairs, pairs.tests, strict=True)
    ]
    verdicts = [
        [stationarity(column).verdict for column in np.diff(levels, times, axis=0).T]
        for times in (0, pairs.differences)
    ]
    return tests, StationarityMetrics(
        years=len(levels),
        dimensions=len(params.dimensions),
        levels=verdicts[0].count("stationary"),
        differences=pairs.differences,
        after=verdicts[1].count("stationary"),
    )


def _unbroken_years(years: pd.DataFrame, params: CausalParams) -> np.ndarray:
    """Return standardised yearly means of music since the last missing year."""
    rows = years[(years["source"] == "music") & (years["n_songs"] >= params.min_year_songs)]
    rows = rows.sort_values("year")
    breaks = np.flatnonzero(np.diff(rows["year"]) > 1)
    rows = rows.iloc[breaks[-1] + 1 if len(breaks) else 0 :]
    means = rows[[f"{dim}_mean" for dim in params.dimensions]].to_numpy(float)
    needed = 5 * params.max_lags + 10
    if len(means) < needed:
        raise ValueError(
            f"emotion-causal: years.parquet has {len(means)} unbroken years of source 'music' with "
            f"{params.min_year_songs} songs or more; expected at least {needed}. "
            "Lower emotion.causal.min_year_songs or emotion.causal.max_lags."
        )
    return (means - means.mean(axis=0)) / means.std(axis=0)


def _corrected(tests: pd.DataFrame, rate: float) -> pd.DataFrame:
    from statsmodels.stats.multitest import multipletests

    parts = []
    for _, part in tests.groupby("scope", sort=False):
        significant, adjusted, *_ = multipletests(part["p_value"], rate, method="fdr_bh")
        parts.append(part.assign(p_adjusted=adjusted, significant=significant))
    table = pd.concat(parts, ignore_index=True)[list(GrangerTests.to_schema().columns)]
    floats = ["coefficient", "std_error", "f"]
    return table.assign(**table[floats].round(6))


def _scope_metrics(part: pd.DataFrame) -> ScopeMetrics:
    same = part["cause"] == part["effect"]
    return ScopeMetrics(
        tests=len(part),
        significant=int(part["significant"].sum()),
        significant_same_dimension=int((part["significant"] & same).sum()),
        smallest_p_adjusted=float(f"{part['p_adjusted'].min():.4g}"),
        rows=int(part["n"].max()),
    )
