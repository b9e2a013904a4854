"""Contracts of the outputs of the stages fusion-ingest and fusion-preprocess."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np  # noqa: F401 - Tensors names it
import pandera.pandas as pa
from pandera.typing import Series

from statewright.contracts import Document, Shapes, Table, Tensors
from tasks.checked import Counts

Kind = Literal["number", "boolean", "date", "category"]
Task = Literal["classification", "regression"]
Rule = Literal["given", "time", "time and groups", "groups", "stratified", "random"]


class Records(pa.DataFrameModel):
    """One row per key: columns ``MODALITY.COLUMN``, of which any cell may be missing.

    The columns `time`, `group`, `split` and ``level.0``, ``level.1``, ... are present if they are
    configured. `target` is text for classification and a number for regression.
    """

    key: Series[str] = pa.Field(unique=True)


class QuarantinedCells(pa.DataFrameModel):
    """One row per fault: where it is, the value, the rule, and what was done.

    `row` counts the data rows of the table from 0, without the heading; in a database in the order of
    the key. It is -1 if the fault is in a whole column. `lost` is the part that is not used: the row,
    the cell (which counts as missing), or the column.
    """

    table: Series[str]
    row: Series[int] = pa.Field(ge=-1)
    column: Series[str]
    value: Series[str]
    reason: Series[str]
    lost: Series[str] = pa.Field(isin=["row", "cell", "column"])


class Split(pa.DataFrameModel):
    """Use of each row of `records`, in its order.

    A row is unused if its time belongs to the test and its group to the training rows.
    """

    key: Series[str] = pa.Field(unique=True)
    split: Series[str] = pa.Field(isin=["train", "test", "unused"])


class Column(Document):
    """One column of a modality; a date counts days since 1970."""

    name: str
    kind: Kind


class Modality(Document):
    """Table and columns of one modality."""

    table: str
    columns: list[Column]


class Schema(Document):
    """Contents of `records`.

    `classes` are the sorted values of the target, empty for regression. `levels` are the columns of
    nested groupings, the finest first.
    """

    task: Task
    target: str
    classes: list[str]
    key: list[str]
    modalities: dict[str, Modality]
    time: str | None
    groups: str | None
    split: str | None
    levels: list[str]


class ModalityCounts(Document):
    """Columns and rows of one modality.

    `rows` counts the records that have any of its cells.
    """

    columns: int
    columns_dropped: int
    rows: int
    cells_missing: float


class IngestMetrics(Document):
    """Rows by table, columns by modality, and what was quarantined by reason."""

    tables: dict[str, Counts]
    modalities: dict[str, ModalityCounts]
    records: int
    complete_records: int
    cells_quarantined: int
    reasons: dict[str, int]


class IngestOutputs(NamedTuple):
    """Outputs of the stage fusion-ingest."""

    records: Table[Records]
    schema: Schema
    quarantine: Table[QuarantinedCells]
    ingest: IngestMetrics


class ViewColumns(Document):
    """Names of the columns of each view, such as ``colour=red`` for a text column."""

    modalities: dict[str, list[str]]


class PreprocessMetrics(Document):
    """Division of the rows and width of the views.

    `rule` is what divided the rows. `repeated` counts test rows whose cells are exactly those of a
    development row. `classes` are the shares of the classes in the development rows.
    """

    rule: Rule
    development: int
    test: int
    unused: int
    groups: int
    groups_in_both: int
    repeated: int
    columns: dict[str, int]
    columns_dropped: dict[str, int]
    absent: dict[str, float]
    classes: dict[str, float]


Views = Annotated[Tensors, Shapes({"y": ("rows",), "group": ("rows",), "row": ("rows",)}, more=True)]
"""Tensors ``x.MODALITY`` (rows, columns), float64, NaN where a cell is missing.

`y` is the number of the class or the value, `group` numbers the groups (every row its own without
groups), `row` is the row in `records`, `time` the number of the time column if there is one, and
``level.0``, ... number the groups of the levels, -1 where missing.
"""


class PreprocessOutputs(NamedTuple):
    """Outputs of the stage fusion-preprocess."""

    views: Views
    holdout: Views
    split: Table[Split]
    columns: ViewColumns
    preprocess: PreprocessMetrics
