"""Claims of specification 2: photographs, the item graph, sizes and latencies."""

from __future__ import annotations

from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, RUN_RELEAF, UNTESTABLE, Claim, Metrics
from benchmarks.model_sizes import Llama, layer_products, sage_parameters, vit_parameters

SERVING = "`python -m benchmarks.releaf serving`"
RETRIEVAL, GRAPH = "`python -m benchmarks.releaf retrieval`", "`python -m benchmarks.releaf graph`"
LOAD, RERANKER = "`python -m benchmarks.releaf load`", "`python -m benchmarks.releaf reranker`"
SIGNIFICANT = 0.05
"""Level of the tests, and the largest relative error of a formula that holds."""


def _releaf(metrics: Metrics, name: str) -> Any:
    return metrics["releaf"][name]


def table_rows(metrics: Metrics, part: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of a benchmark table by column; none if it was not measured."""
    tables: list[dict[str, Any]] = metrics["benchmarks"].get(part, {"tables": []})["tables"]
    for table in tables:
        if table["name"] == name:
            return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    return []


def holds(reproduced: bool) -> str:
    """Return the verdict of a claim that can be checked."""
    return REPRODUCED if reproduced else CORRECTED


def _vit(metrics: Metrics) -> str:
    vision = _releaf(metrics, "vision")
    return (
        f"(224/16)^2 = {(224 // 16) ** 2} patches; ViT-B/16 without its head has {vit_parameters():,} "
        f"parameters. Its weights are not included: we use {vision['backbone']} with "
        f"{vision['parameters_trained']:,} trained parameters."
    )


def _heads(metrics: Metrics) -> str:
    vision = _releaf(metrics, "vision")
    test, off = vision["test"], "; ".join(f"{name}: {reason}" for name, reason in vision["heads_off"].items())
    bins = ", ".join(f"{city} {value:.3f}" for city, value in vision["bin_accuracy"].items())
    return (
        f"Heads with labels are trained: {', '.join(vision['heads_on'])} with {len(vision['recall'])} "
        f"classes (off: {off or 'none'}). Bins differ by city and come from {vision['bin_from']}. Test "
        f"accuracy {test['accuracy']:.3f} ({test['accuracy_low']:.3f} to {test['accuracy_high']:.3f}), "
        f"calibration error {test['ece_raw']:.3f} before and {test['ece']:.3f} after temperature scaling; "
        f"correct bin: {bins}."
    )


def _graph_size(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    return (
        f"Widths 128, 256, 256, 128 with a mean aggregator have {sage_parameters([128, 256, 256, 128]):,} "
        f"parameters; the {graph['encoder']} of our pipeline with these widths and an input layer for text "
        f"has {graph['parameters']:,}."
    )


def _links_hold(metrics: Metrics) -> str:
    return holds(all(score["beats"] for score in _releaf(metrics, "graph")["test"].values()))


def _links(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    parts = [
        f"{kind} AUC {score['auc']:.3f}, AP {score['ap']:.3f} against {score['best_baseline_ap']:.3f} of "
        f"{score['best_baseline']}"
        for kind, score in graph["test"].items()
    ]
    links = graph["size"]["test"]
    return f"{graph['encoder']} on {links} held-out links, by kind of negatives: {'; '.join(parts)}."


def _citations(metrics: Metrics) -> str:
    rows = table_rows(metrics, "graph", "citations")
    scores = "; ".join(
        f"{row['graph']} {row['model']} AUC {row['AUC']:.1f} (published {row['published AUC']}), AP "
        f"{row['AP']:.1f} ({row['published AP']})"
        for row in rows
    )
    return f"Ten splits, in percent: {scores}." if rows else "The benchmark has not been run yet."


def _citations_hold(metrics: Metrics) -> str:
    rows = table_rows(metrics, "graph", "citations")
    return holds(all(row["AUC"] >= row["published AUC"] for row in rows)) if rows else OPEN


def _homophily_of(metrics: Metrics) -> dict[str, tuple[float, float]]:
    """Return homophily and AUC against random pairs, for every graph with both."""
    graph = _releaf(metrics, "graph")
    ours = {"items": (graph["homophily"]["observed"], graph["test"]["uniform"]["auc"])}
    auc = {
        row["graph"]: row["AUC"] / 100
        for row in table_rows(metrics, "graph", "citations")
        if row["model"] == "GAE"
    }
    return ours | {
        row["graph"]: (row["homophily"], auc[row["graph"]])
        for row in table_rows(metrics, "graph", "homophily")
        if row["graph"] in auc
    }


def _homophily_holds(metrics: Metrics) -> str:
    pairs = sorted(_homophily_of(metrics).values())
    return holds([auc for _, auc in pairs] == sorted(auc for _, auc in pairs)) if len(pairs) > 2 else OPEN


def _homophily(metrics: Metrics) -> str:
    graphs = _homophily_of(metrics).items()
    parts = ", ".join(f"{name} {homophily:.3f} and {auc:.3f}" for name, (homophily, auc) in graphs)
    return f"Homophily and AUC against random pairs: {parts}. Labels are types of items or classes of papers."


def _early(metrics: Metrics) -> str:
    graph = _releaf(metrics, "graph")
    epochs = ", ".join(map(str, _releaf(metrics, "vision")["best_epochs"]))
    return (
        "With the loss of `patience` epochs ago a single bad epoch can stop the training, and a constant "
        "loss never does. We stop when the best loss is `patience` epochs old, and restore its weights: "
        f"photographs at epochs {epochs}, graph at {graph['best_epoch']} of {graph['epochs']}."
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
        f"Our service over HTTP by number of clients, p50 and p99 of an answer without a sentence: "
        f"{', '.join(rows)}; a sentence adds {', '.join(written)}."
        if rows
        else "Our service is not measured yet."
    )
    return (
        f"With the figures of the specification, 500 ms leave {left:.1f} tokens of 100 ms after vision, "
        "retrieval and graph. "
        f"{ours}"
    )


def _batch(metrics: Metrics) -> str:
    text = "Batching shares the overhead, not the work: T_single + overhead / B per request."
    rows = [
        f"{row['most']}: {row['CPU ms a request']:.1f} ms"
        for row in table_rows(metrics, "serving", "batching texts")
    ]
    if not rows:
        return f"{text} Our service is not measured yet."
    return f"{text} CPU time to encode a question, by maximum batch size: {', '.join(rows)}."


def _latencies(metrics: Metrics) -> str:
    rows = [f"{row['request']} {row['ms']:.1f} ms" for row in table_rows(metrics, "serving", "work")]
    ours = f"CPU time of one thread with our models: {'; '.join(rows)}." if rows else "Not measured yet."
    return f"The figures are for an Apple M4 Max with models that are not included. {ours}"


def _cache_holds(metrics: Metrics) -> str:
    serving = metrics["releaf"].get("serving")
    return OPEN if serving is None else holds(serving["cache_naive_off"] < SIGNIFICANT)


def _cache(metrics: Metrics) -> str:
    serving = metrics["releaf"].get("serving")
    if serving is None:
        return "The service is not measured yet."
    return (
        f"With the T_compute of a queue behind the cache, the error of the simulated mean is "
        f"{serving['cache_formula_off']:.1%}; with the T_compute of a queue without a cache it is "
        f"{serving['cache_naive_off']:.1%}."
    )


def _throughput(metrics: Metrics) -> str:
    concurrent = 67_883 * 0.5
    return f"There is no benchmark of it; at 500 ms each, {concurrent:,.0f} requests would be concurrent."


def _complexity(metrics: Metrics) -> str:
    length, width, longest, llama = 197, 768, 8192, Llama()
    weights, attention = layer_products(length, width)
    times = sum(d * k for d, k in llama.matrices()) / (2 * longest * llama.width)
    return (
        "A transformer layer has n products per weight, 12 n d^2 in a ViT, and 2 n^2 d products in its "
        f"attention. The claim leaves out the larger term: it is {weights / attention:.0f} times as large "
        f"for ViT-B/16 (n = {length}, d = {width}) and {times:.1f} times for Llama-3 ({longest:,} tokens). "
        "GraphSAGE has 2 V d^2 products, by node, and E d sums, by link, instead of E d^2."
    )


CLAIMS = (
    Claim("2 §7.1", "Patches in R^(196 x 768); ViT with 86M parameters (§9.1).",
          lambda m: holds(round(vit_parameters() / 1e6) == 86), _vit),
    Claim("2 §7.1", "Three heads: 20 items, 15 materials, 4 bins.", CORRECTED, _heads, RUN_RELEAF),
    Claim("2 §4.4", "Links are predicted by the product of embeddings.", _links_hold, _links, RUN_RELEAF),
    Claim("2 §4.4", "... on citation graphs, compared with the published auto-encoders.", _citations_hold,
          _citations, GRAPH),
    Claim("2 §7.4", "Vision, text and graph spaces are aligned implicitly.", UNTESTABLE,
          "The specification claims no figure, and describes nothing that would align them."),
    Claim("2 §7.5", "Forward pass: ViT O(n^2 d), Llama-3 O(L n^2 d), GraphSAGE O(E d^2).", CORRECTED,
          _complexity, "`pytest tests/benchmarks/test_claims_releaf.py -k products`"),
    Claim("2 §7.5", "T_batch = T_single / B + overhead.", CORRECTED, _batch, SERVING),
    Claim("2 §7.5", "T_parallel = max of the parts.", CORRECTED,
          "Holds for parts that do not depend on each other. In §7.3 the context is retrieved before the "
          "answer is written, so the times add up."),
    Claim("2 §7.5", "Vision 50 ms, 100 ms a token, retrieval 200 ms, recommendation 30 ms.", UNTESTABLE,
          _latencies, SERVING),
    Claim("2 §9.4", "Below 500 ms end to end.", CORRECTED, _budget, LOAD),
    Claim("2 §7.6", "Stop if the loss exceeds that of `patience` epochs ago.", CORRECTED, _early, RUN_RELEAF),
    Claim("2 §7.7", "Expected latency with a cache: E[T] = h T_cache + (1 - h) T_compute.", _cache_holds,
          _cache, RUN_RELEAF),
    Claim("2 §8.2", "PAC bound on the generalisation gap.", UNTESTABLE,
          "The specification gives no d, epsilon and delta."),
    Claim("2 §8.4", "Higher homophily, better graph network.", _homophily_holds, _homophily, GRAPH),
    Claim("2 §9.1", "Graph network: 2.5M parameters.", CORRECTED, _graph_size, RUN_RELEAF),
    Claim("2 §9.1", "Text encoder BGE-large: 1,024 dimensions, 335M parameters.", UNTESTABLE,
          "It is not included; we use all-MiniLM-L6-v2 (384 dimensions)."),
    Claim("2 §9.4", "Throughput of 67,883 requests a second.", UNTESTABLE, _throughput),
    Claim("2 §9.4", "Capability score of 97.2 of 100.", UNTESTABLE, "There is no test of this name."),
)  # fmt: skip
