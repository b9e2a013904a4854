"""Compare sizes with published counts, and check the verdicts of claims."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED
from benchmarks.claims_language import CLAIMS as LANGUAGE
from benchmarks.claims_releaf import CLAIMS
from benchmarks.claims_retrieval import CLAIMS as RETRIEVAL
from benchmarks.model_sizes import (
    Llama,
    layer_products,
    lora_parameters,
    sage_parameters,
    vit_parameters,
)


def test_counts_equal_the_published_ones():
    assert Llama().parameters() == 8_030_261_248  # model card
    assert vit_parameters() == 85_798_656  # ViT-B/16 of timm without its head
    # As PEFT counts rank 16 on the seven matrices of Llama-3-8B: 41,943,040.
    assert 32 * lora_parameters(Llama().matrices(), 16) == 41_943_040


def test_lora_and_graphsage_counts_equal_torch():
    import torch
    from torch_geometric.nn import SAGEConv

    down, up = torch.nn.Linear(40, 3, bias=False), torch.nn.Linear(3, 24, bias=False)
    assert lora_parameters([(24, 40)], 3) == sum(w.numel() for m in (down, up) for w in m.parameters())
    layers = [
        part for into, out in ((5, 7), (7, 4)) for part in (SAGEConv(into, out), torch.nn.BatchNorm1d(out))
    ]
    assert sage_parameters([5, 7, 4]) == sum(w.numel() for m in layers for w in m.parameters())


def test_products_equal_the_count_of_torch():
    """Count a transformer layer, and GraphSAGE, where the links do not matter."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode
    from torch_geometric.nn import SAGEConv

    def products(layer: torch.nn.Module, *inputs: torch.Tensor) -> int:
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            layer(*inputs)
        return counter.get_total_flops() // 2

    layer = torch.nn.TransformerEncoderLayer(32, 4, 4 * 32, batch_first=True)
    for length in (5, 40):
        assert products(layer, torch.randn(1, length, 32)) == sum(layer_products(length, 32))
    for links in (10, 1000):
        edges = torch.randint(20, (2, links))
        assert products(SAGEConv(32, 32), torch.randn(20, 32), edges) == 2 * 20 * 32**2


@pytest.fixture
def metrics() -> dict[str, Any]:
    def system(ndcg: float, p: float | None = 0.01) -> dict[str, Any]:
        return {"ndcg_10": ndcg, "p_holm": p}

    level = {"questions": 10}
    return {
        "releaf": {
            "retrieve": {
                "shipped": "weighted", "reranker": "off",
                "systems": {"bm25": system(0.8, None), "dense": system(0.7), "rrf": system(0.85),
                            "weighted": system(0.9)},
                "grid": [{"w_dense": w, "ndcg_10": 0.9 - abs(w - 0.6)} for w in (0.4, 0.6, 0.8)],
                "confidence": {"low": level | {"right_stream": 0.5}, "medium": level | {"right_stream": 0.6},
                               "high": level | {"right_stream": 0.8}},
            },
            "graph": {
                "encoder": "sage-mean", "parameters": 1, "best_epoch": 1, "epochs": 2,
                "size": {"test": 9}, "homophily": {"observed": 0.1},
                "test": {"uniform": {"auc": 0.7, "ap": 0.7, "best_baseline": "b", "best_baseline_ap": 0.6,
                                     "beats": True}},
            },
        },
        "benchmarks": {
            "graph": {
                "tables": [
                    {"name": "citations", "columns": ["graph", "model", "AUC", "published AUC", "AP",
                                                      "published AP"],
                     "rows": [["a", "GAE", 80.0, 79.0, 1.0, 1.0],
                              ["b", "GAE", 90.0, 89.0, 1.0, 1.0]]},
                    {"name": "homophily", "columns": ["graph", "homophily"],
                     "rows": [["a", 0.5], ["b", 0.8]]},
                ]
            },
            "retrieval": {
                "tables": [
                    {"name": "choice", "columns": ["collection", "feedback", "alpha", "w_dense 0.6"],
                     "rows": [["x", 0, 0.0, 0.3], ["x", 3, 0.1, 0.31], ["x", 3, 0.3, 0.32]]},
                ]
            },
        },
    }  # fmt: skip


def verdict(start: str, metrics: dict[str, Any]) -> str:
    [claim] = [claim for claim in (*LANGUAGE, *CLAIMS, *RETRIEVAL) if claim.claim.startswith(start)]
    finding = claim.finding if isinstance(claim.finding, str) else claim.finding(metrics)
    assert finding.endswith(".") and "|" not in finding
    return claim.verdict if isinstance(claim.verdict, str) else claim.verdict(metrics)


