"""Texts that do not ship: the cities' answers, to learn from and to judge by, and WikiText-2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from statewright.contracts import ContractError
from tasks.releaf.adapter.examples import names_of
from tasks.releaf.params import AdaptParams


@dataclass(frozen=True)
class FullTexts:
    """Answers to learn from, answers kept apart, and the test part of WikiText-2 as one text."""

    learnt: list[str]
    held_out: list[str]
    wikitext: str


def full_texts(folder: Path, items: pd.DataFrame, params: AdaptParams) -> FullTexts:
    """Read the folder; an answer that serves items of several splits, or names a test item, is not learnt.

    Raises
    ------
    ContractError
        If a table is not there or lacks a column.
    """
    answers = _read(folder / "waste_answers.parquet", ["split", "answer"]).dropna(subset=["answer"])
    wikitext = _read(folder / "wikitext2_valid_test.parquet", ["split", "line", "text"])
    splits = answers.groupby("answer")["split"].agg(set)
    secret = names_of(items, "test")
    learnt = [text for text in splits.index[splits == {"train"}] if not secret.search(text)]
    lines = wikitext[wikitext["split"] == "test"].sort_values("line")["text"]
    return FullTexts(
        learnt[: params.texts_each],
        list(splits.index[splits == {"test"}])[: params.texts_each],
        "\n".join(lines),
    )


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise ContractError(f"releaf.adapt.texts: {path} is not there; null switches these texts off")
    table = pd.read_parquet(path)
    if absent := [name for name in columns if name not in table.columns]:
        raise ContractError(
            f"releaf.adapt.texts: {path} has the columns {', '.join(table.columns)}; expected also "
            f"{', '.join(absent)}"
        )
    return table
