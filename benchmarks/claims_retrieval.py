"""Claims of specification 2, section 5, on fusion, re-ranking and confidence."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, RUN_RELEAF, Claim, Metrics
from benchmarks.claims_releaf import RERANKER, RETRIEVAL, SIGNIFICANT, table_rows

RERANKED = "re-rank"


def _retrieve(metrics: Metrics) -> Any:
    return metrics["releaf"]["retrieve"]


def _collections(metrics: Metrics) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the measures on test queries, by collection and system.

    The first collection is the waste names of the pipeline.
    """
    own = {
        name: {"nDCG@10": scores["ndcg_10"], "p": scores["p_holm"]}
        for name, scores in _retrieve(metrics)["systems"].items()
    }
    shipped = _retrieve(metrics)["shipped"]
    names = {name: name.replace("bm25", "BM25").replace("rrf", "RRF") for name in own}
    collections = {"test names": {names[name]: scores for name, scores in own.items()}}
    collections["test names"]["shipped"] = own[shipped]
    for row in table_rows(metrics, "retrieval", "systems"):
        collections.setdefault(row["collection"], {})[row["system"]] = row
    return collections


def _best_single(systems: dict[str, dict[str, Any]]) -> float:
    return max(systems[name]["nDCG@10"] for name in ("BM25", "dense"))


def _is_significant(scores: dict[str, Any]) -> bool:
    return scores["p"] is not None and scores["p"] < SIGNIFICANT


def _hybrid_holds(metrics: Metrics) -> str:
    collections = _collections(metrics).values()
    better = all(s["shipped"]["nDCG@10"] > _best_single(s) for s in collections)
    return REPRODUCED if better else CORRECTED


def _hybrid(metrics: Metrics) -> str:
    parts = [
        f"{name} {s['shipped']['nDCG@10']:.3f} against {_best_single(s):.3f}"
        + ("" if _is_significant(s["shipped"]) else " (not significant)")
        for name, s in _collections(metrics).items()
    ]
    return f"nDCG@10 of the shipped fusion against the better of BM25 and dense vectors: {', '.join(parts)}."


def _grid(metrics: Metrics) -> list[dict[str, Any]]:
    return table_rows(metrics, "retrieval", "choice")


def _weight(metrics: Metrics) -> str:
    grid = _retrieve(metrics)["grid"]
    best = max(grid, key=lambda point: point["ndcg_10"])
    parts = [f"names outside the test split {best['w_dense']:g} ({best['ndcg_10']:.4f})"]
    for row in _grid(metrics):
        if (row["feedback"], row["alpha"]) == (3, 0.1):
            weights = {k.removeprefix("w_dense "): v for k, v in row.items() if k.startswith("w_dense ")}
            top = max(weights, key=lambda k: weights[k])
            parts.append(f"{row['collection']} {top} ({weights[top]:.4f}; 0.6: {weights['0.6']:.4f})")
    return f"Best weight of the dense scores by nDCG@10, chosen without test queries: {', '.join(parts)}."


def _weight_holds(metrics: Metrics) -> str:
    best = max(_retrieve(metrics)["grid"], key=lambda point: point["ndcg_10"])
    return REPRODUCED if best["w_dense"] == 0.6 else CORRECTED


def _fusion(metrics: Metrics) -> str:
    parts = [
        f"{name} {s['RRF']['nDCG@10']:.3f} and {s['weighted']['nDCG@10']:.3f}"
        for name, s in _collections(metrics).items()
    ]
    return f"nDCG@10 of RRF with k = 60 and of the weighted fusion, without feedback: {', '.join(parts)}."


def _fusion_holds(metrics: Metrics) -> str:
    collections = list(_collections(metrics).values())
    better = sum(s["RRF"]["nDCG@10"] >= s["weighted"]["nDCG@10"] for s in collections)
    return REPRODUCED if 2 * better > len(collections) else CORRECTED


def _feedback_holds(metrics: Metrics) -> str:
    ndcg = {(row["collection"], row["feedback"], row["alpha"]): row["w_dense 0.6"] for row in _grid(metrics)}
    if not ndcg:
        return OPEN
    names = {name for name, _, _ in ndcg}
    better = all(ndcg[name, 3, 0.3] >= max(ndcg[name, 0, 0.0], ndcg[name, 3, 0.1]) for name in names)
    return REPRODUCED if better else CORRECTED


