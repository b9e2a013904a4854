"""Check means over neighbours and groups against plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.graph.means import group_means, neighbour_features, target_means

NODES, VALUES, PRIOR = 12, 2, 2.0


def network(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return links without self loops, known nodes, values and expected values."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, NODES, size=(30, 2)), axis=0)
    y, base = rng.normal(size=(2, NODES, VALUES))
    return pairs[pairs[:, 0] != pairs[:, 1]].T, rng.permutation(NODES)[:8], y, base


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_neighbours_are_averaged_as_in_a_loop(seed: int) -> None:
    links, known, y, base = network(seed)
    x = neighbour_features(links, known, y, base, prior=PRIOR)
    assert x.shape == (NODES, 2 * VALUES + 2)
    targets = target_means(links, known, y, base)
    for node in range(NODES):
        for side in (0, 1):
            near = [end[1 - side] for end in links.T if end[side] == node]
            values = [(y - base)[other] for other in near if other in set(known)]
            mean = sum(values, np.zeros(VALUES)) / (len(values) + PRIOR)
            np.testing.assert_allclose(x[node, VALUES * side : VALUES * (side + 1)], mean, atol=1e-12)
            np.testing.assert_allclose(x[node, 2 * VALUES + side], np.log(1 + len(near)))
        own = [y[target] for source, target in links.T if source == node and target in set(known)]
        np.testing.assert_allclose(targets[node], np.mean(own, axis=0) if own else base[node])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_node_reads_its_own_value_or_an_unknown_one(seed: int) -> None:
    links, known, y, base = network(seed)
    for node in range(NODES):
        other = y.copy()
        other[[node, *np.setdiff1d(np.arange(NODES), known)]] += 9
        for function in (
            lambda values: neighbour_features(links, known, values, base, prior=PRIOR),
            lambda values: target_means(links, known, values, base),
        ):
            np.testing.assert_array_equal(function(other)[node], function(y)[node])


def test_the_mean_of_a_group_is_that_of_its_known_nodes_and_the_prior() -> None:
    group, known = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 3])
    y = np.array([[1.0], [2.0], [50.0], [6.0], [70.0]])
    overall = 3.0
    expected = [(1 + 2 + 2 * overall) / 4] * 3 + [(6 + 2 * overall) / 3, overall]
    np.testing.assert_allclose(group_means(group, known, y, prior=PRIOR)[:, 0], expected)
