"""Describe a molecule by counts, sums and shape of its graph.

    polar surface = sum over N and O of an area by type      (Ertl, Rohde and Selzer 2000)
    flexibility, branching, rings, donors and acceptors of hydrogen bonds, log P, refractivity
    distinct = classes of atoms with equal environments / atoms: low in a symmetric molecule, which melts late

Every descriptor is a sum over atoms, bonds or classes, hence the same for each numbering of the atoms.

References
----------
Ertl, Rohde and Selzer (2000), J. Med. Chem. 43, table 1; Delaney (2004), J. Chem. Inf. Comput. Sci. 44, and
Yalkowsky and Valvani (1980), J. Pharm. Sci. 69, for what solubility depends on; Hall and Kier (1991) for the
indices of connectivity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, shortest_path

from methods.sifa.graph_environments import (
    AROMATIC,
    CHARGE,
    ELEMENTS,
    HYBRIDISATION,
    HYDROGENS,
    NUMBER,
    RING,
    Floats,
    Graphs,
    Ints,
    environments,
)
from methods.sifa.lipophilicity import contributions

Mask = NDArray[np.bool_]

MASSES = {
    6: 12.011, 7: 14.007, 8: 15.999, 9: 18.998, 15: 30.974, 16: 32.06, 17: 35.45, 35: 79.904, 53: 126.904,
}  # fmt: skip
HYDROGEN = 1.008
NAMES = (
    "log P", "refractivity", "mass", "atoms", "hydrogens", "polar surface", "rings", "aromatic atoms",
    "aromatic share", "fused atoms", "rotatable bonds", "donors", "acceptors", "sp3 share", "chain carbons",
    "charge", "distinct", "diameter", "mean path", "connectivity", "valence connectivity", "branches",
    "hydroxyl, chain", "hydroxyl, ring", "acid", "ester", "amide", "ketone", "ether", "amine, primary",
    "amine, other", "nitro", "nitrile", "urea", "aromatic nitrogen", "aromatic NH", "sulphonyl", "thioether",
    "triple bonds", "double bonds", "chloro, ring", "close donors", "hydrogen bond pairs",
    *(f"element {number}" for number in ELEMENTS),
)  # fmt: skip


def descriptors(given: Graphs) -> Floats:
    """Return the descriptors of each molecule, in the order of `NAMES`.

    Parameters
    ----------
    given : Graphs

    Returns
    -------
    (molecules, 52) float array
    """
    atom = _Facts(given)
    shape = _shapes(given)
    parts = contributions(given)
    size = np.maximum(atom.total(np.ones(len(given.owner))), 1)
    columns = [
        atom.total(parts[:, 0]), atom.total(parts[:, 1]), atom.total(atom.masses()), size,
        atom.total(atom.hydrogens), atom.total(_polar_areas(atom)), shape[:, 0], atom.total(atom.aromatic),
        atom.total(atom.aromatic) / size, atom.total(atom.ring & (atom.ring_bonds >= 3)), _rotatable(atom),
        atom.total(atom.polar & (atom.hydrogens > 0)), atom.total(atom.polar & ~atom.amide_nitrogen()),
        atom.total(atom.sp3) / size, atom.total(atom.carbon & ~atom.ring & atom.sp3),
        atom.total(np.abs(atom.charge)), *shape[:, 1:].T, *(atom.total(mask) for mask in _groups(atom)),
        *_hydrogen_bonds(atom), *(atom.total(atom.number == number) for number in ELEMENTS),
    ]  # fmt: skip
    return np.stack(columns, 1).astype(float)


class _Facts:
    """Columns of the facts of atoms, and what their neighbours are."""

    def __init__(self, given: Graphs) -> None:
        facts, self.given = given.facts, given
        self.number, self.charge, self.hydrogens = facts[:, NUMBER], facts[:, CHARGE], facts[:, HYDROGENS]
        self.aromatic, self.ring = facts[:, AROMATIC] == 1, facts[:, RING] == 1
        self.sp3 = facts[:, HYBRIDISATION] == 4
        self.carbon = self.number == 6
        self.polar = (self.number == 7) | (self.number == 8)
        self.heavy = self.near(np.ones(len(facts), dtype=bool))
        self.ring_bonds = self.bonds(given.bond[:, 1] == 1)
        self.doubles = self.bonds(given.bond[:, 0] == 2)
        self.triples = self.bonds(given.bond[:, 0] == 3)
        oxo = (self.number == 8) & (self.doubles == 1)
        self.carbonyl = self.carbon & (self.near(oxo) > 0)
        self.oxo = oxo

    def bonds(self, chosen: Mask) -> Floats:
        """Return how many chosen bonds each atom has."""
        return np.asarray(np.bincount(self.given.source[chosen], minlength=len(self.number)), np.float64)

    def near(self, mask: Mask) -> Floats:
        """Return how many neighbours of each atom are in the mask."""
        return self.bonds(mask[self.given.target])

    def total(self, values: Floats | Ints | Mask) -> Floats:
        """Return the sum over the atoms of each molecule."""
        sums = np.bincount(self.given.owner, values.astype(float), self.given.molecules)
        return np.asarray(sums, np.float64)

    def masses(self) -> Floats:
        """Return the mass of each atom with its hydrogens."""
        heavy = np.array([MASSES[number] for number in self.number.tolist()])
        return heavy + HYDROGEN * self.hydrogens

    def amide_nitrogen(self) -> Mask:
        """Return the nitrogens bound to a carbonyl carbon."""
        return (self.number == 7) & ~self.aromatic & (self.near(self.carbonyl) > 0)


def _polar_areas(atom: _Facts) -> Floats:
    """Return the surface of each polar atom in square angstrom."""
    n, o, h = atom.number == 7, atom.number == 8, atom.hydrogens
    multiple = atom.doubles + atom.triples
    cases = [
        (n & atom.aromatic & (h > 0), 15.79), (n & atom.aromatic & (atom.heavy == 3), 4.93),
        (n & atom.aromatic, 12.89), (n & (atom.charge > 0) & (multiple > 0), 11.68),
        (n & (atom.triples > 0), 23.79), (n & (atom.doubles > 0) & (h > 0), 23.85),
        (n & (atom.doubles > 0), 12.36), (n & (h >= 2), 26.02), (n & (h == 1), 12.03), (n, 3.24),
        (o & atom.aromatic, 13.14), (o & (atom.charge < 0), 23.06), (o & (atom.doubles > 0), 17.07),
        (o & (h > 0), 20.23), (o, 9.23),
    ]  # fmt: skip
    return np.select([case for case, _ in cases], [area for _, area in cases], 0.0)


def _rotatable(atom: _Facts) -> Floats:
    """Return the single bonds outside rings whose ends both go on, no amides."""
    given = atom.given
    goes_on = (atom.heavy >= 2) & (atom.triples == 0)
    amide = atom.carbonyl[given.source] & atom.amide_nitrogen()[given.target]
    amide |= atom.carbonyl[given.target] & atom.amide_nitrogen()[given.source]
    chosen = (given.bond[:, 0] == 1) & (given.bond[:, 1] == 0) & ~amide
    chosen &= goes_on[given.source] & goes_on[given.target]
    return atom.total(atom.bonds(chosen)) / 2


def _groups(atom: _Facts) -> list[Mask]:
    n, o, s = atom.number == 7, atom.number == 8, atom.number == 16
    hydroxyl = o & (atom.hydrogens > 0)
    single = o & (atom.heavy == 2) & ~atom.aromatic
    at_ring = atom.near(atom.aromatic) > 0
    acid = atom.carbonyl & (atom.near(hydroxyl) > 0)
    ester = atom.carbonyl & (atom.near(single) > 0)
    amides = atom.near(n & ~atom.aromatic)
    amine = n & ~atom.aromatic & (atom.heavy == atom.bonds(atom.given.bond[:, 0] == 1)) & (atom.charge == 0)
    amine &= ~atom.amide_nitrogen()
    nitro = n & (atom.near(o) >= 2)
    return [
        hydroxyl & ~at_ring & (atom.near(atom.carbonyl) == 0), hydroxyl & at_ring, acid, ester,
        atom.carbonyl & (amides == 1),
        atom.carbonyl & (atom.near(atom.carbon) >= 1) & (amides == 0) & ~acid & ~ester,
        single & (atom.near(atom.carbonyl) == 0), amine & (atom.hydrogens >= 2),
        amine & (atom.hydrogens < 2), nitro,
        n & (atom.triples > 0), atom.carbonyl & (amides >= 2), n & atom.aromatic & (atom.hydrogens == 0),
        n & atom.aromatic & (atom.hydrogens > 0), s & (atom.near(atom.oxo) >= 2),
        s & (atom.heavy == 2) & ~atom.aromatic,
        atom.carbon & (atom.triples > 0), atom.carbon & (atom.doubles > 0) & ~atom.carbonyl,
        (atom.number == 17) & at_ring,
    ]  # fmt: skip


def _hydrogen_bonds(atom: _Facts) -> list[Floats]:
    """Return the donors near an acceptor, and the pairs of both."""
    donor = atom.polar & (atom.hydrogens > 0)
    two_away = atom.near(atom.near(atom.polar) > 1) > 0
    donors, acceptors = atom.total(donor), atom.total(atom.polar)
    return [atom.total(donor & two_away), np.minimum(donors, acceptors - donors)]


def _shapes(given: Graphs) -> Floats:
    """Return rings, distinct, diameter, mean path, connectivities, branches."""
    features = environments(given, 3).features
    # One irrational combination marks a class: equal atoms have equal sums up to rounding.
    marks = (features @ np.sqrt(np.arange(2.0, features.shape[1] + 2))).round(6)
    heavy = np.bincount(given.source, minlength=len(given.owner)).astype(float)
    orders = np.array([0.0, 1.0, 2.0, 3.0, 1.5])[given.bond[:, 0]]
    valence = np.maximum(np.bincount(given.source, orders, len(given.owner)), 1)
    shapes = np.zeros((given.molecules, 7))
    owner_of_bond = given.owner[given.source]
    for m in range(given.molecules):
        atoms = np.flatnonzero(given.owner == m)
        if len(atoms) == 0:
            continue
        bonds = owner_of_bond == m
        i, j = given.source[bonds] - atoms[0], given.target[bonds] - atoms[0]
        matrix = coo_matrix((np.ones(len(i)), (i, j)), shape=(len(atoms), len(atoms))).tocsr()
        pieces = connected_components(matrix, directed=False)[0]
        paths = shortest_path(matrix, unweighted=True)
        finite = paths[np.isfinite(paths) & (paths > 0)]
        d, v = heavy[atoms], valence[atoms]
        shapes[m] = (
            len(i) / 2 - len(atoms) + pieces,
            len(np.unique(marks[atoms])) / len(atoms),
            finite.max() if len(finite) else 0,
            finite.mean() if len(finite) else 0,
            (1 / np.sqrt(d[i] * d[j])).sum() / 2,
            (1 / np.sqrt(v[i] * v[j])).sum() / 2,
            (d >= 3).sum(),
        )
    return shapes
