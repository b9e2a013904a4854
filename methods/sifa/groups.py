"""Represent finite groups by matrices, and check that they are groups.

A set of matrices with the product is a group if

    A_i A_j is in the set,   I is in the set,   A_i^-1 is in the set,   (A_i A_j) A_k = A_i (A_j A_k).

A layer is equivariant under a set of matrices only if these hold, so that a `Group` checks all four when it
is built. Two matrices are equal here if no entry differs by more than 1e-12.

    cyclic(n)               rotations of the plane by multiples of 360/n degrees
    dihedral(n)             the same and n reflections
    signed_permutations(d)  permutations of d axes, each with either sign: 2^d d! elements
    rotations(generators)   matrix exponentials of skew-symmetric generators, and all their products
    permutations(n)         orders of the n elements of a set

References
----------
Specification 4 §4.2 as corrected. Light's test of associativity: Clifford and Preston, "The algebraic theory
of semigroups" (1961), §1.2.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group of matrices.

    Attributes
    ----------
    matrices : (g, d, d)
        Element ``i`` is ``matrices[i]``. Stored as float64.
    table : (g, g) of int
        Element ``table[i, j]`` is the product ``matrices[i] @ matrices[j]``.
    identity : int
        Number of the identity matrix.
    inverses : (g,) of int
        Number of the inverse of each element.

    Raises
    ------
    ValueError
        If the matrices have another shape or are not finite, if two of them are equal, or if they are not a
        group; the message names the elements, such as the pair whose product leaves the set.
    """

    matrices: Floats
    table: Indices = field(init=False, repr=False)
    identity: int = field(init=False)
    inverses: Indices = field(init=False, repr=False)

    def __post_init__(self) -> None:
        matrices = np.array(self.matrices, dtype=np.float64)
        if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or 0 in matrices.shape:
            raise ValueError(f"matrices of shape {matrices.shape}; expected (g, d, d), g and d at least 1")
        if not np.isfinite(matrices).all():
            raise ValueError("matrices have entries that are not finite")
        _require_distinct(matrices)
        table = _products(matrices)
        identity = _identity(matrices)
        inverses = _inverses(table, identity)
        _require_associative(table, identity)
        for array in (matrices, table, inverses):
            array.setflags(write=False)
        for name, value in (
            ("matrices", matrices),
            ("table", table),
            ("identity", identity),
            ("inverses", inverses),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.matrices)

    @property
    def degree(self) -> int:
        """Size d of the matrices."""
        return self.matrices.shape[1]

    def multiply(self, i: int, j: int) -> int:
        """Return the number of the element ``matrices[i] @ matrices[j]``."""
        return int(self.table[i, j])

    def inverse(self, i: int) -> int:
        """Return the number of the inverse of element i."""
        return int(self.inverses[i])

    def regular(self) -> Floats:
        """Return the permutation matrices of the left regular representation, (g, g, g).

        Element i maps the unit vector of j to that of ``multiply(i, j)``.
        """
        return np.eye(len(self))[self.table].transpose(0, 2, 1)


def cyclic(n: int) -> Group:
    """Return the rotations of the plane by multiples of 360/n degrees."""
    return Group(_turns(_positive("n", n)))


def dihedral(n: int) -> Group:
    """Return the rotations of `cyclic` and their products with a reflection.

    The reflection reverses the second axis.
    """
    turns = _turns(_positive("n", n))
    return Group(np.concatenate([turns, turns @ np.diag([1.0, -1.0])]))


def signed_permutations(d: int) -> Group:
    """Return the ``2^d d!`` matrices with one entry 1 or -1 in each row and column.

    It is the group of all symmetries of the d-dimensional cube. Five axes already have 3,840 elements.
    """
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=_positive("d", d))))
    return Group((signs[:, None, :, None] * _orders(d)[None]).reshape(-1, d, d))


def permutations(n: int) -> Group:
    """Return the ``n!`` permutation matrices of the n elements of a set.

    A matrix moves element j to position i where its entry (i, j) is 1.
    """
    return Group(_orders(_positive("n", n)))


def rotations(generators: ArrayLike, limit: int = 1_000) -> Group:
    """Return the group that exponentials of skew-symmetric matrices generate.

    Parameters
    ----------
    generators : (k, d, d)
        Skew-symmetric matrices: an angle in radians times a plane of rotation. A right angle about two axes
        of space generates the 24 rotations of a cube.
    limit : int
        Largest number of elements.

    Raises
    ------
    ValueError
        If a generator is not skew-symmetric to 1e-12, or the products are more than `limit`, as they are if
        an angle is not a rational part of a turn.
    """
    skew = np.asarray(generators, dtype=np.float64)
    if skew.ndim != 3 or skew.shape[1] != skew.shape[2]:
        raise ValueError(f"generators of shape {skew.shape}; expected (k, d, d)")
    for index, generator in enumerate(skew):
        if np.abs(generator + generator.T).max() > TOLERANCE:
            raise ValueError(f"generator {index} is not skew-symmetric, so its exponential is no rotation")
    return generated(np.stack([expm(generator) for generator in skew]), limit)


