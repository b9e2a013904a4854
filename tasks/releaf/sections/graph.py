"""Section on the item graph: predicted links, central nodes and recommendations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.releaf.contracts.report import GraphResults
from tasks.releaf.graph import GraphMetrics
from tasks.releaf.links.inputs import WHOLE
from tasks.releaf.links.tables import ALL
from tasks.releaf.params import ReportParams
from tasks.report.blocks import (
    Block,
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
)
from tasks.report.drawing import BLUE, GREY, VERMILION, label_once, svg

if TYPE_CHECKING:
    import matplotlib.figure

CENTRALITIES = ("pagerank", "betweenness")


def finding(graph: GraphMetrics) -> str:
    """Return the kinds of negatives against which the model beats every baseline."""
    return f"Links between items: {_comparison(graph)}"


def section(results: GraphResults, params: ReportParams) -> Section:
    """Return the link scores, homophily, central nodes and recommendations."""
    graph, size = results.graph, results.graph.size
    recommendations, nodes = results.recommendations, results.node_scores
    comparison = _comparison(graph)
    blocks: list[Block] = [
        Prose(
            f"The graph has {count(size.nodes)} nodes (items, materials, shapes, bins and products) and "
            f"{count(size.predicted)} links. The model predicts {count(size.test)} held-out links. It has "
            f"{count(graph.parameters)} parameters; the best of {plural(graph.epochs, 'epoch')} was epoch "
            f"{graph.best_epoch}."
        ),
        Prose(f"{comparison[0].upper()}{comparison[1:]} {_first_ten(results.link_scores)}"),
        _scores(results.link_scores),
        _figure(results.link_scores),
        Prose(_homophily(graph)),
        _central(nodes, params.central),
        Prose(_recommended(recommendations, graph)),
        *_examples(recommendations, nodes, params),
        Prose(
            f"Limits: the graph has {plural(size.components, 'unconnected part')}; the largest has "
            f"{count(size.largest_component)} nodes. A long path connects two nodes without explaining much, "
            "and a high score says that a link would fit the graph, not that anyone has tried it."
        ),
    ]
    return Section("graph", "Predicting links between items", tuple(blocks))


def _comparison(graph: GraphMetrics) -> str:
    won = [kind for kind, scores in graph.test.items() if scores.beats]
    lost = [
        f"{kind} ({scores.best_baseline} {scores.best_baseline_ap:.3f} against {scores.ap:.3f})"
        for kind, scores in graph.test.items()
        if not scores.beats
    ]
    text = (
        f"by average precision, the model ({graph.encoder}) predicts links between items better than every "
    )
    kinds = f"{len(won)} of {plural(len(graph.test), 'kind')}" if lost else f"all {len(won)} kinds"
    text += f"simple baseline against {kinds} of unlinked pairs"
    text += f" ({joined(won)})" if won else ""
    return f"{text}; it is worse against {joined(lost)}." if lost else f"{text}."


def _first_ten(scores: pd.DataFrame) -> str:
    rows = scores[(scores["relation"] == ALL) & scores["hits_at_10"].notna()]
    best = rows.groupby(["negatives", "learnt"], sort=False)["hits_at_10"].max().unstack()
    lost = [
        f"{kind} ({row[True]:.3f} against {row[False]:.3f})"
        for kind, row in best.iterrows()
        if row[True] <= row[False]
    ]
    return (
        f"By Hits@10 it is not better against {joined(lost)}." if lost else "By Hits@10 it is always better."
    )


def _scores(scores: pd.DataFrame) -> Grid:
    rows: list[tuple[str | Cell, ...]] = []
    for kind, part in scores[scores["relation"] == ALL].groupby("negatives", sort=False):
        top = part[["auc", "ap", "hits_at_10"]].max()
        rows += [
            (
                f"{row.model}{'' if row.learnt else ' (baseline)'}",
                str(kind),
                *(
                    Cell("–" if np.isnan(value) else f"{value:.3f}", value == top[key])
                    for key, value in (("auc", row.auc), ("ap", row.ap), ("hits_at_10", row.hits_at_10))
                ),
            )
            for row in part.itertuples()
        ]
    return grid(
        "Held-out links against unlinked pairs: random pairs, pairs of the same type, of the same type and "
        f"similar degree, and all pairs of the type (“{WHOLE}”: AUC is the share of outranked pairs, AP the "
        "mean reciprocal rank). A star marks the best of each kind.",
        ("model", "unlinked pairs", "AUC", "AP", "Hits@10"),
        rows,
        text=(1,),
    )


def _figure(scores: pd.DataFrame) -> Figure:
    rows = scores[scores["relation"] == ALL]
    picture = svg(
        "graph-ap",
        (8.2, 3.0),
        f"Average precision of {rows['model'].nunique()} models against {rows['negatives'].nunique()} kinds "
        "of unlinked pairs.",
        lambda figure: draw_precision(figure, rows),
    )
    return Figure(
        (Picture(picture),),
        f"Average precision (mean reciprocal rank for “{WHOLE}”) of the trained models and the baselines, "
        f"{count(rows['links'].max())} held-out links.",
    )


def draw_precision(figure: matplotlib.figure.Figure, rows: pd.DataFrame) -> None:
    """Draw the average precision of each model by kind of negative pair."""
    axes = figure.subplots()
    kinds = list(dict.fromkeys(rows["negatives"]))
    for learnt, colour, label in ((False, GREY, "baselines"), (True, BLUE, "trained")):
        part = rows[rows["learnt"] == learnt]
        axes.plot(
            part["ap"], [kinds.index(kind) for kind in part["negatives"]], "o", color=colour, label=label
        )
    best = rows[~rows["learnt"]].groupby("negatives", sort=False)["ap"].max()
    places = [kinds.index(kind) for kind in best.index]
    axes.plot(best, places, "|", ms=16, color=VERMILION, label="best baseline")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set(xlabel="average precision", xlim=(0, 1.02))
    label_once(axes, ncols=3)


def _homophily(graph: GraphMetrics) -> str:
    homophily = graph.homophily
    direction = "less" if homophily.observed < homophily.shuffled else "more"
    return (
        f"Nodes link to their own type {direction} often than by chance: {homophily.observed:.3f} of the "
        f"links, {homophily.shuffled:.3f} with shuffled types (share of shuffles with at least as many: "
        f"{homophily.p_value:.3f})."
    )


def _central(nodes: pd.DataFrame, number: int) -> Grid:
    top = nodes.nlargest(number, "pagerank")
    return grid(
        f"The {plural(len(top), 'node')} of highest PageRank. Betweenness is estimated from a sample of "
        "nodes.",
        ("node", "type", "neighbours", *CENTRALITIES),
        [
            (row.name, row.node_type, count(row.neighbours), f"{row.pagerank:.4f}", f"{row.betweenness:.4f}")
            for row in top[["name", "node_type", "neighbours", *CENTRALITIES]].itertuples(index=False)
        ],
        text=(1,),
    )


def _recommended(recommendations: pd.DataFrame, graph: GraphMetrics) -> str:
    steps = recommendations.loc[recommendations["steps"] > 0, "steps"]
    median = f", with a median of {int(steps.median())} steps" if len(steps) else ""
    return (
        f"The model recommends {count(graph.recommended)} new links. A path through the graph explains "
        f"{share(graph.with_path)} of them{median}."
    )


def _examples(recommendations: pd.DataFrame, nodes: pd.DataFrame, params: ReportParams) -> list[Block]:
    near = recommendations[recommendations["steps"].between(1, params.most_steps)]
    best = near.sort_values(["score", "item", "target"], ascending=[False, True, True], kind="stable")
    shown = best.drop_duplicates("item").groupby("kind", sort=False).head(params.examples)
    if shown.empty:
        return [Prose(f"No recommendation has a path of {plural(params.most_steps, 'step')} or fewer.")]
    names = dict(zip(nodes["node"], nodes["name"], strict=True))
    return [
        grid(
            "The most probable recommendations with a path of at most "
            f"{plural(params.most_steps, 'step')} ({count(len(near))} of {count(len(recommendations))} have "
            f"one): one for each item, {params.examples} of each type.",
            ("item", "recommended", "type", "probability", "path"),
            [
                (names[row.item], row.target_name, row.kind, f"{row.score:.2f}", row.path)
                for row in shown.sort_values("kind", kind="stable").itertuples()
            ],
            text=(1, 2, 4),
        )
    ]
