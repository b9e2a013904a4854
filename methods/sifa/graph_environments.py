"""Describe the atoms of a molecular graph whatever their order.

    h_i^0     = one-hot element, neighbours, charge, hydrogens, aromatic, in ring, hybridisation
    h_i^(r+1) = sum over neighbours j, apart for each type of bond, of h_j^r          (r + 1 bonds away)
    x_i^r     = (h_i^0, ..., h_i^r), the environment of atom i out to r bonds

The sums do not change when the atoms are numbered differently.

References
----------
Morgan (1965) and Rogers and Hahn (2010), Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, for
growing circles; Ertl, Rohde and Selzer (2000), J. Med. Chem. 43, for the polar surface of the elements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from methods.sifa.local_kernel import Tokens

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ELEMENTS = (6, 7, 8, 9, 15, 16, 17, 35, 53)
FACTS = 7
"""Facts of an atom: number, neighbours with hydrogen, charge, hydrogens, aromatic, in ring, hybridisation."""
NUMBER, NEIGHBOURS, CHARGE, HYDROGENS, AROMATIC, RING, HYBRIDISATION = range(FACTS)


@dataclass(frozen=True)
class Graphs:
    """Atoms and bonds of several molecules, atoms counted through all of them.

    Attributes
    ----------
    owner : (atoms,) int array
    facts : (atoms, 7) int array
    source, target : (2 bonds,) int array
        Each bond in both directions.
    bond : (2 bonds, 3) int array
        Type 1, 2, 3 or 4 for aromatic; in a ring; conjugated.
    molecules : int
    """

    owner: Ints
    facts: Ints
    source: Ints
    target: Ints
    bond: Ints
    molecules: int


def graphs(x: Floats) -> Graphs:
    """Read molecules from the layout of the pipeline.

    Parameters
    ----------
    x : (n, places, 7 + places) array
        Facts of each atom, then the code of its bond with each atom: 0 for none, else type of 1 to 4, plus 4
        in a ring, plus 8 if conjugated. Empty places are zero.

    Raises
    ------
    ValueError
        If an element is not known, or a bond is in one direction only.
    """
    values = np.asarray(x).round().astype(np.int64)
    atoms, codes = values[..., :FACTS], values[..., FACTS:]
    strange = sorted(set(np.unique(atoms[..., NUMBER]).tolist()) - {0, *ELEMENTS})
    if strange:
        raise ValueError(f"atomic numbers {strange} occur; expected only {list(ELEMENTS)}")
    if not np.array_equal(codes, codes.transpose(0, 2, 1)):
        raise ValueError("a bond has one direction only; expected the same code for (i, j) and (j, i)")
    owner, place = np.nonzero(atoms[..., NUMBER])
    number = np.full(atoms.shape[:2], -1)
    number[owner, place] = np.arange(len(owner))
    m, i, j = np.nonzero(codes)
    code = codes[m, i, j] - 1
    bond = np.stack([code % 4 + 1, code // 4 % 2, code // 8], 1)
    return Graphs(owner, atoms[owner, place], number[m, i], number[m, j], bond, len(values))


def first_facts(given: Graphs) -> Floats:
    """Return the one-hot facts of each atom, (atoms, 30)."""
    facts = given.facts
    columns = [facts[:, NUMBER] == element for element in ELEMENTS]
    columns += [_heavy(given) == count for count in range(5)]
    columns += [facts[:, CHARGE] == charge for charge in (-1, 1)]
    columns += [facts[:, HYDROGENS] == count for count in range(5)]
    columns += [facts[:, AROMATIC] == 1, facts[:, RING] == 1]
    columns += [facts[:, HYBRIDISATION] == kind for kind in (2, 3, 4)]
    columns += [_bonds(given, 2) == count for count in (1, 2)] + [_bonds(given, 3) == 1]
    return np.stack(columns, 1).astype(float)


def environments(given: Graphs, radius: int) -> Tokens:
    """Return the description of each atom out to `radius` bonds; kind: element."""
    h = first_facts(given)
    layers, weight = [h], 1.0
    for _ in range(radius):
        # Half the weight a bond further: the far part of a circle is wide and would dominate the distance.
        weight *= 0.5
        sums = [_neighbour_sums(given, h, given.bond[:, 0] == kind) for kind in (1, 2, 3, 4)]
        layers.append(weight * np.concatenate(sums, 1))
        h = _neighbour_sums(given, h, np.ones(len(given.bond), dtype=bool))
    return Tokens(given.owner, given.facts[:, NUMBER], np.concatenate(layers, 1), given.molecules)


def _neighbour_sums(given: Graphs, h: Floats, chosen: NDArray[np.bool_]) -> Floats:
    sums = np.zeros_like(h)
    np.add.at(sums, given.source[chosen], h[given.target[chosen]])
    return sums


def _heavy(given: Graphs) -> Ints:
    return np.bincount(given.source, minlength=len(given.owner))


def _bonds(given: Graphs, kind: int) -> Ints:
    return np.bincount(given.source[given.bond[:, 0] == kind], minlength=len(given.owner))