REPRODUCED_CLAIMS = ("Hybrid retrieval", "Weights 0.6", "Feedback with", "Confidence above", "Links are",
        "... on citation", "Higher homophily", "LoRA: 16,777,216")  # fmt: skip


@pytest.mark.parametrize("claim", REPRODUCED_CLAIMS)
def test_claims_that_the_figures_support_are_reproduced(metrics: dict[str, Any], claim: str):
    assert verdict(claim, metrics) == REPRODUCED


def test_claims_that_the_figures_contradict_are_corrected(metrics: dict[str, Any]):
    contradicting = deepcopy(metrics)
    retrieve, graph = contradicting["releaf"]["retrieve"], contradicting["releaf"]["graph"]
    retrieve["systems"]["bm25"]["ndcg_10"] = 0.95
    retrieve["grid"][2]["ndcg_10"] = 0.99
    retrieve["confidence"]["high"]["right_stream"] = 0.55
    graph["test"]["uniform"]["beats"] = False
    contradicting["benchmarks"]["retrieval"]["tables"][0]["rows"][1][3] = 0.4
    contradicting["benchmarks"]["graph"]["tables"][0]["rows"][0][2] = 60.0
    for claim in REPRODUCED_CLAIMS[:-1]:
        assert verdict(claim, contradicting) == CORRECTED, claim


def test_claims_without_figures_are_open(metrics: dict[str, Any]):
    bare = metrics | {"benchmarks": {}}
    for claim in ("Feedback with", "... on citation", "Higher homophily", "A cross-encoder",
                  "LoRA maintains", "Expected latency"):  # fmt: skip
        assert verdict(claim, bare) == OPEN, claim


def test_measured_adapters_and_services_have_verdicts(metrics: dict[str, Any]):
    adapt = {
        "model": "m",
        "rank": 8,
        "trainable": 100,
        "formula_holds": True,
        "reduction": 30.0,
        "perplexity": {"cards": {"before": 20.0, "after": 10.0}, "other": {"before": 5.0, "after": 6.0}},
    }
    serving = {"cache_formula_off": 0.01, "cache_naive_off": 0.4}
    measured = metrics | {"releaf": metrics["releaf"] | {"adapt": adapt, "serving": serving}}
    assert verdict("LoRA maintains", measured) == CORRECTED
    assert verdict("Expected latency", measured) == CORRECTED
    systems = measured["releaf"]["retrieve"]["systems"]
    systems["weighted + re-ranking"] = {"ndcg_10": 0.95, "p_holm": 0.01}
    assert verdict("A cross-encoder", measured) == REPRODUCED


def test_the_benchmark_of_the_adapter_overrides_the_pipeline(metrics: dict[str, Any]):
    """Prefer the benchmark, because the pipeline does not read WikiText-2."""
    shipped = {"model": "m", "perplexity": {"cards": {"before": 20.0, "after": 10.0}}}
    measured = metrics | {"releaf": metrics["releaf"] | {"adapt": shipped}}
    assert verdict("LoRA maintains", measured) == REPRODUCED
    rows = [["cards", 20.0, 10.0], ["wikitext2", 25.3, 25.7]]
    tables = [
        {"name": "perplexity", "columns": ["text", "before", "after"], "rows": rows},
        {"name": "answers", "columns": ["share", "before", "after"],
         "rows": [["names the right bin", 0.1, 0.4]]},
    ]  # fmt: skip
    measured["benchmarks"] = metrics["benchmarks"] | {"adapt": {"tables": tables}}
    assert verdict("LoRA maintains", measured) == CORRECTED
    rows[1][2] = 25.2
    assert verdict("LoRA maintains", measured) == REPRODUCED


def test_a_trained_cross_encoder_must_be_better_on_all_collections(metrics: dict[str, Any]):
    columns = ["test", "search", "weighted", "p weighted", "alone"]
    table = {"name": "test own cards", "columns": columns, "rows": [["own", 0.8, 0.9, 0.01, 0.7]]}
    measured = metrics | {"benchmarks": metrics["benchmarks"] | {"reranker": {"tables": [table]}}}
    assert verdict("A cross-encoder", measured) == REPRODUCED
    table["rows"].append(["other", 0.8, 0.9, 0.3, 0.7])
    assert verdict("A cross-encoder", measured) == CORRECTED
