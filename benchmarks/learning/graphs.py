"""Graphs: classes of papers, and messages that come next.

The data are the external sets `planetoid` and `learning/temporal_graphs`, see
`benchmarks.parts.external_data`. The figures of each model and seed are written as they are finished, to
`benchmarks/figures/learning/graphs_units.json`, and not measured again while they are there.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.learning import _messages, _papers
from benchmarks.learning._messages import KINDS, Split, read_events
from benchmarks.learning._units import Units
from benchmarks.parts import ROOT, Omission, Tables, external_data
from methods.graph.scores import link_scores
from methods.graph.temporal import PAIR_FEATURES, NegativeKind, negative_targets, pair_features
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

PERFECT = 0.999
"""Average precision of one single feature above which the negatives are called a leak."""


def tables(repeat: int) -> Tables:
    """Yield tables of leaking negatives, node classes, and links over time."""
    torch.set_num_threads(1)
    units = Units(ROOT / "benchmarks/figures/learning/graphs_units.json")
    yield _leaks()
    yield from _papers.tables(units, repeat)
    yield from _messages.tables(units)


def _leaks() -> BenchmarkTable | Omission:
    """Return the best single feature: a perfect one means that negatives leak."""
    rows: list[list[TextOrNumber]] = []
    for name in ("uci_messages", "bitcoin_alpha", "bitcoin_otc"):
        path = external_data(f"learning/temporal_graphs/{name}.parquet")
        if isinstance(path, Omission):
            return path
        split = read_events(path)
        for kind in KINDS:
            best, feature = best_single_feature(split, kind)
            rows.append([name, kind, feature, best, "leak" if best > PERFECT else ""])
    return BenchmarkTable(
        name="leaks",
        title="The single feature with the highest average precision, whichever its sign. A perfect score "
        "means that the negatives can be told from their construction: no Bitcoin pair ever repeats, so a "
        "pair with an earlier link is always a negative.",
        columns=["graph", "negatives", "feature", "average precision", "verdict"],
        rows=rows,
    )


def best_single_feature(split: Split, kind: NegativeKind) -> tuple[float, str]:
    """Return the highest average precision of a single feature, and its name."""
    others = negative_targets(split.events, split.train, split.test, kind, np.random.default_rng(0))
    positive, negative = (
        pair_features(split.events, pairs) for pairs in (split.happened(split.test), others)
    )
    return max(
        (link_scores(sign * positive[:, column], sign * negative[:, column]).ap, name)
        for column, name in enumerate(PAIR_FEATURES)
        for sign in (1, -1)
    )
