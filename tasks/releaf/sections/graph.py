"""Section of the report on the graph of things: which links can be foreseen, and what is recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
)  # fmt: skip
from tasks.report.drawing import BLUE, GREY, VERMILION, label_once, svg

if TYPE_CHECKING:
    import matplotlib.figure

CENTRALITIES = ("pagerank", "betweenness")


def verdict(graph: GraphMetrics) -> str:
    """Against which other pairs the model beats every baseline, and against which it loses."""
    won = [kind for kind, one in graph.test.items() if one.beats]
    lost = [
        f"{kind} ({one.best_baseline} {one.best_baseline_ap:.3f} against {one.ap:.3f})"
        for kind, one in graph.test.items()
        if not one.beats
    ]
    text = f"Links of things: {graph.encoder} beats every simple baseline by average precision against "
    text += f"{len(won)} of {plural(len(graph.test), 'kind')} of other pairs"
    text += f" ({joined(won)})" if won else ""
    return f"{text}; it loses against {joined(lost)}." if lost else f"{text}."


def graph_section(
    scores: pd.DataFrame, found: pd.DataFrame, nodes: pd.DataFrame, graph: GraphMetrics, params: ReportParams
) -> Section:
    """Link prediction beside baselines, homophily, central nodes, recommendations with their way."""
    size = graph.size
    blocks: list[Block] = [
        Prose(
            f"{count(size.nodes)} things, materials, bins and products; {count(size.predicted)} links, of "
            f"which {count(size.test)} were hidden to be foreseen. {count(graph.parameters)} parameters, "
            "best "
            f"after {graph.best_epoch} of {plural(graph.epochs, 'epoch')}."
        ),
        Prose(f"{verdict(graph)} {_first_ten(scores)}"),
        _scores(scores),
        _figure(scores),
        Prose(_homophily(graph)),
        _central(nodes, params.central),
        Prose(_recommended(found, graph)),
        *_examples(found, nodes, params),
        Prose(
            f"Where it ends: {plural(size.components, 'part')} of the graph are not joined; the largest "
            "holds "
            f"{count(size.largest_component)} nodes. A way of many steps is a way, not a reason, and a high "
            "score says that a link would fit the graph, not that anybody has tried it."
        ),
    ]
    return Section("graph", "What goes with what", tuple(blocks))


def _first_ten(scores: pd.DataFrame) -> str:
    own = scores[(scores["relation"] == ALL) & scores["hits_at_10"].notna()]
    best = own.groupby(["negatives", "learnt"], sort=False)["hits_at_10"].max().unstack()
    lost = [f"{kind} ({row[True]:.3f} against {row[False]:.3f})" for kind, row in best.iterrows()
            if row[True] <= row[False]]  # fmt: skip
    return f"By Hits@10 it loses against {joined(lost)}." if lost else "By Hits@10 it loses against none."


def _scores(scores: pd.DataFrame) -> Grid:
    rows: list[tuple[str | Cell, ...]] = []
    for kind, part in scores[scores["relation"] == ALL].groupby("negatives", sort=False):
        top = part[["auc", "ap", "hits_at_10"]].max()
        rows += [
            (
                f"{row.model}{'' if row.learnt else ' (baseline)'}", str(kind),
                *(Cell("–" if np.isnan(value) else f"{value:.3f}", value == top[key])
                  for key, value in (("auc", row.auc), ("ap", row.ap), ("hits_at_10", row.hits_at_10))),
            )
            for row in part.itertuples()
        ]  # fmt: skip
    return grid(
        "Hidden links against other pairs: random ones, of the same type, of nearly the same degree too, "
        "or all "
        f"of the type ({WHOLE}: AUC is the share of rivals outranked, AP the mean reciprocal rank). The "
        "best of "
        "each kind is starred.",
        ("model", "other pairs", "AUC", "AP", "Hits@10"),
        rows,
        text=(1,),
    )


def _figure(scores: pd.DataFrame) -> Figure:
    own = scores[scores["relation"] == ALL]
    picture = svg(
        "graph-ap", (8.2, 3.0),
        f"Average precision of {own['model'].nunique()} models against {own['negatives'].nunique()} kinds of "
        "other pairs.", lambda figure: draw_precision(figure, own),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"Average precision (mean reciprocal rank for “{WHOLE}”) of the learnt model and of every baseline, "
        f"{count(own['links'].max())} hidden links.",
    )


def draw_precision(figure: matplotlib.figure.Figure, own: pd.DataFrame) -> None:
    """A column of points a kind of negative: the learnt ones filled, the best baseline marked."""
    axes = figure.subplots()
    kinds = list(dict.fromkeys(own["negatives"]))
    for learnt, colour, label in ((False, GREY, "baselines"), (True, BLUE, "learnt")):
        part = own[own["learnt"] == learnt]
        axes.plot(
            part["ap"], [kinds.index(kind) for kind in part["negatives"]], "o", color=colour, label=label
        )
    best = own[~own["learnt"]].groupby("negatives", sort=False)["ap"].max()
    places = [kinds.index(kind) for kind in best.index]
    axes.plot(best, places, "|", ms=16, color=VERMILION, label="best baseline")
    axes.set_yticks(range(len(kinds)), kinds)
    axes.invert_yaxis()
    axes.set(xlabel="average precision", xlim=(0, 1.02))
    label_once(axes, ncols=3)


def _homophily(graph: GraphMetrics) -> str:
    one = graph.homophily
    side = "less" if one.observed < one.shuffled else "more"
    return (
        f"Things link to their own type {side} often than by chance: {one.observed:.3f} of the links, "
        f"{one.shuffled:.3f} with shuffled types (share of shuffles with as many: {one.p_value:.3f})."
    )


def _central(nodes: pd.DataFrame, number: int) -> Grid:
    top = nodes.nlargest(number, "pagerank")
    return grid(
        f"The {plural(len(top), 'node')} of highest PageRank. Betweenness is estimated from some of the "
        "nodes.",
        ("node", "type", "neighbours", *CENTRALITIES),
        [
            (row.name, row.node_type, count(row.neighbours), f"{row.pagerank:.4f}", f"{row.betweenness:.4f}")
            for row in top[["name", "node_type", "neighbours", *CENTRALITIES]].itertuples(index=False)
        ],
        text=(1,),
    )


def _recommended(found: pd.DataFrame, graph: GraphMetrics) -> str:
    steps = found.loc[found["steps"] > 0, "steps"]
    median = f"{int(steps.median())}" if len(steps) else "no"
    return (
        f"{count(graph.recommended)} new links are recommended; {share(graph.with_path)} can be explained "
        "by a "
        f"path through the graph, of {median} steps in the median."
    )


def _examples(found: pd.DataFrame, nodes: pd.DataFrame, params: ReportParams) -> list[Block]:
    near = found[(found["steps"] > 0) & (found["steps"] <= params.most_steps)]
    best = near.sort_values(["score", "item", "target"], ascending=[False, True, True], kind="stable")
    shown = best.drop_duplicates("item").groupby("kind", sort=False).head(params.examples)
    if shown.empty:
        return [Prose(f"No recommendation has a way of {plural(params.most_steps, 'step')} or fewer.")]
    names = dict(zip(nodes["node"], nodes["name"], strict=True))
    return [
        grid(
            f"The likeliest recommendations with a way of at most {plural(params.most_steps, 'step')} "
            f"({count(len(near))} of {count(len(found))} have one), one a thing, {params.examples} a kind.",
            ("thing", "recommended", "kind", "probability", "the way"),
            [
                (names[row.item], row.target_name, row.kind, f"{row.score:.2f}", row.path)
                for row in shown.sort_values("kind", kind="stable").itertuples()
            ],
            text=(1, 2, 4),
        )
    ]
