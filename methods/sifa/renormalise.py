r"""Coarse-graining of chains, tokens, grids and graph nodes.

A chain of Ising spins :math:`s = \pm 1` with :math:`p(s) \propto \exp(K \sum_i s_i s_{i+1})` stays an Ising
chain when only every b-th spin is kept, with the coupling

.. math:: \tanh K' = (\tanh K)^b

This is the one renormalisation that is exact, and the test of `decimate`. The layers of a network use block
means in its place: a block of present tokens becomes their mean, and a block without one is absent.

A block mean commutes with a symmetry of the grid only if that symmetry maps blocks to blocks: turns by 90
degrees do if the block divides both sides, cyclic shifts do if they are multiples of the block.

References
----------
Specification 4, §6.4 (renormalisation group). Kadanoff, "Scaling laws for Ising models near Tc" (1966).
Nelson and Fisher, "Soluble renormalization groups and scaling fields for low-dimensional Ising systems",
Annals of Physics 91 (1975): decimation. Dhillon, Guan and Kulis, "Weighted graph cuts without eigenvectors"
(2007): pairs of nodes by heaviest edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


@dataclass(frozen=True)
class Coupling:
    """Estimated coupling of nearest neighbours, with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Coarse:
    """Block means, and which blocks have a present member.

    Attributes
    ----------
    values : (..., blocks, width) float
        For grids (..., rows of blocks, columns of blocks, width). Absent blocks are 0.
    mask : (..., blocks) bool
    """

    values: Tensor
    mask: Tensor


