"""Measure link prediction on citation graphs and on the item graph.

The results on Cora and CiteSeer are compared with published figures. These graphs are the external data
`planetoid`, see `benchmarks.parts.external_data`. The item graph is read from `data/releaf`
(``statewright run releaf-preprocess``). A missing graph is skipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from benchmarks.parts import Omission, Tables, external_data
from methods.graph.encoders import Encoder
from methods.graph.links import split_links, uniform_negatives
from methods.graph.scores import LinkScores, link_scores
from methods.graph.structure import edge_homophily
from methods.graph.training import Recipe, train_links
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(10)
CHOOSING_SEED = 100
PUBLISHED = {  # Kipf and Welling (2016), table 1: AUC and AP in percent
    ("cora", "GAE"): (91.0, 92.0),
    ("cora", "VGAE"): (91.4, 92.6),
    ("citeseer", "GAE"): (89.5, 89.9),
    ("citeseer", "VGAE"): (90.8, 92.0),
}
MEASURES = {
    "items": ("ap", "average precision (whole type: MRR)", "; the encoder is chosen by the mean"),
    "items AUC": ("auc", "AUC (whole type: share of negatives outranked)", ""),
    "items Hits@10": ("hits_at_10", "Hits@10", ""),
}
"""Tables of the item graph: column of the scores, name of the measure, remark."""
DROPOUTS = (0.0, 0.3)
# The divergence slows a VGAE: 60 epochs are too few on the split for choices (Cora: AUC 0.905).
EPOCHS = {"GAE": 60, "VGAE": 150}
WIDTHS = (128, 64)
ITEM_SETTINGS: dict[str, dict[str, Any]] = {
    "sage-mean": {},
    "sage-max": {"encoder": "sage-max"},
    "sage-lstm": {"encoder": "sage-lstm", "epochs": 60},
    "gat": {"encoder": "gat"},
    "gcn": {"encoder": "gcn"},
    "sage-mean, learnt vectors": {"features": ("learnt",)},
    "sage-mean, types and structure": {"features": ("structure",)},
    "sage-mean, text and structure": {"features": ("text", "structure")},
    "sage-mean, text and learnt vectors": {"features": ("text", "learnt")},
    "sage-mean, uniform negatives": {"negatives": "uniform"},
    "sage-mean, no links held out in training": {"hidden": 0.0},
}


def tables(repeat: int) -> Tables:
    """Yield tables of citation graphs over ten splits, and of the item graph."""
    yield from _citations()
    yield from _items()


def read_citations(path: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """Read words per paper as rows of length 1, links (2, E), and classes (-1: none)."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    with np.load(path, allow_pickle=False) as arrays:
        parts = (arrays["x_data"], arrays["x_indices"], arrays["x_indptr"])
        words = sparse.csr_matrix(parts, shape=arrays["x_shape"])
        links, classes = arrays["edges"].T.astype(np.int64), arrays["y"].astype(np.int64)
    return normalize(words).astype(np.float32), links, classes


def one_split(
    x: Any, links: np.ndarray, seed: int, model: str, dropout: float
) -> tuple[LinkScores, LinkScores]:
    """Return validation and test scores of a two-layer GCN on a random 85/5/10 split."""
    nodes = x.shape[0]
    split = split_links(links, nodes, seed)
    count = len(split.validation)
    pairs = uniform_negatives(nodes, count + len(split.test), links, np.random.default_rng(1000 + seed))
    held_out = {"validation": pairs[:, :count], "test": pairs[:, count:]}
    make = partial(
        Encoder, "gcn", nn.Identity(), (x.shape[1], *WIDTHS),
        dropout=dropout, normalise=False, variational=model == "VGAE",
    )  # fmt: skip
    recipe = Recipe(epochs=EPOCHS[model], learning_rate=0.01, weight_decay=0.0, patience=30, seed=seed)
    trained = train_links(
        make, x, links[:, split.train], (links[:, split.validation], held_out["validation"]), recipe
    )
    z = trained.embeddings.astype(float)
    scores = []
    for part, others in held_out.items():
        true, false = ((z[a] * z[b]).sum(axis=1) for a, b in (links[:, getattr(split, part)], others))
        scores.append(link_scores(true, false))
    return scores[0], scores[1]


def choose(x: Any, links: np.ndarray, model: str) -> float:
    """Return the dropout with the best validation AUC on a split that is not scored."""
    return max(DROPOUTS, key=lambda dropout: one_split(x, links, CHOOSING_SEED, model, dropout)[0].auc)


