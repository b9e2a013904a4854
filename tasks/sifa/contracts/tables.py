"""Contracts of the tables that sifa-ingest reads and writes.

A row outside its contract is quarantined. Columns that a contract does not name are not read.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Table
from tasks.checked import Counts, Quarantine

PIXELS = 64
POINTS = 40
ATOM = 7
"""Numbers that describe one atom of a molecular graph."""
BOND = 5
"""Numbers that describe one bond: its two atoms, type, in ring, conjugated."""


class DigitRows(pa.DataFrameModel):
    """Numbers of one handwritten digit; `row` is its place in scikit-learn's table."""

    row: Series[int] = pa.Field(ge=0)
    label: Series[int] = pa.Field(ge=0, le=9)

    class Config:
        unique: ClassVar[list[str]] = ["row"]


class Digits(DigitRows):
    """One handwritten digit of 8 x 8 pixels, upright, row by row, of 0 to 16."""

    pixels: Series[object]


class SignalRows(pa.DataFrameModel):
    """Label and published division of one signal; `row` is its place in the table."""

    row: Series[int] = pa.Field(ge=0)
    split: Series[str] = pa.Field(isin=["train", "test"])
    label: Series[int] = pa.Field(ge=0, le=9)

    class Config:
        unique: ClassVar[list[str]] = ["row"]


class Signals(SignalRows):
    """One simulated one-dimensional digit of 40 points."""

    points: Series[object]


class MoleculeRows(pa.DataFrameModel):
    """Heat of formation of one molecule in kcal/mol, by PBE0 and by DFTB."""

    name: Series[str]
    n_atoms: Series[int] = pa.Field(ge=1, le=100)
    hof_pbe0: Series[float] = pa.Field(ge=-10_000, le=1_000)
    hof_dftb: Series[float] = pa.Field(ge=-10_000, le=1_000)

    class Config:
        unique: ClassVar[list[str]] = ["name"]


class Molecules(MoleculeRows):
    """Atomic numbers, and coordinates in angstrom, atom by atom."""

    z: Series[object]
    xyz: Series[object]


class SolubilityRows(pa.DataFrameModel):
    """Measured log solubility (mol/L), Delaney's prediction, division by scaffold."""

    id: Series[int] = pa.Field(ge=0)
    canonical: Series[str]
    n_atoms: Series[int] = pa.Field(ge=1, le=200)
    y: Series[float] = pa.Field(ge=-20, le=10)
    baseline: Series[float] = pa.Field(ge=-20, le=10)
    scaffold_split: Series[str] = pa.Field(isin=["train", "valid", "test"])

    class Config:
        unique: ClassVar[list[str]] = ["id"]


class Solubility(SolubilityRows):
    """One molecule as a graph: the numbers of its atoms and bonds."""

    atoms: Series[object]
    bonds: Series[object]


class SetsMetrics(Document):
    """Rows of each table, faults by reason, and repeated molecules.

    `repeated` counts the rows of `solubility` whose molecule occurs in an earlier row; they are kept, and a
    molecule is never in both parts of a division.
    """

    tables: dict[str, Counts]
    reasons: dict[str, int]
    repeated: int


class IngestOutputs(NamedTuple):
    """Outputs of the stage sifa-ingest."""

    digits: Table[Digits]
    signals: Table[Signals]
    molecules: Table[Molecules]
    solubility: Table[Solubility]
    quarantine: Table[Quarantine]
    sets: SetsMetrics
