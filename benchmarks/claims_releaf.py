"""Claims of specification 2: search, photographs, the graph of things, sizes, latencies."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, RUN, UNTESTABLE, Claim, Metrics
from benchmarks.model_sizes import Llama, layer_products, sage_parameters, vit_parameters

SERVING = "`python -m benchmarks.releaf serving`"
RETRIEVAL, GRAPH = "`python -m benchmarks.releaf retrieval`", "`python -m benchmarks.releaf graph`"
LOAD, RERANKER = "`python -m benchmarks.releaf load`", "`python -m benchmarks.releaf reranker`"
SURE = 0.05


def _releaf(metrics: Metrics, name: str) -> Any:
    return metrics["releaf"][name]


def table_rows(metrics: Metrics, part: str, name: str) -> list[dict[str, Any]]:
    """Rows of a benchmark's table by column; none where it was not measured."""
    tables = metrics["benchmarks"].get(part, {"tables": []})["tables"]
    found = next((table for table in tables if table["name"] == name), {"columns": [], "rows": []})
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def holds(right: bool) -> str:
    """The verdict of a claim that can be checked."""
    return REPRODUCED if right else CORRECTED


def _vit(metrics: Metrics) -> str:
    vision = _releaf(metrics, "vision")
    return (
        f"(224/16)^2 = {(224 // 16) ** 2} patches; ViT-B/16 without its head has {vit_parameters():,}. No "
        "weights of "
        f"it ship: ours is {vision['backbone']} with {vision['parameters_trained']:,} trained parameters."
    )


def _heads(metrics: Metrics) -> str:
    vision = _releaf(metrics, "vision")
    test, off = vision["test"], "; ".join(f"{name}: {why}" for name, why in vision["heads_off"].items())
    bins = ", ".join(f"{city} {value:.3f}" for city, value in vision["bin_accuracy"].items())
    return (
        f"A head is trained where there are labels: {', '.join(vision['heads_on'])} with "
        f"{len(vision['recall'])} "
        f"classes (off: {off or 'none'}); bins differ by city and come from {vision['bin_from']}. Test "
        "accuracy "
        f"{test['accuracy']:.3f} ({test['accuracy_low']:.3f} to {test['accuracy_high']:.3f}), calibration "
        "error "
        f"{test['ece_raw']:.3f} before and {test['ece']:.3f} after temperature; right bin: {bins}."
    )


