"""Section of the report on causality: the graph with its confidence, and the Granger tests."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tasks.emotion.causal import CausalMetrics
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


def causality(
    edges: pd.DataFrame, granger: pd.DataFrame, metrics: CausalMetrics, params: ReportParams
) -> Section:
    """The graph with its confidence, and who helps to forecast whom."""
    ends = pd.concat([edges["source"], edges["target"]]).str.rsplit(" ", n=1).str[0]
    dimensions = list(dict.fromkeys(ends))
    graph = metrics.graph
    picture = svg(
        "causal-graph", (8.2, 4.6),
        f"Causal graph of {plural(len(edges), 'edge')}: "
        + "; ".join(f"{_edge(row)} ({share(row.confidence)})" for row in edges.itertuples()),
        lambda figure: draw.graph(figure, edges, dimensions, TIERS),
    )  # fmt: skip
    return Section(
        "causality",
        "What drives what",
        (
            Prose(_causal_sentence(metrics)),
            Figure(
                (Picture(picture),),
                "Causal graph found by the PC algorithm: “before” is the mean of all years before the "
                "last, “last” the last active year, “now” this year. An arrow reads “bears on, given "
                "everything else here”; lines without a head have no known direction. Blue, solid: more "
                f"goes with more; red, dashed: more goes with less. n = {count(graph.rows)} artist-years "
                f"of {count(graph.artists)} artists, year and genre taken out. How sure: the stronger the "
                "line, the more samples of artists drawn anew show the same arrow (on average "
                f"{share(graph.mean_confidence)}). Nothing here is an experiment: a hidden common cause "
                "would look the same.",
            ),
            _edge_table(edges),
            *_granger(granger, dimensions, params),
        ),
    )


def _edge(row: Any) -> str:
    return f"{row.source} {ARROWS[row.kind]} {row.target}"


def _causal_sentence(metrics: CausalMetrics) -> str:
    graph = metrics.graph
    text = (
        f"From an artist's past to its present the graph has {plural(graph.own_past, 'arrow')} from a "
        f"dimension to itself and {count(graph.cross_past)} to another dimension; {count(graph.now)} join "
        "dimensions of one year. "
    )
    tests = [
        f"{count(scope.significant)} of {count(scope.tests)} ({SCOPES.get(name, name)})"
        for name, scope in metrics.granger.items()
    ]
    text += f"Of the Granger tests, these stand after correction for their number: {joined(tests)}."
    real, placebo = (
        metrics.granger.get(name) for name in ("influencer->follower", "random artist->follower")
    )
    if real and placebo:
        text += (
            " So there is no evidence here that influencers' emotion helps to forecast their followers'."
            if real.significant == 0
            else " Compare the influencers with the placebo before believing in influence: it has "
            f"{count(placebo.significant)} against their {count(real.significant)}."
        )
    return text


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
        "share of bootstrap graphs with the very edge, and with any edge between the two.",
        ("edge", "partial correlation", "same edge", "any edge"),
        rows,
    )


def _granger(granger: pd.DataFrame, dimensions: list[str], params: ReportParams) -> list[Figure | Grid]:
    titles = {
        "within-artist": "own last year",
        "influencer->follower": "influencers",
        "random artist->follower": "placebo: random artists",
    }
    titles = {scope: title for scope, title in titles.items() if (granger["scope"] == scope).any()}
    blocks: list[Figure | Grid] = []
    if titles:
        some = granger[granger["scope"].isin(titles)]
        largest = some.loc[some["coefficient"].abs().idxmax()]
        picture = svg(
            "granger", (8.2, 3.3),
            f"Coefficients of {count(len(some))} Granger tests; {count(some['significant'].sum())} stand. "
            f"The largest is {largest['coefficient']:.2f}, {largest['cause']} on {largest['effect']} "
            f"({largest['scope']}).",
            lambda figure: draw.granger_maps(figure, some, dimensions, titles),
        )  # fmt: skip
        sizes = joined(f"{count(some.loc[some['scope'] == s, 'n'].max())} ({t})" for s, t in titles.items())
        blocks.append(
            Figure(
                (Picture(picture),),
                "What the past of one dimension (column) adds to forecasting another (row), in standard "
                "deviations, when the artist's own last value is known. A star marks tests that stand "
                f"after correction for their number (false discovery rate). Rows at most: {sizes}. How "
                "sure: without a star, not.",
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
        "within each kind of test after Benjamini and Hochberg; the coefficient has its 95% interval. "
        "Tests on all music have several years at once and no single coefficient."
    )
    header = ("cause → effect", "kind", "coefficient", "F", "lags", "p", "p corrected", "stands", "n")
    return [*blocks, grid(caption, header, rows, text=(1,))]
