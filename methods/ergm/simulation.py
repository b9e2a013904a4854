"""Simulation of networks from an exponential random graph model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from methods.ergm.change import statistics
from methods.ergm.sampling import Budget, Chain, DegenerateModelError, advance, sample
from methods.ergm.state import State, check_graph, edge_array, edges_of, make_state
from methods.ergm.terms import Model, Term, read_terms

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Simulation:
    """Networks drawn from a model, a sequence of networkx graphs.

    They have the nodes of `graph`. `statistics` is (draws, p), `edges` holds (m, 2) positions in
    `graph.nodes` for each draw.
    """

    names: tuple[str, ...]
    statistics: Array
    edges: tuple[NDArray[np.int64], ...]
    graph: nx.Graph

    def __len__(self) -> int:
        return len(self.edges)

    def __getitem__(self, k: int) -> nx.Graph:
        nodes = list(self.graph.nodes)
        drawn = nx.create_empty_copy(self.graph)
        drawn.add_edges_from((nodes[i], nodes[j]) for i, j in self.edges[k])
        return drawn

    def __iter__(self) -> Iterator[nx.Graph]:
        return (self[k] for k in range(len(self)))


def simulate(
    graph: nx.Graph,
    terms: Sequence[Term],
    coef: ArrayLike,
    *,
    draws: int,
    seed: int,
    free: ArrayLike | None = None,
    interval: int | None = None,
    burn_in: int | None = None,
) -> Simulation:
    """Draw networks from the model with the given coefficients.

    Parameters
    ----------
    graph : first network of the chain, with node attributes; its ties outside `free` stay.
    coef : (p,), one coefficient for each statistic of `terms`; -inf forbids an increase of a statistic.
    draws : number of networks to return.
    interval, burn_in : proposals between draws and before the first; by default enough for nearly
        independent draws, and at least a few times the number of ties.

    Raises
    ------
    DegenerateModelError
        If the network grows to more than three times the ties of `graph` plus 2,000, or, without an
        `interval`, if 100 million proposals are not worth 200 independent networks.
    """
    check_graph(graph)
    model = read_terms(graph, terms)
    theta = np.array(coef, dtype=float)
    if theta.shape != (len(model.names),) or np.isnan(theta[~model.is_decay]).any() or draws < 1:
        raise ValueError(
            f"ergm: draws is {draws} and coef is {theta}; expected draws >= 1 and one coefficient for each "
            "of "
            f"{', '.join(model.names)}"
        )
    model = model.at(theta)
    state, observed = initial_state(graph, model, free)
    unbounded = Budget(np.iinfo(np.int64).max)
    chain = Chain(state, model, observed, np.random.default_rng(seed), unbounded, interval=interval or 0)
    if interval is None:
        first = sample(chain, theta, 400, 200, 100_000_000)
        if first.effective < 200:
            raise DegenerateModelError(
                f"ergm: {chain.steps:,} proposals gave {first.effective:.0f} independent networks, expected "
                "200: the sampler does not mix at these coefficients; give interval and burn_in"
            )
    advance(chain, theta, 16 * chain.interval if burn_in is None else burn_in)
    edges, drawn = [], np.empty((draws, len(theta)))
    for k in range(draws):
        advance(chain, theta, chain.interval)
        drawn[k] = chain.statistics
        edges.append(edges_of(chain.state))
    return Simulation(model.names, drawn, tuple(edges), graph)


def initial_state(graph: nx.Graph, model: Model, free: ArrayLike | None) -> tuple[State, Array]:
    """Build the state of a graph and compute its statistics."""
    n, edges, directed = graph.number_of_nodes(), edge_array(graph), graph.is_directed()
    mask = None if free is None else np.asarray(free, dtype=bool)
    if mask is not None and mask.shape != (n, n):
        raise ValueError(f"ergm: the risk set has shape {mask.shape}; expected ({n}, {n})")
    observed = statistics(n, directed, edges, model.terms, len(model.names), model.with_shared)
    return make_state(n, directed, edges, mask, model.with_shared, model.terms.before), observed
