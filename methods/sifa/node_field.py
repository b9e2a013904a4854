r"""Classify the nodes of a graph by a field over several scales of the graph.

    f_c(v) = sum over labelled nodes u of a_cu sum over scales s, lengths l of w_csl k_sl(v, u)
    k_sl(v, u) = exp((x_sv . x_su - 1) / l^2)

x_sv are the features of node v at scale s, of unit length after centring, so that k is a Gaussian kernel of
their distance. The weights w of a class, its noise and its coefficients a are those of
`methods.sifa.evidence` on targets of -1 and 1; the class with the largest f is the prediction. Scales by
coarse-graining:

    neighbourhoods   the mean over a node and its neighbours, repeated: blocks that overlap, one a node
    blocks           pairs of neighbours become one node, repeated (`methods.sifa.renormalise`): blocks that
                     do not overlap; a node has the features of its block

What is a symmetric information field here: the model commutes with every renumbering of the nodes, the
scales are weighed by evidence. What is not: a built-in metric or attention; a Fisher metric of the words
lowered the validation accuracy on Cora. With neighbourhoods and one scale it is close to the kernel form of
a simplified graph convolution. Blocks depend on the numbers of the nodes where edges have equal weights.

References
----------
Wu et al. (2019), "Simplifying graph convolutional networks"; Ng, Colombo and Silva (2018), "Bayesian
semi-supervised learning with graph Gaussian processes". Specification 4 §6.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from methods.sifa.evidence import Search, fit
from methods.sifa.renormalise import coarsen_weights, paired_nodes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NodeOptions:
    """Kernels of a field over nodes.

    Attributes
    ----------
    lengths : tuple of float
        In units of the length of the features, each greater than 0.
    search : Search
        How the weights of the scales are found.
    """

    lengths: tuple[float, ...] = (1.0, 0.5)
    search: Search = field(default_factory=lambda: Search(steps=40, rate=1.0, friction=0.5, noise=0.1))


def neighbourhoods(x: sparse.csr_matrix, edges: Ints, steps: int) -> list[Floats]:
    """Return the features of the nodes, and their repeated means over neighbours.

    ``x_s = (D^-1 (A + I))^s x`` with the degrees D of A + I.

    Parameters
    ----------
    x : sparse matrix, shape (n, d)
    edges : (2, E) int array
        Both directions of each edge, without loops.
    steps : int
        0 or more.

    Returns
    -------
    list of (n, d) float array
        steps + 1 of them.
    """
    adjacency = _adjacency(edges, x.shape[0]) + sparse.eye(x.shape[0], format="csr")
    mean = sparse.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
    scales = [x]
    for _ in range(steps):
        scales.append(mean @ scales[-1])
    return [np.asarray(scale.todense(), dtype=np.float64) for scale in scales]


def blocks(x: sparse.csr_matrix, edges: Ints, levels: int) -> list[Floats]:
    """Return the features of the nodes, and the means of their blocks at each level.

    Each level joins pairs of the blocks of the one before along the heaviest edges. Parameters and result
    are those of `neighbourhoods`.
    """
    nodes = x.shape[0]
    weights, group = _adjacency(edges, nodes).toarray(), np.arange(nodes)
    scales = [np.asarray(x.todense(), dtype=np.float64)]
    for _ in range(levels):
        pairs = paired_nodes(weights)
        weights, group = coarsen_weights(weights, pairs), pairs[group]
        member = sparse.csr_matrix((np.ones(nodes), (group, np.arange(nodes))))
        sizes = np.asarray(member.sum(1))
        scales.append((np.asarray((member @ x).todense()) / sizes)[group])
    return scales


def classify_by_field(
    scales: Sequence[Floats], y: Ints, train: Ints, options: NodeOptions, *, seed: int
) -> Floats:
    """Fit to the labelled nodes, and return the scores of all nodes, (n, classes).

    Parameters
    ----------
    scales : sequence of (n, d) float array
        Features of all nodes at each scale.
    y : (n,) int array
        Classes from 0; only those of `train` are read.
    train : int array
        Numbers of the labelled nodes.
    options : NodeOptions
    seed : int
        Of the order of the rows; of a sample of them if there are more than 400.

    Raises
    ------
    ValueError
        If there is one class only, or a length is not positive.
    """
    classes = np.unique(y[train])
    if len(classes) < 2 or min(options.lengths) <= 0:
        raise ValueError(
            f"found {len(classes)} classes and lengths {options.lengths}; expected 2 or more, greater than 0"
        )
    kernels = node_kernels(scales, train, options.lengths)
    scores = np.full((len(y), int(classes.max()) + 1), -np.inf)
    for number in classes.tolist():
        targets = np.where(y[train] == number, 1.0, -1.0)
        scores[:, number] = fit(kernels[:, train], targets, options.search, seed=seed).predict(kernels)
    return scores


def node_kernels(scales: Sequence[Floats], train: Ints, lengths: Sequence[float]) -> Floats:
    """Return the kernels of all nodes with the labelled ones.

    Returns
    -------
    (scales * lengths, n, labelled) float array
    """
    kernels = []
    for scale in scales:
        centred = scale - scale.mean(0)
        sizes = np.linalg.norm(centred, axis=1, keepdims=True)
        # A node at the centre has no direction: it is equally far from all.
        unit = np.divide(centred, sizes, out=np.zeros_like(centred), where=sizes > 1e-12)
        cosines = unit @ unit[train].T
        kernels += [np.exp((cosines - 1) / length**2) for length in lengths]
    return np.stack(kernels)


def _adjacency(edges: Ints, nodes: int) -> sparse.csr_matrix:
    ones = np.ones(edges.shape[1])
    matrix: sparse.csr_matrix = sparse.coo_matrix((ones, (edges[0], edges[1])), (nodes, nodes)).tocsr()
    matrix.data[:] = 1.0  # an edge that is given twice counts once
    return matrix