def generated(matrices: ArrayLike, limit: int = 1_000) -> Group:
    """Return the smallest group that has the given matrices.

    Parameters
    ----------
    matrices : (k, d, d)
        Invertible, and some power of each is the identity matrix.
    limit : int
        Largest number of elements.

    Raises
    ------
    ValueError
        If it has more than `limit` elements.
    """
    generators = np.asarray(matrices, dtype=np.float64)
    elements = [np.eye(generators.shape[-1])]
    for element in elements:  # grows while it is read: each element is multiplied by each generator once
        for generator in generators:
            product = generator @ element
            if np.abs(np.stack(elements) - product).max(axis=(1, 2)).min() > 1e3 * TOLERANCE:
                elements.append(product)
        if len(elements) > limit:
            raise ValueError(f"the products are more than limit = {limit} elements; is the group finite?")
    return Group(_exact(np.stack(elements)))


def _turns(n: int) -> Floats:
    angle = 2 * math.pi * np.arange(n) / n
    cos, sin = np.cos(angle), np.sin(angle)
    return _exact(np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2))


def _orders(n: int) -> Floats:
    return np.eye(n)[:, list(itertools.permutations(range(n)))].transpose(1, 0, 2)


def _exact(matrices: Floats) -> Floats:
    """Round entries within 1e-14 of a whole number: right angles become exact."""
    whole = np.round(matrices) + 0.0  # no negative zero
    return np.where(np.abs(matrices - whole) < 1e-14, whole, matrices)


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} = {value}; expected at least 1")
    return value


def _require_distinct(matrices: Floats) -> None:
    flat = matrices.reshape(len(matrices), -1)
    pairs = cKDTree(flat).query_pairs(TOLERANCE, p=np.inf)
    if pairs:
        i, j = min(pairs)
        raise ValueError(f"elements {i} and {j} are the same matrix; expected each element once")


def _products(matrices: Floats) -> Indices:
    """Return the number of each product; raise if a product is not in the set.

    A random linear form of the products finds the candidates, which are then compared entry by entry, so
    that g^2 products are searched in ``O(g^2 log g)``.
    """
    size, degree = matrices.shape[:2]
    flat = matrices.reshape(size, -1)
    form = np.random.default_rng(0).standard_normal((degree, degree))
    values = flat @ form.ravel()
    order = np.argsort(values)
    middles = (values[order][1:] + values[order][:-1]) / 2
    table = np.empty((size, size), dtype=np.int64)
    for i, matrix in enumerate(matrices):
        products = (matrix @ matrices).reshape(size, -1)
        nearest = order[np.searchsorted(middles, products @ form.ravel())]
        for j in np.flatnonzero(_distances(flat[nearest], products) > TOLERANCE):
            distances = _distances(flat, products[j])  # two elements may have nearly the same form
            nearest[j] = distances.argmin()
            if not distances[nearest[j]] <= TOLERANCE:
                raise ValueError(
                    f"not closed: the product of elements {i} and {j} is not in the set (its nearest element,"
                    f" {nearest[j]}, differs by {distances[nearest[j]]:.3g})"
                )
        table[i] = nearest
    return table


def _distances(a: Floats, b: Floats) -> Floats:
    return np.abs(a - b).max(axis=-1)


def _identity(matrices: Floats) -> int:
    distances = _distances(matrices.reshape(len(matrices), -1), np.eye(matrices.shape[1]).ravel())
    if distances.min() > TOLERANCE:
        raise ValueError("no identity: no element is the identity matrix")
    return int(distances.argmin())


def _inverses(table: Indices, identity: int) -> Indices:
    is_identity = np.equal(table, identity) & np.equal(table.T, identity)
    without = np.flatnonzero(~is_identity.any(axis=1))
    if len(without):
        raise ValueError(f"no inverse: no element times element {without[0]} is the identity matrix")
    return is_identity.argmax(axis=1)


def _require_associative(table: Indices, identity: int) -> None:
    """Test ``(x a) y = x (a y)`` for elements a that generate the group.

    This is Light's test. Matrix products are associative, but equality up to a tolerance need not be.
    """
    reached = np.zeros(len(table), dtype=bool)
    reached[identity] = True
    chosen: list[int] = []
    while not reached.all():
        chosen.append(int(np.flatnonzero(~reached)[0]))
        while True:
            products = table[np.flatnonzero(reached)][:, chosen]
            if reached[products].all():
                break
            reached[products] = True
    for a in chosen:
        wrong = np.argwhere(table[table[:, a]] != table[:, table[a]])
        if len(wrong):
            x, y = wrong[0]
            raise ValueError(f"not associative: elements {x}, {a} and {y}")