def _citations() -> Tables:
    folder = external_data("planetoid")
    if isinstance(folder, Omission):
        yield folder
        return
    read = {name: read_citations(folder / f"{name}.npz") for name in ("cora", "citeseer")}
    yield BenchmarkTable(
        name="homophily",
        title="Share of links between papers of one class, with the true and with shuffled classes.",
        columns=["graph", "homophily", "shuffled", "p"],
        rows=[[name, *_homophily(links, classes)] for name, (_, links, classes) in read.items()],
    )
    yield BenchmarkTable(
        name="citations",
        title="Link prediction, 85/5/10 splits of ten seeds, uniform negatives: mean and standard error in "
        "percent, compared with Kipf and Welling (2016).",
        columns=["graph", "model", "dropout", "AUC", "± AUC", "published AUC", "AP", "± AP", "published AP",
                 "CPU s per split"],
        rows=[_row(name, model, x, links) for name, (x, links, _) in read.items() for model in EPOCHS],
        decimals=dict.fromkeys(["dropout", "AUC", "± AUC", "published AUC", "AP", "± AP", "published AP"], 1)
        | {"CPU s per split": 0},
    )  # fmt: skip


def _homophily(links: np.ndarray, classes: np.ndarray) -> list[float]:
    labelled = links[:, (classes[links] >= 0).all(axis=0)]
    homophily = edge_homophily(labelled, classes, shuffles=199, seed=0)
    return [homophily.observed, homophily.shuffled, homophily.p_value]


def _row(name: str, model: str, x: Any, links: np.ndarray) -> list[Any]:
    dropout = choose(x, links, model)
    began = time.process_time()
    seeds = tqdm(SEEDS, desc=f"{name}, {model}: splits", mininterval=1)
    scores = [one_split(x, links, seed, model, dropout)[1] for seed in seeds]
    seconds = (time.process_time() - began) / len(SEEDS)
    row: list[Any] = [name, model, dropout]
    for kind, published in zip(("auc", "ap"), PUBLISHED[name, model], strict=True):
        values = 100 * np.array([getattr(score, kind) for score in scores])
        row += [float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5), published]
    return [*row, seconds]


def _items() -> Tables:
    import pandas as pd
    from ruamel.yaml import YAML

    from tasks.releaf.params import GraphParams

    folder = ROOT / "data/releaf"
    if not (folder / "nodes.parquet").is_file():
        yield Omission(f"{folder} has no nodes.parquet; run `statewright run releaf-preprocess`")
        return
    nodes, links = (pd.read_parquet(folder / f"{name}.parquet") for name in ("nodes", "links"))
    block = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["releaf"]["graph"]
    settings = {name: GraphParams.model_validate(block | changed) for name, changed in ITEM_SETTINGS.items()}
    yield from item_tables(list(_item_scores(nodes, links, settings)))


def item_tables(scored: list[tuple[str, Any, list[Any]]]) -> Iterator[BenchmarkTable]:
    """Yield one table per measure, with a row per model.

    `scored` has the name of each model, its scores by kind of negative, and its epochs and seconds.
    """
    for table, (measure, name, remark) in MEASURES.items():
        yield BenchmarkTable(
            name=table,
            title=f"Item graph: {name} on validation links by kind of negative{remark}.",
            columns=["model", "uniform", "same type", "same type and degree", "whole type", "mean", "epochs",
                     "CPU s"],
            rows=[[model, *part[measure].tolist(), float(part[measure].mean()), *cost]
                  for model, part, cost in scored],
            decimals={"CPU s": 0},
        )  # fmt: skip


def _item_scores(nodes: Any, links: Any, settings: dict[str, Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    from tasks.releaf.graph import fit
    from tasks.releaf.links.inputs import negatives_of, node_features, read_graph
    from tasks.releaf.links.tables import ALL, baseline_scorer, dot_scorer, score_table

    for name, params in tqdm(settings.items(), desc="item graph: settings", mininterval=1):
        nodes, graph = read_graph(nodes, links, params)
        began = time.process_time()
        trained = fit(params.encoder, node_features(nodes, graph, params), graph, params)
        seconds = time.process_time() - began
        chosen, scorer = graph.split.validation, dot_scorer({name: trained.embeddings})
        baselines = baseline_scorer(graph) if name == "sage-mean" else lambda pairs: {}
        table = score_table(graph, chosen, negatives_of(graph, chosen, params.seed + 1), scorer, baselines)
        for model, part in table[table["relation"] == ALL].groupby("model", sort=False):
            yield str(model), part, [len(trained.history), seconds] if model == name else [None, None]
