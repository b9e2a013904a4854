"""Section of the report on causality: the causal graph and the Granger tests."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from tasks.emotion.causal import CausalMetrics, CausalOutputs
from tasks.emotion.params import ReportParams
from tasks.emotion.sections.figures import models as draw
from tasks.emotion.series.panels import TIERS
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
    signed,
)
from tasks.report.drawing import svg

ARROWS = {"directed": "→", "undirected": "—", "bidirected": "↔"}
SCOPES = {
    "within-artist": "own last year → this year",
    "influencer->follower": "influencers → follower",
    "random artist->follower": "placebo: random artists → follower",
    "music-year": "all music, earlier → later",
}
MAPS = {
    "within-artist": "own last year",
    "influencer->follower": "influencers",
    "random artist->follower": "placebo: random artists",
}


def finding(causal: CausalOutputs) -> list[str]:
    """Return the sentences on the graph and on the tests for the findings."""
    graph = causal.causal.graph
    targets = (
        "only to itself"
        if graph.cross_past == 0
        else f"to itself and, by {plural(graph.cross_past, 'arrow')}, to other dimensions"
    )
    text = f"In the causal graph the past of each emotional dimension of an artist leads {targets}."
    if graph.boss.cross_past != graph.cross_past:
        text += (
            f" This depends on the method: a search by a score (BOSS) has "
            f"{plural(graph.boss.cross_past, 'arrow')} to other dimensions."
        )
    scope = causal.causal.granger.get("influencer->follower")
    if scope is None:
        return [text]
    if scope.significant == 0:
        return [
            f"{text} None of {plural(scope.tests, 'test')} finds that the emotion of an influencer helps to "
            f"forecast that of the follower (smallest corrected p {scope.smallest_p_adjusted:.2f})."
        ]
    return [
        f"{text} {count(scope.significant)} of {plural(scope.tests, 'test')} find that the emotion of an "
        "influencer helps to forecast that of the follower."
    ]


def section(causal: CausalOutputs, params: ReportParams) -> Section:
    """Return the section: the graph with its confidence, and the Granger tests."""
    edges, graph = causal.causal_edges, causal.causal.graph
    ends = pd.concat([edges["source"], edges["target"]]).str.rsplit(" ", n=1).str[0]
    dimensions = list(dict.fromkeys(ends))
    picture = svg(
        "causal-graph", (8.2, 4.6),
        f"Causal graph of {plural(len(edges), 'edge')}: "
        + "; ".join(f"{_edge(row)} ({share(row.confidence)})" for row in edges.itertuples()),
        partial(draw.graph, edges=edges, dimensions=dimensions, tiers=TIERS),
    )  # fmt: skip
    return Section(
        "causality",
        "Causal links within a career",
        (
            Prose(_text(causal.causal)),
            Figure(
                (Picture(picture),),
                "Causal graph of the PC algorithm: “before” is the mean of all years before the last active "
                "year, “last” the last active year, “now” this year. An arrow means “affects, given all "
                "other variables here”; a line without a head has no known direction. Blue, solid: more goes "
                f"with more; red, dashed: more goes with less. n = {count(graph.rows)} artist-years of "
                f"{count(graph.artists)} artists, with the means of year and genre removed. Uncertainty: the "
                "stronger the line, the more bootstrap samples of artists have the same arrow (on average "
                f"{share(graph.mean_confidence)}). Nothing here is an experiment: an unmeasured common cause "
                "would look the same.",
            ),
            _edge_table(edges),
            *_granger(causal.granger, dimensions, params),
        ),
    )


def _edge(row: Any) -> str:
    return f"{row.source} {ARROWS[row.kind]} {row.target}"


def _text(metrics: CausalMetrics) -> str:
    graph = metrics.graph
    text = (
        f"From an artist's past to its present the graph has {plural(graph.own_past, 'arrow')} from a "
        f"dimension to itself and {count(graph.cross_past)} to another dimension; {count(graph.now)} join "
        "dimensions of one year. A search by a score instead of tests (BOSS) joins "
        f"{plural(graph.boss.edges, 'pair')}: {count(graph.boss.shared)} are joined here too, "
        f"{count(graph.boss.equal)} of them with the same direction; it has {count(graph.boss.cross_past)} "
        "from the past to another dimension. "
    )
    tests = [
        f"{count(scope.significant)} of {count(scope.tests)} ({SCOPES.get(name, name)})"
        for name, scope in metrics.granger.items()
    ]
    text += f"Granger tests that are significant after correction for their number: {joined(tests)}."
    influencers, placebo = (
        metrics.granger.get(name) for name in ("influencer->follower", "random artist->follower")
    )
    if influencers is None or placebo is None:
        return text
    if influencers.significant == 0:
        return (
            f"{text} So there is no evidence here that the emotion of influencers helps to forecast that of "
            "their followers."
        )
    return (
        f"{text} Compare the influencers with the placebo before concluding that there is influence: the "
        f"placebo has {count(placebo.significant)}, the influencers {count(influencers.significant)}."
    )


def _edge_table(edges: pd.DataFrame) -> Grid:
    rows = [
        (
            _edge(row), signed(row.partial_correlation, 2),
            share(row.confidence), share(row.adjacency),
        )
        for row in edges.sort_values(["confidence", "adjacency"], ascending=False, kind="stable").itertuples()
    ]  # fmt: skip
    return grid(
        "Edges of the graph, the surest first. Partial correlation given the other causes of the target; "
        "share of bootstrap graphs with exactly this edge, and with any edge between the two.",
        ("edge", "partial correlation", "same edge", "any edge"),
        rows,
    )


def _granger(granger: pd.DataFrame, dimensions: list[str], params: ReportParams) -> list[Figure | Grid]:
    titles = {scope: title for scope, title in MAPS.items() if (granger["scope"] == scope).any()}
    blocks: list[Figure | Grid] = []
    if titles:
        some = granger[granger["scope"].isin(titles)]
        largest = some.loc[some["coefficient"].abs().idxmax()]
        picture = svg(
            "granger", (8.2, 3.3),
            f"Coefficients of {count(len(some))} Granger tests; {count(some['significant'].sum())} are "
            f"significant. The largest is {largest['coefficient']:.2f}, {largest['cause']} on "
            f"{largest['effect']} ({largest['scope']}).",
            partial(draw.granger_maps, tests=some, dimensions=dimensions, scopes=titles),
        )  # fmt: skip
        sizes = joined(f"{count(some.loc[some['scope'] == s, 'n'].max())} ({t})" for s, t in titles.items())
        blocks.append(
            Figure(
                (Picture(picture),),
                "Granger coefficients: how much the past of one dimension (column) adds to the forecast of "
                "another (row), in standard deviations, when the artist's own last value is known. A star "
                "marks tests that are significant after correction for their number (false discovery rate). "
                f"Largest number of rows: {sizes}. Uncertainty: a coefficient without a star may be chance.",
            )
        )
    first = granger.sort_values(["p_adjusted", "p_value"], kind="stable").head(params.tests_listed)
    rows = [
        (
            f"{row.cause} → {row.effect}", SCOPES.get(row.scope, row.scope), "—" if pd.isna(row.coefficient)
            else f"{signed(row.coefficient, 2)} (±{1.96 * row.std_error:.2f})", f"{row.f:.2f}", str(row.lags),
            f"{row.p_value:.3f}", f"{row.p_adjusted:.3f}", "yes" if row.significant else "no", count(row.n),
        )
        for row in first.itertuples()
    ]  # fmt: skip
    caption = (
        f"The {len(rows)} Granger tests of {len(granger)} with the smallest corrected p. p is corrected "
        "within each kind of test by the method of Benjamini and Hochberg; ± is the half width of the 95% "
        "interval. Tests on all music have several lags and no single coefficient."
    )
    header = ("cause → effect", "kind", "coefficient", "F", "lags", "p", "p corrected", "significant", "n")
    return [*blocks, grid(caption, header, rows, text=(1,))]
