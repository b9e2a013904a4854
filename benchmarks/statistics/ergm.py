"""Exponential random graphs: speed against networkx, growth, a large network.

The network of influence is the external data `music`, see `benchmarks.parts.external_data`. There is no
comparison with statnet, since no published timing of its change statistics is known. Times are CPU seconds
of this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import networkx as nx
import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from methods.ergm import DegenerateModelError, fit
from methods.ergm.sampling import Budget, Chain, advance
from methods.ergm.simulation import initial_state
from methods.ergm.terms import Term, read_terms
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

TERMS: list[Term] = ["edges", "mutual", ("gwesp", 0.5)]
SIZES = (250, 500, 1000, 2000, 4000)


def tables(repeat: int) -> Tables:
    """Yield tables of speed, of its growth, and of the whole network."""
    yield _changes(repeat)
    yield _growth(repeat)
    yield _whole()


def _changes(repeat: int) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for n, degree in ((250, 8), (1000, 8), (1000, 64)):
        graph = _random(n, degree)
        ours = 1 / _seconds_per_proposal(graph, repeat)
        peer = 1 / _networkx_seconds(graph, repeat)
        rows.append([f"{n} nodes, mean degree {degree}", ours, peer, ours / peer])
    columns = ["network", "proposals per second", "changes per second, networkx", "ratio"]
    return BenchmarkTable(
        name="changes",
        title="Edges, mutual ties and gwesp, beside a loop over networkx.",
        columns=columns,
        rows=rows,
        decimals=dict.fromkeys(columns[1:], 0),
    )


def _growth(repeat: int) -> BenchmarkTable:
    by_nodes = [_seconds_per_proposal(_random(n, 8), repeat) for n in SIZES]
    degrees = (4, 8, 16, 32, 64)
    by_degree = [_seconds_per_proposal(_random(1000, d), repeat) for d in degrees]
    kinds: list[tuple[str, Sequence[int], list[float]]] = [
        ("nodes, at mean degree 8", SIZES, by_nodes),
        ("mean degree, at 1000 nodes", degrees, by_degree),
    ]
    return BenchmarkTable(
        name="growth",
        title="Growth of the time of a proposal.",
        columns=["time of a proposal by", "from, to", "nanoseconds", "exponent"],
        rows=[
            [
                name,
                f"{sizes[0]}, {sizes[-1]}",
                ", ".join(f"{1e9 * second:.0f}" for second in seconds),
                float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]),
            ]
            for name, sizes, seconds in kinds
        ],
        decimals={"exponent": 2},
    )


def _whole() -> BenchmarkTable | Omission:
    path = external_data("music/icm_influence.parquet")
    if isinstance(path, Omission):
        return path
    graph, free = _influence(pd.read_parquet(path))
    independent: list[Term] = ["edges", "mutual", ("nodematch", "genre"), ("absdiff", "decade")]
    models: dict[str, list[Term]] = {
        "independent pairs": independent,
        "with closed triples": [*independent, ("gwesp", 0.25)],
    }
    rows: list[list[TextOrNumber]] = []
    for name, terms in models.items():
        began = time.process_time()
        try:
            fitted = fit(graph, terms, seed=0, free=free, effective=200, most_steps=40_000_000)
            each = zip(fitted.names, fitted.coef, fitted.std_error, strict=True)
            result = "; ".join(f"{term} {coef:.3f} ({error:.3f})" for term, coef, error in each)
            result = f"none: {fitted.reason}" if fitted.reason else result
        except DegenerateModelError as error:
            result = f"none: {error}"
        rows.append([name, time.process_time() - began, result])
    return BenchmarkTable(
        name="whole",
        title=f"The whole network: {len(graph):,} artists, {graph.size():,} ties.",
        columns=["model", "CPU seconds", "estimate (standard error)"],
        rows=rows,
        decimals={"CPU seconds": 0},
    )


def _influence(pairs: pd.DataFrame) -> tuple[nx.DiGraph, np.ndarray]:
    graph: nx.DiGraph = nx.DiGraph()
    for end in ("influencer", "follower"):
        columns = [f"{end}_id", f"{end}_main_genre", f"{end}_active_start"]
        for key, genre, start in pairs[columns].drop_duplicates().itertuples(index=False, name=None):
            graph.add_node(key, genre=genre, decade=start / 10)
    graph.add_edges_from(zip(pairs["influencer_id"], pairs["follower_id"], strict=True))
    decade = np.array([data["decade"] for _, data in graph.nodes(data=True)])
    return graph, decade[:, None] <= decade[None, :]


def _random(n: int, degree: int) -> nx.DiGraph:
    return nx.fast_gnp_random_graph(n, degree / (n - 1), seed=0, directed=True)


def _seconds_per_proposal(graph: nx.DiGraph, repeat: int) -> float:
    """Measure the sampler at coefficients that preserve the density of the network."""
    model = read_terms(graph, TERMS)
    state, observed = initial_state(graph, model, None)
    chain = Chain(state, model, observed, np.random.default_rng(0), Budget(10**12))
    coef = np.array([np.log(nx.density(graph)), 0.0, 0.0])
    advance(chain, coef, 1000)
    return _best(lambda: advance(chain, coef, 100_000), repeat) / 100_000


def _networkx_seconds(graph: nx.DiGraph, repeat: int) -> float:
    """Measure a change statistic by a straightforward loop over sets of neighbours."""
    rng = np.random.default_rng(0)
    nodes, ties = list(graph), list(graph.edges)
    dyads = [ties[rng.integers(len(ties))] for _ in range(100)]
    dyads += [tuple(rng.choice(nodes, 2, replace=False)) for _ in range(100)]

    def paths(i: int, j: int) -> int:
        return len(set(graph.successors(i)) & set(graph.predecessors(j)))

    def change(i: int, j: int) -> tuple[float, int, float]:
        tie = int(graph.has_edge(i, j))
        gains = [paths(i, h) - tie for h in set(graph.successors(i)) & set(graph.successors(j))]
        gains += [paths(h, j) - tie for h in set(graph.predecessors(i)) & set(graph.predecessors(j))]
        shrink = 1 - np.exp(-0.5)
        own = np.exp(0.5) * (1 - shrink ** paths(i, j))
        return 1.0, int(graph.has_edge(j, i)), own + sum(shrink**gain for gain in gains)

    return _best(lambda: [change(i, j) for i, j in dyads], repeat) / len(dyads)


def _best(run: Callable[[], object], repeat: int) -> float:
    seconds = []
    for _ in range(max(1, repeat)):
        began = time.process_time()
        run()
        seconds.append(time.process_time() - began)
    return min(seconds)
