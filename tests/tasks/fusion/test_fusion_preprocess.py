"""Division of the records and encoding of their columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params
from tumours import configured, patients

from statewright.contracts import ContractError
from tasks.fusion.contracts.tables import IngestOutputs, PreprocessOutputs
from tasks.fusion.ingest import ingest
from tasks.fusion.params import PreprocessParams
from tasks.fusion.preprocess import preprocess
from tasks.fusion.tables.encoding import one_hot


def divided(made: IngestOutputs, **changes: Any) -> PreprocessOutputs:
    params = shipped_params(PreprocessParams, "fusion.preprocess", **changes)
    return preprocess(made.records, made.schema, params=params)


def extended(folder: Path, **columns: Any) -> Path:
    """Add columns to means.csv."""
    pd.read_csv(folder / "means.csv").assign(**columns).to_csv(folder / "means.csv", index=False)
    return folder


def test_every_record_is_on_one_side_with_its_cells_and_its_target(tables: Path) -> None:
    made = ingest(params=configured(tables))
    result = divided(made)
    frame = patients()
    rows = np.r_[result.views["row"], result.holdout["row"]]
    assert sorted(rows.tolist()) == list(range(569))
    for part in (result.views, result.holdout):
        for number, row in enumerate(part["row"]):
            assert made.schema.classes[part["y"][number]] == frame["diagnosis"][row]
        columns = [name for name in frame if name.startswith("worst")]
        assert result.columns.modalities["worst"] == columns
        np.testing.assert_array_equal(part["x.worst"], frame[columns].to_numpy()[part["row"]])
    word = result.split.set_index("key")["split"]
    assert (word.iloc[result.holdout["row"]] == "test").all()
    # A stratified split keeps the shares of the classes to less than one row.
    shares = [part["y"].mean() for part in (result.views, result.holdout)]
    assert abs(shares[0] - shares[1]) < 1 / len(result.holdout["y"])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_split(tables: Path) -> None:
    made = ingest(params=configured(tables))
    first, second = divided(made), divided(made)
    assert first.split.equals(second.split)
    assert all(first.views[name].tobytes() == second.views[name].tobytes() for name in first.views)
    assert not divided(made, seed=1).split.equals(first.split)


def test_later_rows_are_the_test_and_rows_of_one_moment_stay_together(tables: Path) -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=57)).dt.strftime("%Y-%m-%d")
    seen = np.random.default_rng(0).permutation(np.resize(days, 569))
    made = ingest(params=configured(extended(tables, seen=seen), time="seen"))
    result = divided(made)
    assert result.preprocess.rule == "time"
    assert result.views["time"].max() < result.holdout["time"].min()
    assert abs(result.preprocess.test - 0.2 * 569) <= 10
    assert "means.seen" not in made.records


def test_groups_are_not_divided(tables: Path) -> None:
    ward = np.random.default_rng(0).integers(0, 40, size=569)
    made = ingest(params=configured(extended(tables, ward=ward), groups="ward"))
    result = divided(made)
    assert not set(result.views["group"]) & set(result.holdout["group"])
    assert result.preprocess.groups_in_both == 0
    assert abs(result.preprocess.test / 569 - 0.2) < 0.05
    with pytest.raises(ContractError, match="has 40 groups, expected at least 50"):
        divided(made, test_share=0.02)


def test_a_group_of_the_past_is_not_tested_in_the_future(tables: Path) -> None:
    """Divide by time and group: rows that fit neither side are unused."""
    ward = np.arange(569) // 40  # the wards open one after another, and one of them is open at the cut
    ward[560:] = 0
    made = ingest(
        params=configured(extended(tables, day=np.arange(569), ward=ward), time="day", groups="ward")
    )
    result = divided(made)
    assert result.preprocess.rule == "time and groups"
    assert not set(result.views["group"]) & set(result.holdout["group"])
    assert result.views["time"].max() < result.holdout["time"].min()
    assert result.preprocess.unused == 9 + (480 - 455)
    assert (result.split["split"] == "unused").sum() == result.preprocess.unused


def test_a_given_split_is_used_and_an_unknown_word_refused(tables: Path) -> None:
    words = np.repeat(["train", "Dev", "test"], [400, 69, 100])
    made = ingest(params=configured(extended(tables, part=words), split="part"))
    result = divided(made)
    assert (result.preprocess.rule, result.preprocess.development, result.preprocess.test) == (
        "given",
        469,
        100,
    )
    assert result.holdout["row"].tolist() == list(range(469, 569))
    words[3] = "later"
    made = ingest(params=configured(extended(tables, part=words), split="part"))
    with pytest.raises(ContractError, match=r"row 3 .key 'P0003'. has 'later' in the column 'part'"):
        divided(made)


def test_texts_become_columns_fitted_on_development_rows() -> None:
    values = pd.Series(["red", "green", "blue", "red", "green", None, "mauve", "red", "pink", "green"])
    fitted = np.arange(10) < 8
    table = one_hot(values, fitted, rare=2)
    assert list(table) == ["green", "red", "(rare)"]
    expected = pd.get_dummies(values.replace({"blue": "(rare)", "mauve": "(rare)", "pink": "(rare)"}))
    known = values.notna()
    np.testing.assert_array_equal(table[known], expected[list(table)][known].astype(float))
    assert table[~known].isna().all(axis=None)
    assert list(one_hot(values[:1].repeat(3), np.ones(3, bool), rare=1)) == ["red"]


def test_a_test_row_that_repeats_a_development_row_is_counted(tables: Path) -> None:
    for name in ("means", "worst"):
        table = pd.read_csv(tables / f"{name}.csv").sort_values("patient")
        copy = table.assign(patient="Q" + table["patient"], part="test")
        pd.concat([table.assign(part="train"), copy]).to_csv(tables / f"{name}.csv", index=False)
    result = divided(ingest(params=configured(tables, split="part")))
    assert result.preprocess.repeated == result.preprocess.test == 569


def test_a_class_without_training_rows_is_refused(tables: Path) -> None:
    part = np.where(patients()["diagnosis"] == "benign", "train", "test")
    made = ingest(params=configured(extended(tables, part=part), split="part"))
    with pytest.raises(ContractError, match="no training row has the class 'malignant'"):
        divided(made)
