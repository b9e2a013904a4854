"""Compare sets of tokens by attention between all pairs.

    k(A, B) = sum over a in A, b in B of one kind  of  exp(-|x_a - x_b|^2 / (2 l^2))

This is the invariant kernel of the group of permutations within each kind: averaging a kernel of ordered
tokens, ``sum_i exp(...)`` of equal places, over the permutations of both sets gives it up to a factor. As
attention it has the stored tokens as keys, one coefficient a molecule as value, and no softmax: a sum over
tokens has to grow with the molecule as an energy does.

`aligned` is the kernel of the trivial group: token i of A meets token i of B only.

References
----------
Haasdonk and Burkhardt (2007), Invariant kernel functions for pattern analysis, Machine Learning 68; Bartok
and Csanyi (2015), Gaussian approximation potentials, Int. J. Quantum Chemistry 115, for sums over atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 1_000
"""Tokens whose distances to all stored tokens are in memory at once."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of several sets in one list, ordered by set.

    Attributes
    ----------
    owner : (tokens,) int array
        Number of the set of each token, ascending.
    kind : (tokens,) int array
        Only tokens of one kind are compared.
    features : (tokens, width) float array
    sets : int
        Number of sets, also those without tokens.
    """

    owner: Ints
    kind: Ints
    features: Floats
    sets: int


@dataclass(frozen=True)
class Projection:
    """Principal axes of each kind of tokens, in units of the features' spread.

    The axes keep distances and shorten the products: with `width` axes nothing that matters is lost where the
    spectrum falls fast.
    """

    axes: dict[int, Floats]
    centres: dict[int, Floats]
    unit: float

    def __call__(self, tokens: Tokens) -> Tokens:
        """Project tokens; those of a kind that was not fitted are at the origin."""
        width = max(axes.shape[1] for axes in self.axes.values())
        features = np.zeros((len(tokens.owner), width))
        for kind, axes in self.axes.items():
            rows = tokens.kind == kind
            features[rows, : axes.shape[1]] = (tokens.features[rows] - self.centres[kind]) @ axes / self.unit
        return Tokens(tokens.owner, tokens.kind, features, tokens.sets)


def project(tokens: Tokens, width: int) -> Projection:
    """Fit the principal axes of each kind of tokens.

    Parameters
    ----------
    tokens : Tokens
    width : int
        Maximum number of axes of a kind.
    """
    axes, centres, squares = {}, {}, 0.0
    for kind in np.unique(tokens.kind).tolist():
        features = tokens.features[tokens.kind == kind]
        centres[kind] = features.mean(0)
        centred = features - centres[kind]
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes[kind] = vectors[:, ::-1][:, :width]
        squares += float(values.clip(0).sum())
    return Projection(axes, centres, max(np.sqrt(squares / len(tokens.owner)), 1e-12))


def local_kernels(a: Tokens, b: Tokens, length: float, halvings: int = 0) -> Floats:
    """Return the kernels of the sets of `a` with those of `b`.

    Parameters
    ----------
    a, b : Tokens
    length : float
        Longest length scale, greater than 0, in units of the features.
    halvings : int
        Number of further lengths, each half the one before: ``exp(-d / (2 (l / 2)^2))`` is the fourth power
        of ``exp(-d / (2 l^2))``, so one exponential is computed for all.

    Returns
    -------
    (halvings + 1, a.sets, b.sets) float array

    Raises
    ------
    ValueError
        If the length is not positive.
    """
    if length <= 0:
        raise ValueError(f"length is {length}; expected a number greater than 0")
    kernels = np.zeros((halvings + 1, a.sets, b.sets))
    for kind in np.intersect1d(a.kind, b.kind):
        rows, stored = np.flatnonzero(a.kind == kind), np.flatnonzero(b.kind == kind)
        for k in range(0, len(rows), BLOCK):
            block = rows[k : k + BLOCK]
            if a is b:
                stored = rows[b.owner[rows] >= b.owner[block[0]]]
            queries, keys = a.features[block], b.features[stored]
            starts, owners = _runs(b.owner[stored])
            distances = np.square(queries).sum(1)[:, None] + np.square(keys).sum(1) - 2 * queries @ keys.T
            np.maximum(distances, 0, out=distances)
            distances *= -1 / (2 * length**2)
            weights = np.exp(distances, out=distances)
            starts_a, owners_a = _runs(a.owner[block])
            for level in range(halvings + 1):
                if level:
                    weights **= 2
                    weights **= 2
                sums = np.add.reduceat(np.add.reduceat(weights, starts_a, 0), starts, 1)
                kernels[level][np.ix_(owners_a, owners)] += sums
    if a is b:
        # Only pairs of a set with itself and with later ones are complete above: the rest is their mirror.
        kernels = np.triu(kernels) + np.triu(kernels, 1).transpose(0, 2, 1)
    return kernels


def aligned(a: Tokens, b: Tokens, length: float, halvings: int = 0) -> Floats:
    """Return the kernels of the trivial group: equal places meet.

    They are sums over equal places of tokens of one kind. Parameters and the result are those
    of `local_kernels`; the place of a token is its number within its set.
    """
    kernels = np.zeros((halvings + 1, a.sets, b.sets))
    place_a, place_b = _places(a), _places(b)
    for place in range(min(place_a.max(), place_b.max()) + 1):
        kernels += local_kernels(_at(a, place_a == place), _at(b, place_b == place), length, halvings)
    return kernels


def _runs(owner: Ints) -> tuple[Ints, Ints]:
    """Return where each run of equal numbers starts, and its number."""
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    return starts, owner[starts]


def _places(tokens: Tokens) -> Ints:
    starts, owners = _runs(tokens.owner)
    first = np.zeros(tokens.sets, dtype=np.int64)
    first[owners] = starts
    return np.arange(len(tokens.owner)) - first[tokens.owner]


def _at(tokens: Tokens, rows: NDArray[np.bool_]) -> Tokens:
    return Tokens(tokens.owner[rows], tokens.kind[rows], tokens.features[rows], tokens.sets)
