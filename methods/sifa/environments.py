"""Describe each atom of a molecule by invariants of rotation and reflection.

    pairs:    G_i(e, s)     = sum over j of element e        of  r^-1.8 f(r) lognormal(R_s; r)
    triples:  H_i(e, e', s) = sum over j < k of elements e e' of  T f f gauss(R_s; r) (cos a, sin a)
    T(i, j, k) = (1 + 3 cos a cos b cos c) / (r_ij r_ik r_jk)^0.57,     a the angle at i

The sums run over all neighbours, so the order of the atoms does not matter either: the description is exactly
invariant under the Euclidean group and under permutations of equal atoms. `directed` gives the counterpart
that is not averaged over rotations: the same radial functions times the direction of the neighbour in the
frame that the coordinates are given in.

References
----------
Behler (2011), Atom-centered symmetry functions, J. Chem. Phys. 134; Christensen, Bratholm, Faber and von
Lilienfeld (2020), FCHL revisited, J. Chem. Phys. 152, for the functions and their constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.sifa.local_kernel import Tokens

Floats = NDArray[np.float64]

ELEMENTS = (1, 6, 7, 8, 16)
CUTOFF = 8.0
PAIR_RADII = 24
PAIR_WIDTH = 0.32
PAIR_DECAY = 1.8
TRIPLE_RADII = 20
TRIPLE_WIDTH = 2.7
TRIPLE_DECAY = 0.57
TRIPLE_WEIGHT = 13.4
CHUNK = 64


def environments(molecules: Floats, *, elements: tuple[int, ...] = ELEMENTS) -> Tokens:
    """Return the invariant description of each atom.

    Parameters
    ----------
    molecules : (n, places, 4) float array
        Atomic number and position in angstrom of each atom; the atomic number of an empty place is 0.
    elements : tuple of int
        The atomic numbers that occur.

    Returns
    -------
    Tokens
        Of width ``24 e + 40 e (e + 1) / 2`` for ``e`` elements.

    Raises
    ------
    ValueError
        If a molecule has another element, or two of its atoms are in one position.
    """
    return _describe(molecules, elements, _invariant)


def directed(molecules: Floats, *, elements: tuple[int, ...] = ELEMENTS) -> Tokens:
    """Return a description of each atom in the frame of its coordinates.

    Parameters and errors are those of `environments`; the width is ``4 * 24 e``: each radial function alone
    and times the three components of the direction of the neighbour.
    """
    return _describe(molecules, elements, _directed)


def _describe(
    molecules: Floats, elements: tuple[int, ...], describe: Callable[[Tensor, Tensor, int], Tensor]
) -> Tokens:
    molecules = np.asarray(molecules, dtype=float)
    z = molecules[..., 0].round().astype(np.int64)
    strange = sorted(set(np.unique(z).tolist()) - {0, *elements})
    if strange:
        raise ValueError(f"atomic numbers {strange} occur; expected only {list(elements)}")
    kind = np.full(max(*elements) + 1, -1)
    kind[list(elements)] = range(len(elements))
    parts = [
        describe(
            torch.as_tensor(kind[z[k : k + CHUNK]]),
            torch.as_tensor(molecules[k : k + CHUNK, :, 1:]),
            len(elements),
        )
        for k in range(0, len(molecules), CHUNK)
    ]
    molecule, _ = np.nonzero(z)
    return Tokens(molecule, z[z > 0], torch.cat(parts).numpy(), len(molecules))


class _Neighbours:
    """Pairs of atoms of a chunk of molecules; atoms are counted through it."""

    def __init__(self, kind: Tensor, position: Tensor) -> None:
        present = kind >= 0
        self.count = int(present.sum())
        number = torch.full(kind.shape, -1)
        number[present] = torch.arange(self.count)
        away = position[:, None, :, :] - position[:, :, None, :]
        self.distances = away.square().sum(-1).sqrt()
        other = ~torch.eye(kind.shape[1], dtype=torch.bool)
        self.paired = present[:, :, None] & present[:, None, :] & other
        if bool((self.distances[self.paired] < 1e-6).any()):
            raise ValueError("two atoms of a molecule have one position; expected distinct positions")
        self.near = self.paired & (self.distances < CUTOFF)
        self.number, self.kind, self.away = number, kind, away


def _fall(r: Tensor) -> Tensor:
    return 0.5 * (torch.cos(math.pi * r / CUTOFF) + 1)


def _radial(r: Tensor) -> Tensor:
    """Return the log-normal radial functions of distances, (pairs, radii)."""
    radii = torch.arange(1, PAIR_RADII + 1, dtype=r.dtype) * (CUTOFF / PAIR_RADII)
    spread = torch.log1p(PAIR_WIDTH / r.square())[:, None]
    centre = (torch.log(r) - 0.5 * spread[:, 0])[:, None]
    bell = torch.exp(-(torch.log(radii) - centre).square() / (2 * spread))
    bell = bell / (radii * torch.sqrt(2 * math.pi * spread))
    return bell * (_fall(r) * r**-PAIR_DECAY)[:, None]


def _pairs(near: _Neighbours, kinds: int) -> tuple[Tensor, Tensor, Tensor]:
    m, i, j = torch.nonzero(near.near, as_tuple=True)
    cell = near.number[m, i] * kinds + near.kind[m, j]
    r = near.distances[m, i, j]
    return cell, _radial(r), near.away[m, i, j] / r[:, None]


def _invariant(kind: Tensor, position: Tensor, kinds: int) -> Tensor:
    near = _Neighbours(kind, position)
    cell, radial, _ = _pairs(near, kinds)
    pairs = torch.zeros(near.count * kinds, PAIR_RADII, dtype=radial.dtype).index_add_(0, cell, radial)
    return torch.cat([pairs.reshape(near.count, -1), _triples(near, kinds)], 1)


def _directed(kind: Tensor, position: Tensor, kinds: int) -> Tensor:
    near = _Neighbours(kind, position)
    cell, radial, direction = _pairs(near, kinds)
    turned = torch.cat([radial, *(radial * direction[:, [axis]] for axis in range(3))], 1)
    sums = torch.zeros(near.count * kinds, turned.shape[1], dtype=radial.dtype).index_add_(0, cell, turned)
    return sums.reshape(near.count, -1)


def _triples(near: _Neighbours, kinds: int) -> Tensor:
    both = near.near[:, :, :, None] & near.near[:, :, None, :]
    both &= torch.ones(both.shape[-2:], dtype=torch.bool).triu(1)
    m, i, j, k = torch.nonzero(both, as_tuple=True)
    ij, ik, jk = near.distances[m, i, j], near.distances[m, i, k], near.distances[m, j, k]
    at_i, at_j, at_k = _cosine(ij, ik, jk), _cosine(ij, jk, ik), _cosine(ik, jk, ij)
    size = TRIPLE_WEIGHT * (1 + 3 * at_i * at_j * at_k) / (ij * ik * jk) ** TRIPLE_DECAY
    size = size * _fall(ij) * _fall(ik)
    radii = torch.arange(1, TRIPLE_RADII + 1, dtype=ij.dtype) * (CUTOFF / TRIPLE_RADII)
    bell = torch.exp(-TRIPLE_WIDTH * ((ij + ik)[:, None] / 2 - radii).square())
    damped = 2 * math.exp(-(math.pi**2) / 2)
    first = bell * (damped * size * at_i)[:, None]
    second = bell * (damped * size * torch.sqrt((1 - at_i.square()).clamp(min=0)))[:, None]
    pair = _pair_numbers(kinds)[near.kind[m, j], near.kind[m, k]]
    kinds_of_pairs = kinds * (kinds + 1) // 2
    cell = near.number[m, i] * kinds_of_pairs + pair
    sums = torch.zeros(near.count * kinds_of_pairs, 2 * TRIPLE_RADII, dtype=ij.dtype)
    return sums.index_add_(0, cell, torch.cat([first, second], 1)).reshape(near.count, -1)


def _cosine(a: Tensor, b: Tensor, opposite: Tensor) -> Tensor:
    return ((a.square() + b.square() - opposite.square()) / (2 * a * b)).clamp(-1, 1)


def _pair_numbers(kinds: int) -> Tensor:
    table = torch.zeros(kinds, kinds, dtype=torch.long)
    for number, (a, b) in enumerate(combinations_with_replacement(range(kinds), 2)):
        table[a, b] = table[b, a] = number
    return table
