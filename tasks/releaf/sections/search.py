"""Section of the report on search: which system finds the cards, and the right bin by the first of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.releaf.params import ReportParams
from tasks.releaf.passages.metrics import RetrieveMetrics, SystemMetrics
from tasks.report.blocks import Block, Cell, Figure, Picture, Prose, Section, count, grid, plural, share
from tasks.report.drawing import BLUE, VERMILION, label_once, svg

if TYPE_CHECKING:
    import matplotlib.figure

SURE = 0.05
MEASURES = {
    "ndcg_10": "nDCG@10",
    "ap": "AP",
    "recall_100": "R@100",
    "rr_10": "RR@10",
    "right_stream": "right bin",
    "right_stream_cited": "… carded",
    "right_stream_uncited": "… others",
}


def verdict(metrics: RetrieveMetrics) -> str:
    """Whether the shipped system beats the best single one, and what it is worth to a reader."""
    shipped, best = metrics.systems[metrics.shipped], metrics.systems[metrics.best_single]
    sentence = f"Search ({metrics.shipped}) ranks the right card with nDCG@10 {shipped.ndcg_10:.3f}"
    if metrics.shipped == metrics.best_single:
        sentence += "; it is the better of the single systems itself"
    else:
        word = "surely" if shipped.p_holm is not None and shipped.p_holm < SURE else "not surely"
        sign = "better" if shipped.ndcg_10 > best.ndcg_10 else "worse"
        sentence += f", {word} {sign} than {metrics.best_single} alone ({best.ndcg_10:.3f})"
    return (
        f"{sentence}. Its first card names the right bin for {share(shipped.right_stream)} of the names, "
        "where "
        f"the city's commonest bin would be right for {share(metrics.commonest_stream)}."
    )


def search(scores: pd.DataFrame, metrics: RetrieveMetrics) -> Section:
    """Systems, cities, confidence, and the weights that were tried."""
    blocks: list[Block] = [
        Prose(
            f"{count(metrics.questions)} names of things that no choice was made on were asked as a person "
            f"would type them. For {count(metrics.questions_cited)} of them a card is known to be relevant: "
            "on "
            "these the ranking is judged. For all it is asked whether the first card that knows the city "
            "names its bin."
        ),
        Prose(f"{verdict(metrics)} {_fusions(metrics)}"),
        _systems(metrics),
        _by_city(scores, metrics.shipped),
        Prose(_confidence(metrics)),
        _levels(metrics),
        *_grid(metrics),
        Prose(
            f"Where it ends: re-ranking is {metrics.reranker}. Names on which no card rests find their bin "
            "for "
            f"{share(metrics.systems[metrics.shipped].right_stream_uncited)} only. The vector store "
            f"({metrics.store}) gives {share(metrics.store_agrees)} of what exact search gives."
        ),
    ]
    return Section("search", "Does search find it", tuple(blocks))


def turned_down(wrong: pd.DataFrame, params: ReportParams) -> list[Block]:
    """What people turned down most: passages found for a question that they did not answer."""
    if wrong.empty:
        return [Prose("No passage was turned down by more people than found it right.")]
    worst = wrong.sort_values(["rating_sum", "question", "passage_id"]).head(params.turned_down)
    return [
        grid(
            f"{plural(len(wrong), 'passage')} turned down by more people than found it right (kept for a "
            f"re-ranker to learn from, hard_negatives.parquet); the {len(worst)} most disliked.",
            ("question", "card", "passage", "sum of ratings"),
            [(row.question, row.card_id, row.text, str(row.rating_sum)) for row in worst.itertuples()],
            text=(1, 2),
        )
    ]


def _fusions(metrics: RetrieveMetrics) -> str:
    others = {name: one for name, one in metrics.systems.items() if one.p_holm is not None}
    up, down = (
        [name for name, one in others.items() if _sure(one) and one.ndcg_10 * sign > sign * _best(metrics)]
        for sign in (1, -1)
    )
    return (
        f"Of the {plural(len(others), 'other system')} {len(up)} surely rank better than "
        f"{metrics.best_single} and {len(down)} surely rank worse (randomisation test, Holm's correction, "
        f"p below {SURE})."
    )


def _sure(one: SystemMetrics) -> bool:
    return one.p_holm is not None and one.p_holm < SURE


def _best(metrics: RetrieveMetrics) -> float:
    return metrics.systems[metrics.best_single].ndcg_10


def _systems(metrics: RetrieveMetrics) -> Block:
    top = {key: max(getattr(one, key) for one in metrics.systems.values()) for key in MEASURES}
    rows = [
        (
            name + (" (shipped)" if name == metrics.shipped else ""),
            *(Cell(f"{getattr(one, key):.3f}", getattr(one, key) == top[key]) for key in MEASURES),
            "–" if one.p_holm is None else f"{one.p_holm:.4f}",
        )
        for name, one in metrics.systems.items()
    ]
    return grid(
        f"Systems on the test names; p of nDCG@10 against {metrics.best_single}. Carded: names that a card "
        "rests on. The best of each column is starred.",
        ("system", *MEASURES.values(), "p"),
        rows,
    )


def _by_city(scores: pd.DataFrame, shipped: str) -> Block:
    own = scores[scores["system"] == shipped]
    return grid(
        "The shipped system, city by city.",
        ("city", "names", "carded", "nDCG@10", "right bin"),
        [
            (
                str(city), count(len(rows)), count(rows["cited"].sum()),
                f"{rows['ndcg_10'].mean():.3f}" if rows["cited"].any() else "–",
                f"{rows['right_stream'].mean():.3f}",
            )
            for city, rows in own.groupby("city")
        ],
    )  # fmt: skip


def _confidence(metrics: RetrieveMetrics) -> str:
    found = [metrics.confidence[name].right_stream for name in ("low", "medium", "high")
             if name in metrics.confidence]  # fmt: skip
    if len(found) < 2:
        return "All questions fall into one level of confidence: it tells nothing apart."
    ordered = all(a < b for a, b in pairwise(found))
    return (
        "The confidence of a ranking, by how far its first card leads, "
        + (
            "does order the answers: the higher, the oftener right"
            if ordered
            else "does not order the answers"
        )
        + f" (from {share(found[0])} to {share(found[-1])})."
    )


def _levels(metrics: RetrieveMetrics) -> Block:
    bounds = {"high": "above 0.3", "medium": "0.1 to 0.3", "low": "below 0.1"}
    return grid(
        "Levels of confidence of the shipped system: (first score − second) / first.",
        ("level", "lead", "names", "right bin"),
        [
            (name, bound, count(metrics.confidence[name].questions),
             f"{metrics.confidence[name].right_stream:.3f}")
            for name, bound in bounds.items() if name in metrics.confidence
        ],
        text=(1,),
    )  # fmt: skip


def _grid(metrics: RetrieveMetrics) -> list[Block]:
    if not metrics.grid:
        return []
    best = max(metrics.grid, key=lambda point: point.ndcg_10)
    picture = svg(
        "search-grid", (8.2, 3.2),
        f"nDCG@10 by weight of the dense scores; highest at {best.w_dense:g}.",
        lambda figure: draw_grid(figure, metrics),
    )  # fmt: skip
    return [
        Figure(
            (Picture(picture),),
            "The weight of the dense scores in the fusion, tried on names that are not test: "
            f"{best.w_dense:g} with {plural(best.feedback, 'document')} of feedback ranks best (nDCG@10 "
            f"{best.ndcg_10:.3f}). 0 is BM25 alone, 1 dense vectors alone.",
        )
    ]


def draw_grid(figure: matplotlib.figure.Figure, metrics: RetrieveMetrics) -> None:
    """nDCG@10 and right bins by weight, without and with feedback."""
    points = pd.DataFrame([point.model_dump() for point in metrics.grid])
    panels = np.atleast_1d(figure.subplots(1, 2))
    for axes, key in zip(panels, ("ndcg_10", "right_stream"), strict=True):
        for feedback, rows in points.groupby("feedback"):
            label, colour = (f"feedback of {feedback}", VERMILION) if feedback else ("no feedback", BLUE)
            axes.plot(rows["w_dense"], rows[key], "o-", ms=4, color=colour, label=label)
        axes.set(xlabel="weight of the dense scores", ylabel=MEASURES[key])
    label_once(panels[-1], ncols=2)
