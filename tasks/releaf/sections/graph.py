"""Section on the item graph: predicted links and suggestions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from releaf.spelling import key, sentence_case
from releaf.suggestions import LEAST_SCORE, candidates, suggestions
from tasks.releaf.contracts.report import GraphResults
from tasks.releaf.graph import GraphMetrics
from tasks.releaf.links.checking import GOAL, Precision, checked, left_out_precision, precision
from tasks.releaf.links.inputs import WHOLE
from tasks.releaf.links.tables import ALL
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

LEASTS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Lowest scores in the table of precisions, beside `LEAST_SCORE`."""


def finding(graph: GraphMetrics) -> str:
    """Return the kinds of negatives against which the model beats every baseline."""
    return f"Links between items: {_comparison(graph)}"


def section(results: GraphResults, spelling: Mapping[str, str]) -> Section:
    """Return the link scores, homophily and suggestions.

    Parameters
    ----------
    spelling : mapping of str to str
        Spelling of each item on the page, by its key.
    """
    graph, size = results.graph, results.graph.size
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
        *_suggested(results, spelling),
        Prose(
            f"Limits: the graph has {plural(size.components, 'unconnected part')}; the largest has "
            f"{count(size.largest_component)} nodes. A long path connects two nodes without explaining much, "
            "and a high score says that a link would fit the graph, not that anyone has tried it."
        ),
    ]
    return Section(
        "graph",
        "Links between items, and ideas for reuse",
        tuple(blocks),
        "How well links are predicted, and which ideas for reuse passed a check by hand.",
    )


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


def _suggested(results: GraphResults, spelling: Mapping[str, str]) -> list[Block]:
    """Return the checked precision, and the suggestions fit for display."""
    names = dict(zip(results.node_scores["node"], results.node_scores["name"], strict=True))
    labels = results.suggestion_labels
    fit = checked(labels, candidates(results.recommendations, names))
    shown = precision(fit, LEAST_SCORE)
    uses, products = (precision(labels[labels["kind"] == kind], 0) for kind in ("reuse", "product"))
    text = (
        f"The model recommends {count(results.graph.recommended)} new links, and most help nobody: of "
        f"{count(len(labels))} pairs that were drawn by a seeded rule and judged one by one, "
        f"{uses.sensible} of {uses.pairs} uses and {products.sensible} of {products.pairs} products are "
        "sensible. So products and items with a general name (“Other plastic”) are not suggested, nor is a "
        "use whose path leads through a bin, a group or a material."
    )
    if shown.share < GOAL:
        return [
            Prose(
                f"{text} No suggestion is shown: {shown.sensible} of {shown.pairs} checked pairs with a "
                f"score of at least {LEAST_SCORE:g} are sensible, fewer than {share(GOAL)}."
            )
        ]
    outside = left_out_precision(fit)
    return [
        Prose(
            f"{text} Of the others, only those with a score of at least {LEAST_SCORE:g} are shown: the "
            f"lowest threshold at which {share(GOAL)} of the checked pairs are sensible ({shown.sensible} of "
            f"{shown.pairs}). With each pair left out of the choice of its threshold, {outside.sensible} of "
            f"{outside.pairs} are ({share(outside.share)}, 95% interval {_percent(outside)}). The rules were "
            "written after the pairs had been read."
        ),
        _precisions(labels, fit),
        _listed(suggestions(results.recommendations, names), spelling),
    ]


def _percent(found: Precision) -> str:
    low, high = found.interval
    return f"{share(low)} to {share(high)}"


def _precisions(labels: pd.DataFrame, fit: pd.DataFrame) -> Grid:
    uses = labels[labels["kind"] == "reuse"]
    rows = []
    for least in (*LEASTS, LEAST_SCORE):
        before, after = precision(uses, least), precision(fit, least)
        rows.append(
            (
                f"{least:g}",
                f"{before.sensible} of {before.pairs}",
                _percent(before),
                f"{after.sensible} of {after.pairs}",
                _percent(after),
            )
        )
    return grid(
        "Sensible ones of the checked uses by the lowest score, with 95% Wilson intervals: all of them, and "
        "those that satisfy the rules.",
        ("score from", "all uses", "interval", "by the rules", "interval"),
        sorted(rows),
    )


def _listed(table: pd.DataFrame, spelling: Mapping[str, str]) -> Grid:
    """Return the suggestions, one row a spelling of an item."""
    named = table.assign(name=[spelling.get(key(name), sentence_case(name)) for name in table["name"]])
    rows = named.drop_duplicates(["name", "target_name"])
    return grid(
        f"All {plural(len(rows), 'suggestion')} with a score of at least {LEAST_SCORE:g}.",
        ("item", "suggestion", "score", "known for"),
        [
            (row.name, row.target_name, f"{row.score:.2f}", sentence_case(_known(row.path)))
            for row in rows[["name", "target_name", "score", "path"]].itertuples(index=False)
        ],
        text=(1, 3),
    )


def _known(path: str) -> str:
    """Return the item that a reuse guide names, at the end of a path in words."""
    return path.rpartition("; ")[2].partition(" can become ")[0]
