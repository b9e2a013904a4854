"""Estimate partition coefficient and refractivity from the atoms.

    log P = sum over atoms of a contribution by type,     refractivity likewise

Types and contributions are those of Wildman and Crippen (1999), Prediction of physicochemical parameters by
atomic contributions, J. Chem. Inf. Comput. Sci. 39, table 1; the types of metals, which no molecule here has,
are left out. The contributions were fitted to partition coefficients by their authors, never to solubilities:
they are knowledge from outside, like an atomic mass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.sifa.graph_environments import (
    AROMATIC,
    CHARGE,
    HYBRIDISATION,
    HYDROGENS,
    NUMBER,
    Floats,
    Graphs,
)

TYPES: dict[str, tuple[float, float]] = {
    "C1": (0.1441, 2.503), "C2": (0.0, 2.433), "C3": (-0.2035, 2.753), "C4": (-0.2051, 2.731),
    "C5": (-0.2783, 5.007), "C6": (0.1551, 3.513), "C7": (0.0017, 3.888), "C8": (0.08452, 2.464),
    "C9": (-0.1444, 2.412), "C10": (-0.0516, 2.488), "C11": (0.1193, 2.582), "C12": (-0.0967, 2.576),
    "C13": (-0.5443, 4.041), "C14": (0.0, 3.257), "C15": (0.245, 3.564), "C16": (0.198, 3.18),
    "C17": (0.0, 3.104), "C18": (0.1581, 3.35), "C19": (0.2955, 4.346), "C20": (0.2713, 3.904),
    "C21": (0.136, 3.509), "C22": (0.4619, 4.067), "C23": (0.5437, 3.853), "C24": (0.1893, 2.673),
    "C25": (-0.8186, 3.135), "C26": (0.264, 4.305), "C27": (0.2148, 2.693),
    "H1": (0.123, 1.057), "H2": (-0.2677, 1.395), "H3": (0.2142, 0.9627), "H4": (0.298, 1.805),
    "N1": (-1.019, 2.262), "N2": (-0.7096, 2.173), "N3": (-1.027, 2.827), "N4": (-0.5188, 3.0),
    "N5": (0.08387, 1.757), "N6": (0.1836, 2.428), "N7": (-0.3187, 1.839), "N8": (-0.4458, 2.819),
    "N9": (0.01508, 1.725), "N10": (-1.95, 0.0), "N11": (-0.3239, 2.202), "N12": (-1.119, 0.0),
    "N13": (-0.3396, 0.2604), "N14": (0.2887, 3.359), "NS": (-0.4806, 2.134),
    "O1": (0.1552, 1.08), "O2": (-0.2893, 0.8238), "O3": (-0.0684, 1.085), "O4": (-0.4195, 1.182),
    "O5": (0.0335, 3.367), "O6": (-0.3339, 0.7774), "O7": (-1.189, 0.0), "O8": (0.1788, 3.135),
    "O9": (-0.1526, 0.0), "O10": (0.1129, 0.2215), "O11": (0.4833, 0.389), "O12": (-1.326, 0.0),
    "OS": (-0.1188, 0.6865),
    "F": (0.4202, 1.108), "Cl": (0.6895, 5.853), "Br": (0.8456, 8.927), "I": (0.8857, 14.02),
    "P": (0.8612, 6.92), "S1": (0.6482, 7.591), "S2": (-0.0024, 7.365), "S3": (0.6237, 6.691),
}  # fmt: skip
HALOGENS = {9: "F", 17: "Cl", 35: "Br", 53: "I"}
TO_AROMATIC_CARBON = {9: "C14", 17: "C15", 35: "C16", 53: "C17", 6: "C21", 7: "C22", 8: "C23", 16: "C24"}


@dataclass(frozen=True)
class Bond:
    """A neighbour as an atom sees it."""

    atom: int
    number: int
    aromatic: bool
    kind: int


@dataclass(frozen=True)
class _Atom:
    number: int
    hydrogens: int
    charge: int
    aromatic: bool
    sp3: bool
    bonds: tuple[Bond, ...]

    def binds(self, kind: int) -> list[Bond]:
        return [bond for bond in self.bonds if bond.kind == kind]


def contributions(given: Graphs) -> Floats:
    """Return log P and refractivity by heavy atom, hydrogens included.

    Parameters
    ----------
    given : Graphs

    Returns
    -------
    (atoms, 2) float array
        Of the logarithm to base 10, and in cubic centimetres a mole.
    """
    atoms = _atoms(given)
    values = np.zeros((len(atoms), 2))
    for k, atom in enumerate(atoms):
        hydrogen = np.array(TYPES[_hydrogen(atom, atoms)])
        values[k] = np.array(TYPES[atom_type(atom, atoms)]) + atom.hydrogens * hydrogen
    return values


def _atoms(given: Graphs) -> list[_Atom]:
    facts = given.facts
    bonds: list[list[Bond]] = [[] for _ in facts]
    for source, target, kind in zip(given.source, given.target, given.bond[:, 0], strict=True):
        far = facts[target]
        bonds[source].append(Bond(int(target), int(far[NUMBER]), bool(far[AROMATIC]), int(kind)))
    return [
        _Atom(
            int(row[NUMBER]), int(row[HYDROGENS]), int(row[CHARGE]), bool(row[AROMATIC]),
            bool(row[HYBRIDISATION] == 4), tuple(bound),
        )
        for row, bound in zip(facts, bonds, strict=True)
    ]  # fmt: skip


def atom_type(atom: _Atom, atoms: list[_Atom]) -> str:
    """Return the type of a heavy atom."""
    if atom.number in HALOGENS:
        return HALOGENS[atom.number]
    if atom.number == 6:
        return _aromatic_carbon(atom) if atom.aromatic else _carbon(atom)
    if atom.number == 7:
        return _nitrogen(atom)
    if atom.number == 8:
        return _oxygen(atom, atoms)
    if atom.number == 15:
        return "P"
    return "S3" if atom.aromatic else "S2" if atom.charge else "S1"


def _hydrogen(atom: _Atom, atoms: list[_Atom]) -> str:
    if atom.number == 6:
        return "H1"
    if atom.number == 7:
        return "H3"
    if atom.number != 8 or not atom.bonds:
        return "H2"
    bond = atom.bonds[0]
    if bond.number in (8, 16):
        return "H4"
    if bond.number == 7:
        return "H3"
    return "H4" if not bond.aromatic and atoms[bond.atom].binds(2) else "H2"


def _carbon(atom: _Atom) -> str:
    if atom.binds(3):
        return "C7"
    if double := atom.binds(2):
        if any(bond.number != 6 for bond in double):
            return "C5"
        return "C26" if any(bond.aromatic for bond in atom.bonds) else "C6"
    rings = [bond for bond in atom.bonds if bond.aromatic]
    hetero = [bond for bond in atom.bonds if bond.number != 6]
    if rings:
        if atom.hydrogens == 3:
            return "C8" if rings[0].number == 6 else "C9"
        return ("C12", "C11", "C10")[min(atom.hydrogens, 2)]
    if not hetero:
        return "C1" if atom.hydrogens >= 2 else "C2"
    if all(bond.number == 15 for bond in hetero):
        return "C27"
    return "C3" if atom.hydrogens >= 2 else "C4"


def _aromatic_carbon(atom: _Atom) -> str:
    if atom.hydrogens:
        return "C18"
    outside = [bond for bond in atom.bonds if bond.kind != 4]
    if not outside:
        return "C19"
    bond = outside[0]
    if bond.kind == 2:
        return "C25"
    if bond.aromatic:
        return "C20"
    return TO_AROMATIC_CARBON.get(bond.number, "C13")


def _nitrogen(atom: _Atom) -> str:
    if atom.aromatic:
        return "N12" if atom.charge > 0 else "N11"
    if atom.charge > 0:
        return "N14" if atom.binds(3) else "N10" if atom.hydrogens else "N13"
    if atom.charge < 0:
        return "N14"
    if atom.binds(3):
        return "N9"
    if atom.binds(2):
        return "N5" if atom.hydrogens else "N6"
    ring = any(bond.aromatic for bond in atom.bonds)
    if atom.hydrogens >= 2:
        return "N3" if ring else "N1"
    if atom.hydrogens == 1:
        return "N4" if ring else "N2"
    return "N8" if ring else "N7"


def _oxygen(atom: _Atom, atoms: list[_Atom]) -> str:
    if atom.aromatic:
        return "O1"
    if atom.hydrogens:
        return "O2"
    if atom.charge < 0:
        number = atom.bonds[0].number
        if number == 6 and any(bond.number == 8 for bond in atoms[atom.bonds[0].atom].binds(2)):
            return "O12"
        return {7: "O5", 16: "O6"}.get(number, "O7")
    double = atom.binds(2)
    if not double:
        return "O4" if any(bond.aromatic for bond in atom.bonds) else "O3"
    bond = double[0]
    if bond.number != 6:
        return "O5" if bond.number in (7, 8) else "OS"
    if bond.aromatic:
        return "O8"
    others = [other for other in atoms[bond.atom].bonds if other.number != 8 or other.kind != 2]
    if any(other.aromatic for other in others):
        return "O10"
    hetero = sum(other.number != 6 for other in others)
    return "O11" if hetero >= 2 else "O9"
