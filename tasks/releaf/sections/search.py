"""Section on the search: the ranking of cards, and the bin of the first one."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from tasks.releaf.passages.metrics import RetrieveMetrics, SystemMetrics
from tasks.releaf.retrieve import RetrieveOutputs
from tasks.report.blocks import Block, Cell, Figure, Picture, Prose, Section, count, grid, plural, share
from tasks.report.drawing import BLUE, VERMILION, label_once, svg

if TYPE_CHECKING:
    import matplotlib.figure

SIGNIFICANT = 0.05
MEASURES = {
    "ndcg_10": "nDCG@10",
    "ap": "AP",
    "recall_100": "R@100",
    "rr_10": "RR@10",
    "right_stream": "right bin",
    "right_stream_cited": "… on a card",
    "right_stream_uncited": "… on none",
}


def finding(metrics: RetrieveMetrics) -> str:
    """Return the quality of the search, with a single system for comparison."""
    return f"Search: {_ranking(metrics)} {_right_bins(metrics)}"


def section(outputs: RetrieveOutputs) -> Section:
    """Return the scores by system, city and confidence, and the tested weights."""
    metrics = outputs.retrieve
    ranking = _ranking(metrics)
    blocks: list[Block] = [
        Prose(
            f"The search was tested with {count(metrics.questions)} item names that no choice was based on. "
            f"For {count(metrics.questions_cited)} of them the relevant cards are known; these names measure "
            "the ranking (nDCG@10: 1 if the right cards come first). For all names, the test also checks "
            "whether the first card with a fact about the city names the right bin."
        ),
        Prose(f"{ranking[0].upper()}{ranking[1:]} {_right_bins(metrics)} {_fusions(metrics)}"),
        _systems(metrics),
        _by_city(outputs.retrieval_scores, metrics.shipped),
        Prose(_confidence(metrics)),
        _levels(metrics),
        *_grid(metrics),
        Prose(
            "Limits: of the names that are on no card, the first card names the right bin for only "
            f"{share(metrics.systems[metrics.shipped].right_stream_uncited)}. "
            f"Re-ranking: {metrics.reranker}. "
            f"The vector store ({metrics.store}) returns {share(metrics.store_agrees)} of the results of an "
            "exact search."
        ),
    ]
    return Section(
        "search",
        "How well the search finds the right card",
        tuple(blocks),
        "Keywords, meaning, and both together.",
    )


def _ranking(metrics: RetrieveMetrics) -> str:
    shipped, best = metrics.systems[metrics.shipped], metrics.systems[metrics.best_single]
    sentence = (
        f"the search ({metrics.shipped}) ranks the right card with nDCG@10 {shipped.ndcg_10:.3f} "
        "(1 is perfect)"
    )
    if metrics.shipped == metrics.best_single:
        return f"{sentence}; it is the better of the two single systems."
    significance = "significantly" if _is_significant(shipped) else "not significantly"
    direction = "better" if shipped.ndcg_10 > best.ndcg_10 else "worse"
    return f"{sentence}, {significance} {direction} than {metrics.best_single} alone ({best.ndcg_10:.3f})."


def _right_bins(metrics: RetrieveMetrics) -> str:
    return (
        f"Its first card names the right bin for {share(metrics.systems[metrics.shipped].right_stream)} of "
        f"the names; always guessing the city's most common bin is right for "
        f"{share(metrics.commonest_stream)}."
    )


def _fusions(metrics: RetrieveMetrics) -> str:
    tested = [system for system in metrics.systems.values() if system.p_holm is not None]
    significant = [system for system in tested if _is_significant(system)]
    best = metrics.systems[metrics.best_single].ndcg_10
    better = sum(system.ndcg_10 > best for system in significant)
    worse = sum(system.ndcg_10 < best for system in significant)
    return (
        f"Among {plural(len(tested), 'other system')}, {better} {_are(better)} significantly better than "
        f"{metrics.best_single} and {worse} {_are(worse)} significantly worse (randomisation test, Holm's "
        f"correction, p below {SIGNIFICANT})."
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _is_significant(system: SystemMetrics) -> bool:
    return system.p_holm is not None and system.p_holm < SIGNIFICANT


def _systems(metrics: RetrieveMetrics) -> Block:
    top = {key: max(getattr(system, key) for system in metrics.systems.values()) for key in MEASURES}
    rows: list[tuple[str | Cell, ...]] = [
        (
            name + (" (shipped)" if name == metrics.shipped else ""),
            *(Cell(f"{getattr(system, key):.3f}", getattr(system, key) == top[key]) for key in MEASURES),
            "–" if system.p_holm is None else f"{system.p_holm:.4f}",
        )
        for name, system in metrics.systems.items()
    ]
    return grid(
        f"Systems on the test names; p compares nDCG@10 with {metrics.best_single}. The right bin is also "
        "given for the names on a card and on none. A star marks the best of each column.",
        ("system", *MEASURES.values(), "p"),
        rows,
    )


def _by_city(scores: pd.DataFrame, shipped: str) -> Block:
    rows = scores[scores["system"] == shipped]
    return grid(
        "The shipped system by city.",
        ("city", "names", "on a card", "nDCG@10", "right bin"),
        [
            (
                str(city),
                count(len(part)),
                count(part["cited"].sum()),
                f"{part['ndcg_10'].mean():.3f}" if part["cited"].any() else "–",
                f"{part['right_stream'].mean():.3f}",
            )
            for city, part in rows.groupby("city")
        ],
    )


def _confidence(metrics: RetrieveMetrics) -> str:
    shares = [
        metrics.confidence[name].right_stream
        for name in ("low", "medium", "high")
        if name in metrics.confidence
    ]
    if len(shares) < 2:
        return "All questions have the same level of confidence, so it distinguishes nothing."
    verb = "rises" if all(a < b for a, b in pairwise(shares)) else "does not rise"
    return (
        "The confidence of a ranking is the lead of its first card. The share of right bins "
        f"{verb} with the confidence (from {share(shares[0])} to {share(shares[-1])})."
    )


def _levels(metrics: RetrieveMetrics) -> Block:
    bounds = {"high": "above 0.3", "medium": "0.1 to 0.3", "low": "below 0.1"}
    return grid(
        "Levels of confidence of the shipped system: (first score − second) / first.",
        ("level", "lead", "names", "right bin"),
        [
            (
                name,
                bound,
                count(metrics.confidence[name].questions),
                f"{metrics.confidence[name].right_stream:.3f}",
            )
            for name, bound in bounds.items()
            if name in metrics.confidence
        ],
        text=(1,),
    )


def _grid(metrics: RetrieveMetrics) -> list[Block]:
    if not metrics.grid:
        return []
    best = max(metrics.grid, key=lambda point: point.ndcg_10)
    pictures = (
        Picture(
            svg(f"search-grid-{place}", (4.2, 3.0),
                f"{MEASURES[key]} by weight of the dense scores, with and without feedback; the best "
                f"nDCG@10 is at {best.w_dense:g}.", partial(draw_grid, metrics=metrics, key=key)),
            title=f"{MEASURES[key]} by weight",
        )
        for place, key in enumerate(("ndcg_10", "right_stream"))
    )  # fmt: skip
    return [
        Figure(
            tuple(pictures),
            f"Weight of the dense scores in the fusion, on train and dev names: {best.w_dense:g} with "
            f"{plural(best.feedback, 'document')} of feedback ranks best (nDCG@10 {best.ndcg_10:.3f}). "
            "0 is BM25 alone, 1 dense vectors alone.",
            tile=20,
        )
    ]


def draw_grid(figure: matplotlib.figure.Figure, metrics: RetrieveMetrics, key: str) -> None:
    """Draw a measure by weight, without and with feedback."""
    points = pd.DataFrame([point.model_dump() for point in metrics.grid])
    axes = figure.subplots()
    for feedback, rows in points.groupby("feedback"):
        label, colour = (f"feedback of {feedback}", VERMILION) if feedback else ("no feedback", BLUE)
        axes.plot(rows["w_dense"], rows[key], "o-", ms=4, color=colour, label=label)
    axes.set(xlabel="weight of the dense scores", ylabel=MEASURES[key])
    label_once(axes, ncols=2)
