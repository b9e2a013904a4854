"""Claims of specification 2, section 5: fusion and its weights, feedback, re-ranking, confidence."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, RUN, Claim, Metrics
from benchmarks.claims_releaf import RERANKER, RETRIEVAL, SURE, table_rows

RERANKED = "re-rank"


def _retrieve(metrics: Metrics) -> Any:
    return metrics["releaf"]["retrieve"]


def _collections(metrics: Metrics) -> dict[str, dict[str, dict[str, Any]]]:
    """By collection and system, the measures on the test queries; the waste names of the pipeline first."""
    own = {
        name: {"nDCG@10": one["ndcg_10"], "p": one["p_holm"]}
        for name, one in _retrieve(metrics)["systems"].items()
    }
    shipped = _retrieve(metrics)["shipped"]
    found = {
        "test names": {name.replace("bm25", "BM25").replace("rrf", "RRF"): one for name, one in own.items()}
    }
    found["test names"]["shipped"] = own[shipped]
    for row in table_rows(metrics, "retrieval", "systems"):
        found.setdefault(row["collection"], {})[row["system"]] = row
    return found


def _best_single(systems: dict[str, dict[str, Any]]) -> float:
    return max(systems[name]["nDCG@10"] for name in ("BM25", "dense"))


def _is_sure(one: dict[str, Any]) -> bool:
    return one["p"] is not None and one["p"] < SURE


def _hybrid_holds(metrics: Metrics) -> str:
    found = _collections(metrics).values()
    return REPRODUCED if all(s["shipped"]["nDCG@10"] > _best_single(s) for s in found) else CORRECTED


def _hybrid(metrics: Metrics) -> str:
    parts = [
        f"{name} {s['shipped']['nDCG@10']:.3f} against {_best_single(s):.3f}"
        + ("" if _is_sure(s["shipped"]) else " (not sure)")
        for name, s in _collections(metrics).items()
    ]
    return (
        f"nDCG@10 of the fusion as shipped against the better of BM25 and dense vectors: {', '.join(parts)}."
    )


def _tried(metrics: Metrics) -> list[dict[str, Any]]:
    return table_rows(metrics, "retrieval", "choice")


def _weight(metrics: Metrics) -> str:
    grid = _retrieve(metrics)["grid"]
    best = max(grid, key=lambda point: point["ndcg_10"])
    parts = [f"on names that are not test {best['w_dense']:g} ({best['ndcg_10']:.4f})"]
    for row in _tried(metrics):
        if (row["feedback"], row["alpha"]) == (3, 0.1):
            weights = {k.removeprefix("w_dense "): v for k, v in row.items() if k.startswith("w_dense ")}
            top = max(weights, key=lambda k: weights[k])
            parts.append(f"{row['collection']} {top} ({weights[top]:.4f}; 0.6: {weights['0.6']:.4f})")
    return f"Best weight of the dense scores by nDCG@10, chosen off the tests: {', '.join(parts)}."


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
    found = list(_collections(metrics).values())
    better = sum(s["RRF"]["nDCG@10"] >= s["weighted"]["nDCG@10"] for s in found)
    return REPRODUCED if 2 * better > len(found) else CORRECTED


def _feedback_holds(metrics: Metrics) -> str:
    at = {(row["collection"], row["feedback"], row["alpha"]): row["w_dense 0.6"] for row in _tried(metrics)}
    if not at:
        return OPEN
    names = {name for name, _, _ in at}
    better = all(at[name, 3, 0.3] >= max(at[name, 0, 0.0], at[name, 3, 0.1]) for name in names)
    return REPRODUCED if better else CORRECTED


def _feedback(metrics: Metrics) -> str:
    rows = [row for row in _tried(metrics) if row["feedback"] in (0, 3)]
    parts = [f"{row['collection']} {row['alpha']:g}: {row['w_dense 0.6']:.4f}" for row in rows]
    if not parts:
        return "The benchmark is not run yet."
    return f"nDCG@10 by alpha, three documents, queries that are not test: {', '.join(parts)}; 0 is none."


def _confidence_holds(metrics: Metrics) -> str:
    found = _retrieve(metrics)["confidence"]
    right = [found[name]["right_stream"] for name in ("low", "medium", "high") if name in found]
    return REPRODUCED if len(right) == 3 and right == sorted(right) else CORRECTED


def _confidence(metrics: Metrics) -> str:
    found = _retrieve(metrics)["confidence"]
    levels = [(name, found[name]) for name in ("high", "medium", "low") if name in found]
    parts = [f"{name} {one['right_stream']:.3f} of {one['questions']}" for name, one in levels]
    return (
        "The formula divides by the top score: where that is not above 0 it is applied to min-max scores. "
        "Right "
        f"bins by level: {', '.join(parts)}."
    )


def _reranked(metrics: Metrics) -> dict[str, Any]:
    return {name: one for name, one in _retrieve(metrics)["systems"].items() if RERANKED in name}


def _taught(metrics: Metrics) -> list[dict[str, Any]]:
    """Rows of the benchmark of a cross-encoder that was taught here: the collections, then the own cards."""
    parts = ("test collections", "test own cards")
    return [row for part in parts for row in table_rows(metrics, "reranker", part)]


def _rerank_holds(metrics: Metrics) -> str:
    found, systems, taught = _reranked(metrics), _retrieve(metrics)["systems"], _taught(metrics)
    if not found and not taught:
        return OPEN
    better = [row["weighted"] > row["search"] and row["p weighted"] < SURE for row in taught]
    if found:
        plain = max(one["ndcg_10"] for name, one in systems.items() if name not in found)
        better.append(max(one["ndcg_10"] for one in found.values()) > plain)
    return REPRODUCED if all(better) else CORRECTED


def _rerank(metrics: Metrics) -> str:
    found, systems = _reranked(metrics), _retrieve(metrics)["systems"]
    plain = {name: one for name, one in systems.items() if name not in found}
    best = max(plain, key=lambda name: plain[name]["ndcg_10"])
    parts = [f"{name} {one['ndcg_10']:.3f}" for name, one in found.items()]
    text = (
        f"nDCG@10 with re-ranking: {', '.join(parts)}; best without: {best} {plain[best]['ndcg_10']:.3f}."
        if parts
        else f"No weights of ms-marco-MiniLM ship; re-ranking is {_retrieve(metrics)['reranker']}."
    )
    rows = [
        f"{row['test']} {row['search']:.3f}, {row['weighted']:.3f}, {row['alone']:.3f}"
        for row in _taught(metrics)
    ]
    taught = f" One taught here, test nDCG@10 of search, with it, by it alone: {'; '.join(rows)}."
    return text + (taught if rows else "")


CLAIMS = (
    Claim("2 §5", "Hybrid retrieval finds more than either part.", _hybrid_holds, _hybrid, RETRIEVAL),
    Claim("2 §5.3", "Weights 0.6 dense, 0.4 sparse.", _weight_holds, _weight, RETRIEVAL),
    Claim("2 §5.3", "Reciprocal rank fusion with k = 60 (§7.1: the fusion used).", _fusion_holds, _fusion,
          RETRIEVAL),
    Claim("2 §5.4", "A cross-encoder re-ranks the first 100.", _rerank_holds, _rerank, RERANKER),
    Claim("2 §5.5", "Feedback with weight alpha = 0.3.", _feedback_holds, _feedback, RETRIEVAL),
    Claim("2 §5.6", "Confidence above 0.3 is high, below 0.1 low.", _confidence_holds, _confidence, RUN),
)  # fmt: skip