def decimate(chains: ArrayLike, block: int) -> NDArray:
    """Keep the first spin of each complete block of each chain.

    Parameters
    ----------
    chains : (n, length)
    block : int
        1 to the length. Spins after the last complete block are dropped.

    Returns
    -------
    (n, length // block)

    Raises
    ------
    ValueError
        If chains are not a table, or block is not an integer from 1 to the length.
    """
    spins = np.asarray(chains)
    if spins.ndim != 2:
        raise ValueError(f"chains have shape {spins.shape}; expected (n, length)")
    length = spins.shape[1]
    _check_block(block, length)
    return spins[:, : length // block * block : block].copy()


def ising_chains(n: int, length: int, coupling: float, seed: int) -> NDArray[np.int8]:
    r"""Draw open Ising chains exactly.

    The bonds :math:`s_i s_{i+1}` are independent and 1 with probability :math:`1 / (1 + e^{-2K})`.

    Parameters
    ----------
    n, length : int
    coupling : float
        K, in units of the temperature.
    seed : int

    Returns
    -------
    (n, length) int8 of -1 and 1
    """
    generator = np.random.default_rng(seed)
    first = generator.choice([-1, 1], size=(n, 1))
    bonds = np.where(generator.random((n, length - 1)) < 1 / (1 + np.exp(-2 * coupling)), 1, -1)
    return np.cumprod(np.hstack([first, bonds]), axis=1).astype(np.int8)


def coupling(chains: ArrayLike) -> Coupling:
    r"""Estimate the coupling of open Ising chains by maximum likelihood.

    .. math:: \hat K = \operatorname{artanh} \bar b, \quad se = 1 / \sqrt{m (1 - \bar b^2)}

    with the mean :math:`\bar b` of m bonds.

    Raises
    ------
    ValueError
        If there is no bond, or all bonds are equal, so that the estimate is infinite.
    """
    spins = np.asarray(chains, dtype=np.float64)
    if spins.ndim != 2 or spins.shape[1] < 2 or not len(spins):
        raise ValueError(f"chains have shape {spins.shape}; expected (n, length) with length 2 or more")
    bonds = spins[:, 1:] * spins[:, :-1]
    mean = float(bonds.mean())
    if abs(mean) == 1:
        raise ValueError(f"all {bonds.size} bonds are equal, so the coupling is infinite; expected more rows")
    return Coupling(float(np.arctanh(mean)), float(1 / np.sqrt(bonds.size * (1 - mean**2))))


def coarse_coupling(coupling: float, block: int) -> float:
    r"""Return :math:`K' = \operatorname{artanh}((\tanh K)^b)`."""
    _check_block(block, None)
    return float(np.arctanh(np.tanh(coupling) ** block))


def coarsen_tokens(x: Tensor, block: int, mask: Tensor | None = None) -> Coarse:
    """Average blocks of neighbouring tokens.

    Parameters
    ----------
    x : (..., tokens, width) float
    block : int
        1 to the number of tokens. The last block is shorter if the block does not divide that number: it is
        the mean of the tokens that exist.
    mask : (..., tokens) bool, optional
        Present tokens; others have no influence, whatever their values. By default all.

    Returns
    -------
    Coarse
        With ``ceil(tokens / block)`` blocks.

    Raises
    ------
    ValueError
        If block is not an integer from 1 to the number of tokens.
    """
    tokens = x.shape[-2]
    _check_block(block, tokens)
    groups = torch.arange(tokens, device=x.device) // block
    return coarsen_nodes(x, groups.expand(x.shape[:-1]), -(-tokens // block), mask)


def coarsen_grid(x: Tensor, block: int, mask: Tensor | None = None) -> Coarse:
    """Average square blocks of a grid.

    Parameters
    ----------
    x : (..., height, width, channels) float
    block : int
        1 to the shorter side. Blocks at the lower and right edge are smaller if the block does not divide
        the side; such blocks do not commute with turns of the grid.
    mask : (..., height, width) bool, optional
        Present cells.

    Returns
    -------
    Coarse
        Values (..., ceil(height / block), ceil(width / block), channels), and their mask.

    Raises
    ------
    ValueError
        If block is not an integer from 1 to the shorter side.
    """
    height, width = x.shape[-3], x.shape[-2]
    _check_block(block, min(height, width))
    down, across = -(-height // block), -(-width // block)
    rows = torch.arange(height, device=x.device) // block
    columns = torch.arange(width, device=x.device) // block
    groups = (rows[:, None] * across + columns).flatten()
    flat = x.flatten(-3, -2)
    coarse = coarsen_nodes(
        flat, groups.expand(flat.shape[:-1]), down * across, None if mask is None else mask.flatten(-2)
    )
    return Coarse(coarse.values.unflatten(-2, (down, across)), coarse.mask.unflatten(-1, (down, across)))


def coarsen_nodes(x: Tensor, groups: Tensor, count: int, mask: Tensor | None = None) -> Coarse:
    """Average the nodes of each group.

    Parameters
    ----------
    x : (..., nodes, width) float
    groups : (..., nodes) int
        Group of each node, 0 to ``count - 1``; see `paired_nodes`.
    count : int
        Number of groups.
    mask : (..., nodes) bool, optional
        Present nodes; others have no influence, whatever their values. By default all.
    """
    if mask is None:
        mask = torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
    present = mask.expand(x.shape[:-1])
    # `where` and not a product: 0 times NaN is NaN, and an absent node may have any value.
    values = torch.where(present[..., None], x, torch.zeros((), dtype=x.dtype, device=x.device))
    index = groups.expand(x.shape[:-1])
    sums = x.new_zeros((*x.shape[:-2], count, x.shape[-1]))
    sums = sums.scatter_add(-2, index[..., None].expand_as(values), values)
    sizes = x.new_zeros((*x.shape[:-2], count)).scatter_add(-1, index, present.to(x.dtype))
    return Coarse(sums / sizes.clamp_min(1)[..., None], sizes > 0)


def refine(values: Tensor, groups: Tensor) -> Tensor:
    """Copy the value of each group to its nodes.

    From (..., count, width) to (..., nodes, width).
    """
    index = groups.expand((*values.shape[:-2], groups.shape[-1]))
    return values.gather(-2, index[..., None].expand((*index.shape, values.shape[-1])))


def multi_scale_tokens(x: Tensor, block: int, levels: int, mask: Tensor | None = None) -> Tensor:
    """Return each token's features beside the means of the blocks around it.

    Parameters
    ----------
    x : (..., tokens, width) float
    block : int
        Ratio of successive block sizes, so that level l has blocks of ``block ** l`` tokens.
    levels : int
        Number of coarse levels, 0 or more; the largest block is at most the number of tokens.
    mask : (..., tokens) bool, optional
        Present tokens. Features of absent ones are 0 at level 0.

    Returns
    -------
    (..., tokens, (levels + 1) * width)
    """
    tokens = x.shape[-2]
    _check_block(block, tokens)
    own = x if mask is None else torch.where(mask[..., None], x, torch.zeros_like(x))
    scales = [own]
    for level in range(1, levels + 1):
        groups = torch.arange(tokens, device=x.device) // block**level
        scales.append(refine(coarsen_tokens(x, block**level, mask).values, groups))
    return torch.cat(scales, dim=-1)


def paired_nodes(weights: ArrayLike) -> NDArray[np.int64]:
    """Group the nodes of a graph into pairs of neighbours.

    Edges are taken from the heaviest down, and an edge makes a pair if both ends are single. Nodes without
    a partner stay alone. Edges of equal weight are taken by their smaller node, then the larger: renumbering
    the nodes may change the pairs, so models that use them are not exactly symmetric under permutations
    unless all weights differ.

    Parameters
    ----------
    weights : (nodes, nodes) float
        Symmetric; above 0 where there is an edge.

    Returns
    -------
    (nodes,) int64
        Group of each node, numbered by its smallest node.
    """
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.array_equal(matrix, matrix.T):
        raise ValueError(f"weights have shape {matrix.shape}; expected a symmetric (nodes, nodes) matrix")
    left, right = np.nonzero(np.triu(matrix, 1) > 0)
    leader = np.arange(len(matrix))
    single = np.ones(len(matrix), dtype=bool)
    for edge in np.lexsort((right, left, -matrix[left, right])):
        a, b = left[edge], right[edge]
        if single[a] and single[b]:
            leader[b] = a
            single[a] = single[b] = False
    return np.unique(leader, return_inverse=True)[1].astype(np.int64)


def coarsen_weights(weights: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Sum the weights of the edges between each two groups.

    The result is (groups, groups), with a diagonal of 0.
    """
    index = np.asarray(groups)
    members = np.eye(index.max() + 1)[index]
    coarse = members.T @ np.asarray(weights, dtype=np.float64) @ members
    np.fill_diagonal(coarse, 0)
    return coarse


def _check_block(block: object, length: int | None) -> None:
    if not isinstance(block, Integral) or isinstance(block, bool):
        raise ValueError(f"block is {block!r}; expected an integer of 1 or more")
    if int(block) < 1 or (length is not None and int(block) > length):
        limit = "or more" if length is None else f"to the length {length}"
        raise ValueError(f"block is {int(block)}; expected an integer of 1 {limit}")