def _graph_size(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    return (
        f"Widths 128, 256, 256, 128 with a mean aggregator make {sage_parameters([128, 256, 256, 128]):,}; "
        f"the pipeline's {graph['encoder']} of these widths, with the layer that reads the text, "
        f"{graph['parameters']:,}."
    )


def _links_hold(metrics: Metrics) -> str:
    return holds(all(one["beats"] for one in _releaf(metrics, "graph")["test"].values()))


def _links(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    parts = [
        f"{kind} AUC {one['auc']:.3f}, AP {one['ap']:.3f} against {one['best_baseline_ap']:.3f} of "
        f"{one['best_baseline']}"
        for kind, one in graph["test"].items()
    ]
    links = graph["size"]["test"]
    return f"{graph['encoder']} on {links} hidden links, by kind of other pairs: {'; '.join(parts)}."


def _citations(metrics: Metrics) -> str:
    rows = table_rows(metrics, "graph", "citations")
    found = "; ".join(
        f"{row['graph']} {row['model']} AUC {row['AUC']:.1f} (published {row['published AUC']}), AP "
        f"{row['AP']:.1f} ({row['published AP']})"
        for row in rows
    )
    return f"Ten splits, per cent: {found}." if rows else "The benchmark is not run yet."


def _citations_hold(metrics: Metrics) -> str:
    rows = table_rows(metrics, "graph", "citations")
    return holds(all(row["AUC"] >= row["published AUC"] for row in rows)) if rows else OPEN


def _homophily_of(metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Homophily and AUC against random pairs of every graph that has both."""
    graph = _releaf(metrics, "graph")
    found = {"things": (graph["homophily"]["observed"], graph["test"]["uniform"]["auc"])}
    auc = {
        row["graph"]: row["AUC"] / 100
        for row in table_rows(metrics, "graph", "citations")
        if row["model"] == "GAE"
    }
    return found | {
        row["graph"]: (row["homophily"], auc[row["graph"]])
        for row in table_rows(metrics, "graph", "homophily")
        if row["graph"] in auc
    }


def _homophily_holds(metrics: Metrics) -> str:
    found = sorted(_homophily_of(metrics).values())
    return holds([auc for _, auc in found] == sorted(auc for _, auc in found)) if len(found) > 2 else OPEN


def _homophily(metrics: Metrics) -> str:
    found = _homophily_of(metrics).items()
    parts = ", ".join(f"{name} {alike:.3f} and {auc:.3f}" for name, (alike, auc) in found)
    return f"Homophily and AUC against random pairs: {parts}. Labels are types of things, classes of papers."


def _early(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    epochs = ", ".join(map(str, _releaf(metrics, "vision")["best_epochs"]))
    return (
        "Against the loss of `patience` epochs ago one bad epoch may stop it, and a level loss never does. "
        "We "
        "stop when the "
        f"best is `patience` epochs old, and restore it: photographs at epochs {epochs}, graph at "
        f"{graph['best_epoch']} of {graph['epochs']}."
    )


def _budget(metrics: Metrics) -> str:
    left = (500 - 50 - 200 - 30) / 100
    rows = [
        f"{row['clients']}: {row['p50 ms']:.0f} and {row['p99 ms']:.0f} ms"
        for row in table_rows(metrics, "load", "load")
        if "/v1/ask" in row.values()
    ]
    written = [
        f"{row['p50 ms']:.0f} ms"
        for row in table_rows(metrics, "load", "single")
        if row["step"] == "write a sentence"
    ]
    ours = (
        f"Ours over HTTP by clients at once, p50 and p99 of an answer without a sentence: {', '.join(rows)}; "
        f"a sentence takes {', '.join(written)} more."
        if rows
        else "Ours is not measured yet."
    )
    return (
        f"By its own figures 500 ms leave {left:.1f} tokens of 100 ms after vision, retrieval and graph. "
        f"{ours}"
    )


def _batch(metrics: Metrics) -> str:
    text = "Batching shares the overhead, not the work: T_single + overhead / B a request."
    rows = [
        f"{row['most']}: {row['CPU ms a request']:.1f} ms"
        for row in table_rows(metrics, "serving", "batching texts")
    ]
    if not rows:
        return f"{text} Ours is not measured yet."
    return f"{text} CPU time of a question's vector by the largest batch allowed: {', '.join(rows)}."


def _latencies(metrics: Metrics) -> str:
    rows = [f"{row['request']} {row['ms']:.1f} ms" for row in table_rows(metrics, "serving", "work")]
    ours = f"CPU time of one thread with ours: {'; '.join(rows)}." if rows else "Ours is not measured yet."
    return f"Of an Apple M4 Max with models that do not ship. {ours}"


def _cache_holds(metrics: Metrics) -> str:
    serving = metrics["releaf"].get("serving")
    return OPEN if serving is None else holds(serving["cache_naive_off"] < SURE)


def _cache(metrics: Metrics) -> str:
    serving = metrics["releaf"].get("serving")
    if serving is None:
        return "The service is not measured yet."
    return (
        f"With T_compute of the queue as the cache leaves it the simulated mean is off by "
        f"{serving['cache_formula_off']:.1%}; with T_compute as it is without a cache by "
        f"{serving['cache_naive_off']:.1%}."
    )


def _throughput(metrics: Metrics) -> str:
    under_way = 67_883 * 0.5
    return f"No benchmark stands behind it; at 500 ms each, {under_way:,.0f} would be under way at once."


def _complexity(metrics: Metrics) -> str:
    length, width, longest, llama = 197, 768, 8192, Llama()
    weights, attention = layer_products(length, width)
    times = sum(d * k for d, k in llama.matrices()) / (2 * longest * llama.width)
    return (
        "A layer of a transformer multiplies n times for each weight, 12 n d^2 in a ViT, and 2 n^2 d in its "
        f"attention. The term left out is the larger one: {weights / attention:.0f} times at ViT-B/16's "
        f"n = {length}, d = {width}, {times:.1f} times at Llama-3's {longest:,} tokens. "
        "GraphSAGE's products are by node, 2 V d^2, and its sums by link, E d: not E d^2."
    )


CLAIMS = (
    Claim("2 §7.1", "Patches in R^(196 x 768); ViT with 86M parameters (§9.1).",
          lambda m: holds(round(vit_parameters() / 1e6) == 86), _vit),
    Claim("2 §7.1", "Three heads: 20 items, 15 materials, 4 bins.", CORRECTED, _heads, RUN),
    Claim("2 §4.4", "Links are foreseen by the product of embeddings.", _links_hold, _links, RUN),
    Claim("2 §4.4", "... on citation graphs, beside the published auto-encoders.", _citations_hold,
          _citations, GRAPH),
    Claim("2 §7.4", "Vision, text and graph spaces are aligned implicitly.", UNTESTABLE,
          "No figure is claimed, and nothing in the text would align them."),
    Claim("2 §7.5", "Forward pass: ViT O(n^2 d), Llama-3 O(L n^2 d), GraphSAGE O(E d^2).", CORRECTED,
          _complexity, "`pytest tests/benchmarks/test_claims_releaf.py -k products`"),
    Claim("2 §7.5", "T_batch = T_single / B + overhead.", CORRECTED, _batch, SERVING),
    Claim("2 §7.5", "T_parallel = max of the parts.", CORRECTED,
          "Holds for parts that do not wait for each other. In §7.3 the context is retrieved before the "
          "answer "
          "is written: there the times add up."),
    Claim("2 §7.5", "Vision 50 ms, 100 ms a token, retrieval 200 ms, recommendation 30 ms.", UNTESTABLE,
          _latencies, SERVING),
    Claim("2 §9.4", "Below 500 ms end to end.", CORRECTED, _budget, LOAD),
    Claim("2 §7.6", "Stop if the loss exceeds that of `patience` epochs ago.", CORRECTED, _early, RUN),
    Claim("2 §7.7", "Expected latency with a cache: E[T] = h T_cache + (1 - h) T_compute.", _cache_holds,
          _cache, RUN),
    Claim("2 §8.2", "PAC bound on the generalisation gap.", UNTESTABLE,
          "d, epsilon and delta are not given."),
    Claim("2 §8.4", "Higher homophily, better graph network.", _homophily_holds, _homophily, GRAPH),
    Claim("2 §9.1", "Graph network: 2.5M parameters.", CORRECTED, _graph_size, RUN),
    Claim("2 §9.1", "Text encoder BGE-large: 1,024 dimensions, 335M parameters.", UNTESTABLE,
          "It does not ship; all-MiniLM-L6-v2 (384 dimensions) takes its place."),
    Claim("2 §9.4", "Throughput of 67,883 requests a second.", UNTESTABLE, _throughput),
    Claim("2 §9.4", "Capability score of 97.2 of 100.", UNTESTABLE, "No test of that name exists."),
)  # fmt: skip