def _feedback(metrics: Metrics) -> str:
    rows = [row for row in _grid(metrics) if row["feedback"] in (0, 3)]
    parts = [f"{row['collection']} {row['alpha']:g}: {row['w_dense 0.6']:.4f}" for row in rows]
    if not parts:
        return "The benchmark has not been run yet."
    return (
        f"nDCG@10 by alpha, with three documents, without test queries: {', '.join(parts)}; 0 is no feedback."
    )


def _confidence_holds(metrics: Metrics) -> str:
    levels = _retrieve(metrics)["confidence"]
    shares = [levels[name]["right_stream"] for name in ("low", "medium", "high") if name in levels]
    return REPRODUCED if len(shares) == 3 and shares == sorted(shares) else CORRECTED


def _confidence(metrics: Metrics) -> str:
    levels = _retrieve(metrics)["confidence"]
    parts = [
        f"{name} {levels[name]['right_stream']:.3f} of {levels[name]['questions']}"
        for name in ("high", "medium", "low")
        if name in levels
    ]
    return (
        "The formula divides by the top score. If that is not above 0, it is applied to min-max scores. "
        f"Share of correct bins by level: {', '.join(parts)}."
    )


def _reranked(metrics: Metrics) -> dict[str, Any]:
    return {name: scores for name, scores in _retrieve(metrics)["systems"].items() if RERANKED in name}


def _trained(metrics: Metrics) -> list[dict[str, Any]]:
    """Return the rows of the cross-encoders trained here: collections, own cards."""
    parts = ("test collections", "test own cards")
    return [row for part in parts for row in table_rows(metrics, "reranker", part)]


def _rerank_holds(metrics: Metrics) -> str:
    reranked, systems, trained = _reranked(metrics), _retrieve(metrics)["systems"], _trained(metrics)
    if not reranked and not trained:
        return OPEN
    better = [row["weighted"] > row["search"] and row["p weighted"] < SIGNIFICANT for row in trained]
    if reranked:
        plain = max(scores["ndcg_10"] for name, scores in systems.items() if name not in reranked)
        better.append(max(scores["ndcg_10"] for scores in reranked.values()) > plain)
    return REPRODUCED if all(better) else CORRECTED


def _rerank(metrics: Metrics) -> str:
    reranked, systems = _reranked(metrics), _retrieve(metrics)["systems"]
    plain = {name: scores for name, scores in systems.items() if name not in reranked}
    best = max(plain, key=lambda name: plain[name]["ndcg_10"])
    parts = [f"{name} {scores['ndcg_10']:.3f}" for name, scores in reranked.items()]
    text = (
        f"nDCG@10 with re-ranking: {', '.join(parts)}; best without it: {best} {plain[best]['ndcg_10']:.3f}."
        if parts
        else "The weights of ms-marco-MiniLM are not included; re-ranking is "
        f"{_retrieve(metrics)['reranker']}."
    )
    rows = [
        f"{row['test']} {row['search']:.3f}, {row['weighted']:.3f}, {row['alone']:.3f}"
        for row in _trained(metrics)
    ]
    trained = (
        f" With one trained here, test nDCG@10 of search, with it, and with it alone: {'; '.join(rows)}."
    )
    return text + (trained if rows else "")


CLAIMS = (
    Claim("2 §5", "Hybrid retrieval finds more than either part.", _hybrid_holds, _hybrid, RETRIEVAL),
    Claim("2 §5.3", "Weights 0.6 dense, 0.4 sparse.", _weight_holds, _weight, RETRIEVAL),
    Claim("2 §5.3", "Reciprocal rank fusion with k = 60 (§7.1: the fusion used).", _fusion_holds, _fusion,
          RETRIEVAL),
    Claim("2 §5.4", "A cross-encoder re-ranks the first 100.", _rerank_holds, _rerank, RERANKER),
    Claim("2 §5.5", "Feedback with weight alpha = 0.3.", _feedback_holds, _feedback, RETRIEVAL),
    Claim("2 §5.6", "Confidence above 0.3 is high, below 0.1 low.", _confidence_holds, _confidence,
          RUN_RELEAF),
)  # fmt: skip
