"""Classes of papers of Cora: a field over scales of the graph beside GCN and GAT.

The data are the external set `planetoid`, see `benchmarks.parts.external_data`: the public split, 140
labelled nodes, 500 for validation and 1,000 for the test. GCN and GAT are those of `methods.graph.nodes`,
with the recipes of their papers. A finished model and seed is kept, so that a stopped command resumes.

The field is deterministic: a seed changes nothing. Its scales and lengths were chosen by the accuracy on
validation nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from benchmarks.learning._papers import Parts, planetoid
from benchmarks.parts import Omission, Tables, external_data
from benchmarks.sifa._cells import code_key, kept
from methods.graph.nodes import RECIPES, Graph, classify_nodes
from methods.sifa.evidence import Search
from methods.sifa.intervals import Losses, row_interval, seed_interval, verdict
from methods.sifa.node_field import NodeOptions, blocks, classify_by_field, neighbourhoods
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

SEEDS = 10
STEPS = 4
OPTIONS = NodeOptions()
OURS = "sifa"
FIELDS: dict[str, tuple[str, int, NodeOptions]] = {
    OURS: ("neighbourhoods", STEPS, OPTIONS),
    "blocks": ("blocks", STEPS, OPTIONS),
    "no-renormalisation": ("neighbourhoods", 0, OPTIONS),
    "no-information": (
        "neighbourhoods",
        STEPS,
        replace(OPTIONS, search=replace(OPTIONS.search, information=False)),
    ),
    "no-symplectic": (
        "neighbourhoods",
        STEPS,
        replace(OPTIONS, search=Search(symplectic=False, steps=40, rate=0.2, noise=0.1)),
    ),
}
"""Coarse-graining, its levels, and the options of each form of the field."""
NETWORKS = ("gcn", "gat")
PUBLISHED = {"gcn": 81.5, "gat": 83.0}
DRAWS = 2000
COLUMNS = [
    "model", "seeds", "accuracy", "deviation", "validation", "gain of sifa", "low by seed", "high by seed",
    "low by node", "high by node", "verdict", "published",
]  # fmt: skip


def tables(repeat: int) -> Tables:
    """Yield the accuracies and the paired gains; repetitions change nothing."""
    path = external_data("planetoid/cora.npz")
    if isinstance(path, Omission):
        yield path
        return
    torch.set_num_threads(1)
    yield table({model: predictions(path, model) for model in (*FIELDS, *NETWORKS)}, *planetoid(path))


def predictions(path: Path, model: str) -> np.ndarray:
    """Return the predicted classes of all nodes, (seeds, n); one seed for a field."""
    field = model in FIELDS
    function = "benchmarks.sifa.cora._field" if field else "benchmarks.sifa.cora._network"
    settings = repr(FIELDS[model] if field else RECIPES[model])
    key = code_key(function, [settings, path.stat().st_size])
    measure = partial(_field, path, model) if field else partial(_network, path, model)
    cells = [
        kept("cora", key, f"{model}-{seed}", partial(_document, measure, seed))
        for seed in range(1 if field else SEEDS)
    ]
    return np.array([cell["classes"] for cell in cells])


def _document(measure: Callable[[int], np.ndarray], seed: int) -> dict[str, Any]:
    return {"classes": measure(seed).tolist()}


def _field(path: Path, model: str, seed: int) -> np.ndarray:
    graph, parts = _graph(path)
    kind, levels, options = FIELDS[model]
    x, edges = _words(graph), graph.edges.numpy()
    scales = (neighbourhoods if kind == "neighbourhoods" else blocks)(x, edges, levels)
    return classify_by_field(scales, graph.y.numpy(), parts["train"], options, seed=seed).argmax(1)


def _network(path: Path, model: str, seed: int) -> np.ndarray:
    graph, parts = _graph(path)
    logits = classify_nodes(graph, parts["train"], parts["val"], RECIPES[model], seed=seed)
    classes: np.ndarray = logits.argmax(-1).numpy()
    return classes


@cache
def _graph(path: Path) -> tuple[Graph, Parts]:
    return planetoid(path)


def _words(graph: Graph) -> sparse.csr_matrix:
    index = graph.x.indices().numpy()
    values = graph.x.values().double().numpy()
    return sparse.csr_matrix((values, (index[0], index[1])), tuple(graph.x.shape))


def table(predicted: dict[str, np.ndarray], graph: Graph, parts: Parts) -> BenchmarkTable:
    """Return accuracies in percent, and gains paired by seed and by node.

    Parameters
    ----------
    predicted : dict
        Classes (seeds, n) by model.
    graph : Graph
    parts : dict
        Numbers of the nodes "val" and "test".
    """
    y = graph.y.numpy()
    right = {model: classes == y for model, classes in predicted.items()}
    ours = right[OURS][:, parts["test"]]
    rows: list[list[TextOrNumber]] = []
    for model, matrix in right.items():
        test = matrix[:, parts["test"]]
        accuracy = 100 * test.mean(1)
        deviation = float(accuracy.std(ddof=1)) if len(test) > 1 else None
        validation = 100 * float(matrix[:, parts["val"]].mean())
        row: list[TextOrNumber] = [model, len(test), float(accuracy.mean()), deviation, validation]
        rows.append([*row, *_gains(ours, test, model), PUBLISHED.get(model)])
    return BenchmarkTable(
        name="cora",
        title=(
            f"Cora, public split: test accuracy in percent, {SEEDS} seeds of the networks; the field has no "
            "random part. Gain of the field in points, with 95 % intervals over the seeds of the other model "
            "and over the 1,000 test nodes. A difference is shown if neither interval has 0."
        ),
        columns=COLUMNS,
        rows=rows,
        decimals=dict.fromkeys(COLUMNS[2:10], 1) | {"published": 1},
    )


def _gains(ours: np.ndarray, test: np.ndarray, model: str) -> list[TextOrNumber]:
    if model == OURS:
        return [None] * 6
    gains = 100 * (ours.mean(1) - test.mean(1))
    count = len(test)
    losses = Losses(
        first=(~np.broadcast_to(ours, test.shape)).ravel().astype(float),
        second=(~test).ravel().astype(float),
        row=np.tile(np.arange(test.shape[1]), count),
    )
    by_node = row_interval(losses, lambda a, b: 100 * (b - a), draws=DRAWS, seed=0)
    if count < 2:  # a field has no seeds: the nodes decide alone
        shown = verdict(by_node, by_node)
        return [float(gains.mean()), None, None, by_node.low, by_node.high, shown]
    by_seed = seed_interval(gains.tolist())
    return [
        by_seed.mean, by_seed.low, by_seed.high, by_node.low, by_node.high, verdict(by_seed, by_node),
    ]  # fmt: skip
