"""Texts that do not ship: the cities' answers, and WikiText-2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from statewright.contracts import ContractError
from tasks.releaf.adapter.examples import names_of
from tasks.releaf.params import AdaptParams


@dataclass(frozen=True)
class FullTexts:
    """Training and held-out answers, and the test part of WikiText-2 as one text."""

    training: list[str]
    held_out: list[str]
    wikitext: str


def full_texts(folder: Path, items: pd.DataFrame, params: AdaptParams) -> FullTexts:
    """Read the folder.

    Answers for items of several splits, or with the name of a test item, are not in the training set.

    Raises
    ------
    ContractError
        If a table or a column is missing.
    """
    answers = _read(folder / "waste_answers.parquet", ["split", "answer"]).dropna(subset=["answer"])
    wikitext = _read(folder / "wikitext2_valid_test.parquet", ["split", "line", "text"])
    splits = answers.groupby("answer")["split"].agg(set)
    test_names = names_of(items, "test")
    training = [text for text in splits.index[splits == {"train"}] if not test_names.search(text)]
    lines = wikitext[wikitext["split"] == "test"].sort_values("line")["text"]
    return FullTexts(
        training[: params.texts_each],
        list(splits.index[splits == {"test"}])[: params.texts_each],
        "\n".join(lines),
    )


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise ContractError(
            f"releaf.adapt.texts: {path} not found; add the file, or set null to leave these texts out"
        )
    table = pd.read_parquet(path)
    if absent := [name for name in columns if name not in table.columns]:
        raise ContractError(
            f"releaf.adapt.texts: {path} has the columns {', '.join(table.columns)}; expected also "
            f"{', '.join(absent)}"
        )
    return table
