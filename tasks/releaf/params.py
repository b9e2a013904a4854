"""The blocks of ``params.yaml`` that the releaf stages read: types, ranges, defaults."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from statewright.contracts import Params


class IngestParams(Params):
    """Where the tables, the cards and further texts are, and how much of them may be broken.

    ``watch`` is the one dependency of the stage in ``dvc.yaml``: what lies elsewhere is read,
    but its change does not make the stage run again. ``documents`` names a folder of ``.md`` and
    ``.txt`` files, ``full`` a folder that holds ``waste/`` with the cities' own texts.
    """

    source: str = "data/source"
    watch: str = "data/source"
    tables: dict[str, str] = Field(default_factory=dict)
    most_quarantined: float = Field(0.5, ge=0, le=1)
    documents: str | None = None
    full: str | None = None


class PreprocessParams(Params):
    """The split of the items, the length of passages, and when two photographs are one.

    ``dev_share`` and ``test_share`` are of the names, not of the rows. ``twin_cosine``: least
    cosine of two photographs' features at which they count as the same picture.
    """

    dev_share: float = Field(0.1, gt=0, lt=1)
    test_share: float = Field(0.3, gt=0, lt=1)
    salt: str = "releaf"
    most_words: int = Field(120, ge=20)
    twin_cosine: float = Field(0.97, gt=0, le=1)

    @model_validator(mode="after")
    def _something_to_learn_from(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError("dev_share and test_share must leave a share to train on")
        return self
