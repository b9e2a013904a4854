"""Link prediction on Cora and CiteSeer beside published figures, and encoders on the graph of things.

The citation graphs are read from `data/planetoid` in the folder that STATEWRIGHT_SHARED names, or in
`../shared`; the graph of things from `data/releaf`, once `statewright run releaf-preprocess` has made it.
What is absent is said and skipped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from benchmarks.parts import Found, Skipped
from methods.graph.encoders import Encoder
from methods.graph.links import split_links, uniform_negatives
from methods.graph.scores import LinkScores, link_scores
from methods.graph.structure import edge_homophily
from methods.graph.training import Recipe, train_links
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(10)
CHOOSING_SEED = 100
PUBLISHED = {  # Kipf and Welling (2016), table 1: AUC, AP in per cent
    ("cora", "GAE"): (91.0, 92.0),
    ("cora", "VGAE"): (91.4, 92.6),
    ("citeseer", "GAE"): (89.5, 89.9),
    ("citeseer", "VGAE"): (90.8, 92.0),
}
MEASURES = {
    "things": ("ap", "average precision (of the whole type: MRR)", "; the mean chooses"),
    "things AUC": ("auc", "AUC (of the whole type: share of rivals outranked)", ""),
    "things Hits@10": ("hits_at_10", "Hits@10", ""),
}
"""Tables of the graph of things: column of the scores, its name, a remark."""
DROPOUTS = (0.0, 0.3)
# The divergence slows a VGAE: on the choosing split 60 epochs leave it unfinished (Cora: AUC 0.905).
EPOCHS = {"GAE": 60, "VGAE": 150}
WIDTHS = (128, 64)
THINGS: dict[str, dict[str, Any]] = {
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
    "sage-mean, nothing hidden while learning": {"hidden": 0.0},
}


def tables(repeat: int) -> Found:
    """Citation graphs over ten splits; encoders, features, negatives on the graph of things."""
    yield from _citations()
    yield from _things()


def shared_folder() -> Path:
    """Where the citation graphs are."""
    return Path(os.environ.get("STATEWRIGHT_SHARED") or ROOT.parent / "shared") / "data/planetoid"


def read_citations(path: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """Words a paper as rows of length 1, links ``(2, E)``, and classes (-1: none)."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    with np.load(path, allow_pickle=False) as found:
        parts = (found["x_data"], found["x_indices"], found["x_indptr"])
        words = sparse.csr_matrix(parts, shape=found["x_shape"])
        links, classes = found["edges"].T.astype(np.int64), found["y"].astype(np.int64)
    return normalize(words).astype(np.float32), links, classes


def one_split(
    x: Any, links: np.ndarray, seed: int, model: str, dropout: float
) -> tuple[LinkScores, LinkScores]:
    """Validation and test scores of a two-layer GCN auto-encoder on one random 85/5/10 split."""
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
    """The dropout with the best validation AUC on a split that is not scored."""
    return max(DROPOUTS, key=lambda dropout: one_split(x, links, CHOOSING_SEED, model, dropout)[0].auc)


def _citations() -> Found:
    folder = shared_folder()
    if not folder.is_dir():
        yield Skipped(f"{folder} is not there: name the folder above data by STATEWRIGHT_SHARED")
        return
    read = {name: read_citations(folder / f"{name}.npz") for name in ("cora", "citeseer")}
    yield BenchmarkTable(
        name="homophily",
        title="Share of links between papers of one class, beside that of shuffled classes.",
        columns=["graph", "homophily", "shuffled", "p"],
        rows=[[name, *_homophily(links, classes)] for name, (_, links, classes) in read.items()],
    )
    yield BenchmarkTable(
        name="citations",
        title="Link prediction, 85/5/10 splits of ten seeds, uniform negatives: mean and standard error, per "
        "cent, beside Kipf and Welling (2016).",
        columns=["graph", "model", "dropout", "AUC", "± AUC", "published AUC", "AP", "± AP", "published AP",
                 "CPU s a split"],
        rows=[_row(name, model, x, links) for name, (x, links, _) in read.items() for model in EPOCHS],
        decimals=dict.fromkeys(["dropout", "AUC", "± AUC", "published AUC", "AP", "± AP", "published AP"], 1)
        | {"CPU s a split": 0},
    )  # fmt: skip


def _homophily(links: np.ndarray, classes: np.ndarray) -> list[float]:
    labelled = links[:, (classes[links] >= 0).all(axis=0)]
    alike = edge_homophily(labelled, classes, shuffles=199, seed=0)
    return [alike.observed, alike.shuffled, alike.p_value]


def _row(name: str, model: str, x: Any, links: np.ndarray) -> list[Any]:
    dropout = choose(x, links, model)
    began = time.process_time()
    seeds = tqdm(SEEDS, desc=f"{name}, {model}: splits", mininterval=1)
    found = [one_split(x, links, seed, model, dropout)[1] for seed in seeds]
    seconds = (time.process_time() - began) / len(SEEDS)
    row: list[Any] = [name, model, dropout]
    for kind, published in zip(("auc", "ap"), PUBLISHED[name, model], strict=True):
        part = 100 * np.array([getattr(one, kind) for one in found])
        row += [float(part.mean()), float(part.std(ddof=1) / len(part) ** 0.5), published]
    return [*row, seconds]


def _things() -> Found:
    import pandas as pd
    from ruamel.yaml import YAML

    from tasks.releaf.params import GraphParams

    folder = ROOT / "data/releaf"
    if not (folder / "nodes.parquet").is_file():
        yield Skipped(f"{folder} has no nodes.parquet: `statewright run releaf-preprocess`")
        return
    nodes, links = (pd.read_parquet(folder / f"{name}.parquet") for name in ("nodes", "links"))
    block = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["releaf"]["graph"]
    settings = {name: GraphParams.model_validate(block | changed) for name, changed in THINGS.items()}
    yield from thing_tables(list(_thing_scores(nodes, links, settings)))


def thing_tables(scored: list[tuple[str, Any, list[Any]]]) -> Iterator[BenchmarkTable]:
    """A table a measure; of each model its name, its scores by kind of negative, and epochs and seconds."""
    for table, (measure, name, remark) in MEASURES.items():
        yield BenchmarkTable(
            name=table,
            title=f"Graph of things: {name} on validation links by kind of negative{remark}.",
            columns=["model", "uniform", "same type", "same type and degree", "whole type", "mean", "epochs",
                     "CPU s"],
            rows=[[model, *part[measure].tolist(), float(part[measure].mean()), *cost]
                  for model, part, cost in scored],
            decimals={"CPU s": 0},
        )  # fmt: skip


def _thing_scores(nodes: Any, links: Any, settings: dict[str, Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    from tasks.releaf.graph import fit
    from tasks.releaf.links.inputs import negatives_of, node_features, read_graph
    from tasks.releaf.links.tables import ALL, baseline_scorer, dot_scorer, score_table

    for name, params in tqdm(settings.items(), desc="graph of things: settings", mininterval=1):
        nodes, made = read_graph(nodes, links, params)
        began = time.process_time()
        trained = fit(params.encoder, node_features(nodes, made, params), made, params)
        seconds = time.process_time() - began
        chosen, scorer = made.split.validation, dot_scorer({name: trained.embeddings})
        rest = baseline_scorer(made) if name == "sage-mean" else lambda pairs: {}
        table = score_table(made, chosen, negatives_of(made, chosen, params.seed + 1), scorer, rest)
        for model, part in table[table["relation"] == ALL].groupby("model", sort=False):
            yield str(model), part, [len(trained.history), seconds] if model == name else [None, None]
