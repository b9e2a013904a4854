"""Goodness of fit: features of simulated networks that were not fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, triu

from methods.compiled import compiled
from methods.ergm.result import ErgmFit
from methods.ergm.simulation import simulate
from methods.ergm.state import edge_array

Array = NDArray[np.float64]

_MOST_SOURCES = 100
"""Maximum number of nodes, drawn once, from which distances are measured."""


@dataclass(frozen=True)
class Distribution:
    """Counts of a feature by value, observed (k,) and simulated (draws, k).

    The last value of distances is infinite: pairs without a path. P-values are those of Monte Carlo tests:
    the observed network counts as one more draw, so that none is below ``1 / (draws + 1)``.
    """

    values: Array
    observed: Array
    simulated: Array

    @property
    def p_value(self) -> Array:
        """Two-sided p-value of each observed count, (k,)."""
        above = 1 + (self.simulated >= self.observed).sum(axis=0)
        below = 1 + (self.simulated <= self.observed).sum(axis=0)
        return np.minimum(1.0, 2 * np.minimum(above, below) / (len(self.simulated) + 1))

    @property
    def overall_p_value(self) -> float:
        """P-value of the whole distribution, by its largest standardised deviation.

        The observed network and the draws are standardised together, so that under the model all have the
        same chance of the largest deviation. Counts that are zero everywhere have no weight.
        """
        counts = np.vstack([self.observed, self.simulated])
        spread = counts.std(axis=0)
        deviations = np.abs(counts - counts.mean(axis=0))[:, spread > 0] / spread[spread > 0]
        largest = deviations.max(axis=1, initial=0.0)
        # Rounding must not separate equal deviations.
        return float((largest >= largest[0] * (1 - 1e-12)).mean())

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return bounds (k,) of the central `level` of the simulated counts."""
        low, high = np.quantile(self.simulated, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

    def informative(self, level: float = 0.95) -> NDArray[np.bool_]:
        """Return whether each value occurs, in the data or in most simulations, (k,).

        A value that was not observed and whose interval begins at zero cannot lie outside.
        """
        return (self.observed > 0) | (self.interval(level)[0] > 0)

    def covered(self, level: float = 0.95) -> float:
        """Return the share of informative counts inside their intervals."""
        (low, high), use = self.interval(level), self.informative(level)
        inside = (low <= self.observed) & (self.observed <= high)
        return float(inside[use].mean()) if use.any() else 1.0


@dataclass(frozen=True)
class GoodnessOfFit:
    """Distributions of degree, distance and shared partners.

    Nodes by degree, ordered pairs of nodes by distance, ties by number of shared partners.
    """

    degree: dict[str, Distribution]
    """``degree`` of an undirected graph, ``in-degree`` and ``out-degree`` of a directed one."""
    distance: Distribution
    shared_partners: Distribution
    """Of ties i -> j: the paths i -> k -> j."""

    @property
    def features(self) -> dict[str, Distribution]:
        """All distributions by name; they are judged one by one, not pooled."""
        return self.degree | {"distance": self.distance, "shared partners": self.shared_partners}


def goodness_of_fit(fit: ErgmFit, *, draws: int = 100, seed: int) -> GoodnessOfFit:
    """Compare simulated networks with the observed one.

    Parameters
    ----------
    fit : result of `fit` or `fit_temporal`; networks over time form one network without ties between.
    draws : number of simulated networks.

    References
    ----------
    Hunter, Goodreau and Handcock, JASA 103 (2008). Besag and Clifford, Generalized Monte Carlo significance
    tests, Biometrika 76 (1989), for the p-values.
    """
    # Without dependence, draws are independent once every tie has been proposed a few times.
    diagnostics = fit.mcmc_diagnostics
    interval = diagnostics.interval if diagnostics else 100 + 10 * fit.graph.number_of_edges()
    drawn = simulate(fit.graph, fit.terms, fit.coef, draws=draws, seed=seed, free=fit.free, interval=interval)
    n, directed = fit.graph.number_of_nodes(), fit.graph.is_directed()
    networks = [_adjacency(n, directed, edges) for edges in (edge_array(fit.graph), *drawn.edges)]
    sources = np.sort(np.random.default_rng(seed).permutation(n)[:_MOST_SOURCES])
    axes = {"out-degree": 1, "in-degree": 0} if directed else {"degree": 1}
    return GoodnessOfFit(
        {name: _compare([a.sum(axis=axis) for a in networks]) for name, axis in axes.items()},
        _compare([_distances(a, sources) for a in networks]),
        _compare([_shared_partners(a, directed) for a in networks]),
    )


def _adjacency(n: int, directed: bool, edges: NDArray[np.int64]) -> csr_array:
    both = edges if directed else np.vstack([edges, edges[:, ::-1]])
    return csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(n, n))


def _shared_partners(adjacency: csr_array, directed: bool) -> Array:
    rows, columns = (adjacency if directed else triu(adjacency)).nonzero()
    return np.asarray((adjacency @ adjacency)[rows, columns]).ravel()


def _distances(adjacency: csr_array, sources: NDArray[np.int64]) -> Array:
    distances = _search(adjacency.indptr, adjacency.indices, sources)
    return np.where(distances < 0, np.inf, distances)[distances != 0]


@compiled
def _search(starts: np.ndarray, neighbours: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Compute breadth-first distances (sources, n); -1 without a path."""
    n = starts.size - 1
    distance, queue = np.full((sources.size, n), -1), np.empty(n, dtype=np.int64)
    for k in range(sources.size):
        queue[0] = sources[k]
        distance[k, sources[k]] = 0
        first, last = 0, 1
        while first < last:
            i = queue[first]
            first += 1
            for at in range(starts[i], starts[i + 1]):
                j = neighbours[at]
                if distance[k, j] < 0:
                    distance[k, j] = distance[k, i] + 1
                    queue[last] = j
                    last += 1
    return distance


def _compare(features: list[Array]) -> Distribution:
    """Count a feature by value; the observed network comes first."""
    top = int(max(np.max(part, where=np.isfinite(part), initial=0) for part in features))
    counts = np.zeros((len(features), top + 2))
    for k, part in enumerate(features):
        finite = np.isfinite(part)
        counts[k, : top + 1] = np.bincount(part[finite].astype(int), minlength=top + 1)
        counts[k, -1] = (~finite).sum()
    values = np.append(np.arange(top + 1.0), np.inf)
    occurs = counts.any(axis=0)
    return Distribution(values[occurs], counts[0, occurs], counts[1:, occurs])
