"""Types, meanings and ranges of the fusion blocks of ``params.yaml``.

The values are in ``params.yaml``. Only keys inside a modality have a default, so that a table can be
named in one line.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from statewright.contracts import Params

Columns = str | tuple[str, ...] | None
"""One column, several columns, or none."""


def names(columns: Columns) -> tuple[str, ...]:
    """Return the named columns as a tuple."""
    if columns is None:
        return ()
    return (columns,) if isinstance(columns, str) else columns


class ModalityParams(Params):
    """Table and columns of one modality."""

    table: str = Field(description="file or SQL table in source, without or with suffix, or a path")
    columns: tuple[str, ...] | None = Field(
        default=None,
        description="names or patterns such as gene_*; null: all that have no other role",
    )
    without: tuple[str, ...] = Field(default=(), description="names or patterns that are not used")


class TargetParams(Params):
    """Column to predict."""

    table: str = Field(description="table that has the column")
    column: str = Field(description="column to predict; rows without a value are quarantined")
    task: Literal["classification", "regression"] = Field(description="whether the values are classes")


class IngestParams(Params):
    """Tables of the user."""

    source: str = Field(description="folder of Parquet or CSV files, or a SQLAlchemy URL")
    watch: str = Field(description="file or folder whose change makes the stage run again")
    modalities: dict[str, ModalityParams] = Field(description="name -> table and columns, two or more")
    key: Columns = Field(
        description="column or columns that join the tables; null: the row number, in tables of equal length"
    )
    target: TargetParams
    time: str | None = Field(description="column of any table: the latest rows are for the test; null: none")
    groups: str | None = Field(
        description="column of any table whose values are not divided between training and test; null: none"
    )
    split: str | None = Field(
        description="column of any table with the words train and test (dev counts as train); null: none"
    )
    levels: tuple[str, ...] = Field(
        description="columns of any table with nested groupings, the finest first, such as album, artist"
    )
    allowed: tuple[str, ...] = Field(
        description="MODALITY.COLUMN that may predict the target alone, after a check that it is no leak"
    )
    most_quarantined: float = Field(
        description="share of invalid rows or cells above which a table is refused", ge=0, le=1
    )

    @model_validator(mode="after")
    def _names_are_valid(self) -> Self:
        for name in self.modalities:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"modality '{name}': expected letters, digits, - and _ only")
        return self


class PreprocessParams(Params):
    """Division of the rows and encoding of text columns."""

    test_share: float = Field(gt=0, lt=1, description="share of the rows that is held out for the test")
    rare: int = Field(ge=1, description="a text value in fewer development rows is encoded as (rare)")
    seed: int = Field(description="seed of the division, if neither split nor time gives it")


class CharacteriseParams(Params):
    """Settings of the description of the modalities."""

    components: int = Field(ge=1, description="principal components that are tested for normality and drift")
    seed: int = Field(description="seed of the folds of the classifier that looks for drift")


class RecogniseParams(Params):
    """Settings of the choice of a family."""

    most_columns: int = Field(ge=1, description="a wider modality is modelled by so many components")
    most_components: int = Field(ge=1, description="largest number of components of a mixture")
    most_rows: int = Field(ge=20, description="rows that are used, drawn at random from more")
    folds: int = Field(ge=2, description="parts of the cross-validation")
    seed: int = Field(description="seed of rows, folds and starts")


class FuseParams(Params):
    """Choice of the operator."""

    operators: tuple[str, ...] = Field(
        description="operators to compare, the simplest first: it is preferred in a tie", min_length=1
    )
    folds: int = Field(description="folds of the nested cross-validation", ge=3, le=20)
    most_rows: int = Field(description="rows above which a random part of them makes the choice", ge=100)
    without: tuple[str, ...] = Field(description="modalities that are not used, although they are ingested")
    landmarks: int = Field(description="rows that span the features of a modality's expert", ge=10)
    processes: int = Field(description="processes that train at the same time", ge=1, le=64)
    seed: int = Field(description="random seed", ge=0)


class EvaluateParams(Params):
    """Resplits of the development rows, and intervals of the decisions."""

    resplits: int = Field(description="random divisions into training and test rows", ge=2, le=1000)
    test_share: float = Field(description="share of the test rows of a division", gt=0, lt=1)
    most_rows: int = Field(description="rows above which a random part of them is used", ge=100)
    alpha: float = Field(description="share of decisions whose set may lack the target", gt=0, lt=1)
    processes: int = Field(description="processes that train at the same time", ge=1, le=64)
    seed: int = Field(description="random seed", ge=0)


class FeedbackParams(Params):
    """Search for better parameters."""

    patience: int = Field(ge=1, description="rounds without a gain after which the search stops")
    least_gain: float = Field(ge=0, description="rise of the score on resplits that counts as a gain")
