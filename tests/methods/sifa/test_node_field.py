"""Fields over nodes: scales by definition, kernel ridge regression, renumbering."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge

from methods.sifa.node_field import (
    NodeOptions,
    blocks,
    classify_by_field,
    neighbourhoods,
    node_kernels,
)

NODES = 60


def communities(seed: int) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Return weak features, edges and classes of a graph of two communities."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], NODES // 2)
    chance = np.where(y[:, None] == y, 0.3, 0.02)
    upper = np.triu(rng.random((NODES, NODES)) < chance, 1)
    edges = np.array(np.nonzero(upper | upper.T))
    x = rng.normal(size=(NODES, 6)) + 0.4 * (2 * y[:, None] - 1)
    return sparse.csr_matrix(x), edges, y


X, EDGES, Y = communities(0)
TRAIN = np.array([0, 1, 2, 3, 30, 31, 32, 33])


def test_neighbourhoods_are_powers_of_the_mean_over_a_node_and_its_neighbours() -> None:
    adjacency = np.eye(NODES)
    adjacency[tuple(EDGES)] = 1
    mean = adjacency / adjacency.sum(1, keepdims=True)
    for step, found in enumerate(neighbourhoods(X, EDGES, 3)):
        assert found == pytest.approx(np.linalg.matrix_power(mean, step) @ X.toarray(), abs=1e-12)


def test_a_block_has_the_mean_of_its_nodes() -> None:
    # A path of four nodes: pairs (0, 1) and (2, 3), then all.
    x = sparse.csr_matrix(np.array([[1.0, 0], [3, 0], [5, 2], [7, 4]]))
    edges = np.array([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    own, pairs, whole = blocks(x, edges, 2)
    assert own == pytest.approx(x.toarray())
    assert pairs == pytest.approx(np.array([[2, 0], [2, 0], [6, 3], [6, 3]]))
    assert whole == pytest.approx(np.full((4, 2), [4, 1.5]))


def test_kernels_are_gaussian_in_the_distance_of_directions() -> None:
    (kernel, narrow), (x,) = node_kernels([X.toarray()], TRAIN, (1.0, 0.5)), [X.toarray()]
    unit = (x - x.mean(0)) / np.linalg.norm(x - x.mean(0), axis=1, keepdims=True)
    squares = np.square(unit[:, None] - unit[None, TRAIN]).sum(-1)
    assert kernel == pytest.approx(np.exp(-squares / 2), abs=1e-12)
    assert narrow == pytest.approx(np.exp(-2 * squares), abs=1e-12)
    constant = node_kernels([np.ones((NODES, 3))], TRAIN, (1.0,))
    assert np.isfinite(constant).all()


def test_scores_are_kernel_ridge_regression_with_the_weights_of_the_evidence() -> None:
    from methods.sifa.evidence import fit

    scales, options = neighbourhoods(X, EDGES, 2), NodeOptions()
    scores = classify_by_field(scales, Y, TRAIN, options, seed=0)
    kernels = node_kernels(scales, TRAIN, options.lengths)
    for number in (0, 1):
        targets = np.where(Y[TRAIN] == number, 1.0, -1.0)
        found = fit(kernels[:, TRAIN], targets, options.search, seed=0)
        total = np.tensordot(found.weights, kernels, 1)
        ridge = KernelRidge(alpha=found.noise, kernel="precomputed").fit(total[TRAIN], targets)
        assert scores[:, number] == pytest.approx(ridge.predict(total), abs=1e-8)


def test_coarse_graining_pays_where_neighbours_share_a_class_and_no_label_leaks() -> None:
    accuracies = []
    for seed in range(5):
        x, edges, y = communities(seed)
        hidden = y.copy()
        hidden[np.setdiff1d(np.arange(NODES), TRAIN)] = 7  # never read
        rest = np.setdiff1d(np.arange(NODES), TRAIN)
        accuracies.append(
            [
                (classify_by_field(scales, hidden, TRAIN, NodeOptions(), seed=0).argmax(1) == y)[rest].mean()
                for scales in (neighbourhoods(x, edges, 0), neighbourhoods(x, edges, 3))
            ]
        )
    own, coarse = np.mean(accuracies, axis=0)
    assert coarse > 0.95 > own + 0.1


def test_renumbering_the_nodes_renumbers_the_scores() -> None:
    order = np.random.default_rng(3).permutation(NODES)
    place = np.argsort(order)  # node order[i] becomes node i
    before = classify_by_field(neighbourhoods(X, EDGES, 3), Y, TRAIN, NodeOptions(), seed=0)
    after = classify_by_field(
        neighbourhoods(X[order], place[EDGES], 3), Y[order], place[TRAIN], NodeOptions(), seed=0
    )
    assert after == pytest.approx(before[order], abs=1e-9)


def test_one_class_and_a_length_of_zero_are_refused() -> None:
    for labels, lengths in ((np.zeros_like(Y), (1.0,)), (Y, (1.0, 0.0))):
        with pytest.raises(ValueError, match="expected 2 or more, greater than 0"):
            classify_by_field([X.toarray()], labels, TRAIN, NodeOptions(lengths), seed=0)
