"""Ingest: two tables as CSV, Parquet and SQL, and tables with faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped_params
from tumours import configured, patients

from statewright.contracts import ContractError
from tasks.fusion.ingest import ingest
from tasks.fusion.params import IngestParams
from tasks.fusion.tables.leaks import class_leak

SOURCE = Path(__file__).parents[3] / "data" / "source"


def test_the_shipped_digits_become_six_modalities() -> None:
    made = ingest(params=shipped_params(IngestParams, "fusion.ingest", source=str(SOURCE)))
    widths = {name: len(modality.columns) for name, modality in made.schema.modalities.items()}
    assert widths == {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}
    source = pd.read_parquet(SOURCE / "digit_views.parquet")
    assert made.records["target"].tolist() == source["label"].astype(str).tolist()
    np.testing.assert_array_equal(made.records["mor.x_mor.4"], [row[4] for row in source["x_mor"]])
    assert made.quarantine.empty


def test_two_csv_files_are_joined_by_their_key(tables: Path) -> None:
    made = ingest(params=configured(tables))
    frame = patients()
    assert made.records["key"].tolist() == frame["patient"].tolist()
    assert made.records["target"].tolist() == frame["diagnosis"].tolist()
    for column in (column for column in made.records if column.startswith("worst.")):
        np.testing.assert_array_equal(made.records[column], frame[column.removeprefix("worst.")])
    assert made.ingest.complete_records == made.ingest.records == 569


def test_csv_parquet_and_a_database_give_the_same_records(tables: Path, tmp_path: Path) -> None:
    expected = ingest(params=configured(tables))
    frames = {name: pd.read_csv(tables / f"{name}.csv") for name in ("means", "worst")}
    (tmp_path / "parquet").mkdir()
    url = f"sqlite:///{tmp_path / 'clinic.db'}"
    engine = sqlalchemy.create_engine(url)
    for name, frame in frames.items():
        shuffled = frame.sample(frac=1, random_state=0)
        # pandas stores the shuffled index too, and here the key is an index.
        stored = shuffled.set_index("patient") if name == "worst" else shuffled
        stored.to_parquet(tmp_path / "parquet" / f"{name}.parquet")
        shuffled.to_sql(name, engine, index=False)
    engine.dispose()
    for source in (tmp_path / "parquet", url):
        made = ingest(params=configured(source))
        pd.testing.assert_frame_equal(made.records, expected.records)
        assert made.schema == expected.schema


def test_keys_are_the_same_as_numbers_and_as_text(tables: Path) -> None:
    edit(tables, "means", lambda frame: frame.assign(patient=range(569)))
    edit(tables, "worst", lambda frame: frame.assign(patient=[f"{568 - row}.0" for row in range(569)]))
    made = ingest(params=configured(tables))
    assert made.records["key"].tolist() == [str(row) for row in range(569)]
    assert made.records["worst.worst_area"].tolist() == patients()["worst_area"].tolist()


def edit(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(folder / f"{name}.csv")).to_csv(folder / f"{name}.csv", index=False)


def test_rows_without_a_key_or_with_a_second_one_are_quarantined(tables: Path) -> None:
    edit(
        tables, "means", lambda frame: pd.concat([frame, frame.iloc[[3]], frame.iloc[[4]].assign(patient="")])
    )
    made = ingest(params=configured(tables))
    assert made.quarantine[["table", "row", "reason", "lost"]].to_numpy().tolist() == [
        ["means", 569, "repeats the key of row 3", "row"],
        ["means", 570, "has no key", "row"],
    ]
    assert made.ingest.tables["means"].rows_quarantined == 2
    assert made.ingest.records == 569


def test_unlabelled_rows_are_quarantined_in_every_table(tables: Path) -> None:
    edit(tables, "means", lambda frame: frame.assign(diagnosis=frame["diagnosis"].where(frame.index >= 40)))
    made = ingest(params=configured(tables))
    assert made.ingest.records == 529
    assert made.ingest.reasons["has no target"] == 40
    assert {name: count.rows_quarantined for name, count in made.ingest.tables.items()} == {
        "means": 40,
        "worst": 40,
    }
    with pytest.raises(ContractError, match=r"means\.csv: 40 of 569 rows.*has no target.*most_quarantined"):
        ingest(params=configured(tables, most_quarantined=0.05))


def test_a_missing_modality_leaves_the_record_with_missing_cells(tables: Path) -> None:
    edit(tables, "worst", lambda frame: frame.iloc[:400])
    made = ingest(params=configured(tables))
    worst = made.records.filter(like="worst.")
    assert (made.ingest.records, made.ingest.complete_records) == (569, 400)
    assert worst.isna().all(axis=1).sum() == 169
    assert made.quarantine.empty


def test_invalid_cells_are_missing_and_quarantined(tables: Path) -> None:
    def spoil(frame: pd.DataFrame) -> pd.DataFrame:
        frame["mean_radius"] = frame["mean_radius"].astype(object)
        frame.loc[5, "mean_radius"], frame.loc[9, "mean_radius"] = "?", "1e999"
        frame.loc[11, "mean_radius"] = "NA"
        return frame

    edit(tables, "means", spoil)
    made = ingest(params=configured(tables))
    assert made.quarantine[["row", "column", "value", "reason"]].to_numpy().tolist() == [
        [5, "mean_radius", "?", "is not a number"],
        [9, "mean_radius", "1e999", "is infinite"],
    ]
    assert np.flatnonzero(made.records["means.mean_radius"].isna()).tolist() == [5, 9, 11]
    assert made.ingest.records == 569


def test_kinds_of_columns_are_found(tables: Path) -> None:
    edit(
        tables,
        "worst",
        lambda frame: frame.assign(
            colour=np.resize(["red", "green", "blue"], 569),
            smoker=np.resize(["yes", "no", "No"], 569),
            seen=pd.date_range("1970-01-01", periods=569).strftime("%Y-%m-%d"),
            note=[f"text {row}" for row in range(569)],
            site="north",
        ),
    )
    made = ingest(params=configured(tables))
    kinds = {column.name: column.kind for column in made.schema.modalities["worst"].columns}
    assert (kinds["colour"], kinds["smoker"], kinds["seen"]) == ("category", "boolean", "date")
    # The table is sorted by the key in the other direction.
    assert made.records["worst.seen"].tolist() == [float(day) for day in range(568, -1, -1)]
    assert sorted(made.records["worst.smoker"].unique()) == [0, 1]
    dropped = made.quarantine.set_index("column")
    assert dropped["lost"].to_dict() == {"note": "column", "site": "column"}
    assert "569 different texts" in dropped.at["note", "reason"]
    assert made.ingest.modalities["worst"].columns_dropped == 2


def test_a_list_column_is_spread_and_a_row_of_another_length_is_missing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    vectors = list(random.normal(size=(60, 4)))
    vectors[7] = vectors[7][:3]
    table = pd.DataFrame({"sound": vectors, "size": random.normal(size=60), "y": np.resize(["a", "b"], 60)})
    table.to_parquet(tmp_path / "songs.parquet")
    params = configured(
        tmp_path,
        modalities={
            "sound": {"table": "songs", "columns": ["sound"]},
            "rest": {"table": "songs", "columns": ["s*"], "without": ["sound"]},
        },
        key=None,
        target={"table": "songs", "column": "y", "task": "classification"},
    )
    made = ingest(params=params)
    assert made.records["key"].tolist() == [str(row) for row in range(60)]
    np.testing.assert_array_equal(made.records["sound.sound.2"][:7], [vector[2] for vector in vectors[:7]])
    assert made.records.loc[7].filter(like="sound.").isna().all()
    assert made.quarantine["reason"].tolist() == ["has 3 numbers where most rows have 4"]


def separated(frame: pd.DataFrame) -> pd.Series:
    """Return random numbers that two thresholds assign to the diagnoses."""
    random = np.random.default_rng(0)
    malignant = frame["patient"].map(patients().set_index("patient")["diagnosis"]) == "malignant"
    return pd.Series(random.uniform(size=len(frame)) + 2 * malignant, index=frame.index)


LEAKS = {
    "copy": (lambda frame: (separated(frame) > 1).map({True: "M", False: "B"}), "copy of the target"),
    "codes": (lambda frame: 3 * (separated(frame) > 1), "copy of the target"),
    "thresholds": (separated, "by 1 threshold"),
    "values": (
        lambda frame: np.where(separated(frame) > 1, 2, np.resize([1, 3], len(frame))),
        "3 values, each of which belongs to one class",
    ),
    "missing": (
        lambda frame: separated(frame).where(separated(frame) > 1),
        "present exactly in the rows of some classes",
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_column_that_gives_the_class_away_is_refused(tables: Path, kind: str) -> None:
    column, rule = LEAKS[kind]
    edit(tables, "worst", lambda frame: frame.assign(outcome=column(frame)))
    with pytest.raises(ContractError, match=rf"worst\.csv: column 'outcome'.*{rule}.*worst\.without"):
        ingest(params=configured(tables))
    assert ingest(params=configured(tables, allowed=("worst.outcome",))).ingest.records == 569
    modalities = {"means": {"table": "means"}, "worst": {"table": "worst", "without": ["out*"]}}
    without = ingest(params=configured(tables, modalities=modalities))
    assert "worst.outcome" not in without.records


def test_a_column_that_gives_a_number_away_is_refused(tables: Path) -> None:
    target = {"table": "means", "column": "mean_radius", "task": "regression"}
    assert ingest(params=configured(tables, target=target)).ingest.records == 569
    for change in (lambda value: 3 - 2 * value, np.exp):
        radius = patients().set_index("patient")["mean_radius"]
        edit(tables, "worst", lambda frame: frame.assign(copy=change(frame["patient"].map(radius))))  # noqa: B023
        with pytest.raises(ContractError, match=r"column 'copy' has a (rank )?correlation of at least"):
            ingest(params=configured(tables, target=target))


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 60), st.integers(0, 10_000))
def test_random_columns_are_no_leak(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.sort(random.integers(0, 3, size=rows))
    for codes in (random.normal(size=rows), random.integers(0, 4, size=rows).astype(float)):
        assert class_leak(codes, labels, 10) == ""


def test_few_rows_are_separated_by_chance_and_not_refused() -> None:
    labels = np.repeat([0, 1], [19, 1])
    assert class_leak(np.arange(20.0), labels, 600) == ""
    assert class_leak(np.arange(20.0), np.repeat([0, 1], 10), 1) != ""


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "one modality": ({"modalities": {"means": {"table": "means"}}}, "at least two modalities"),
    "no table": (
        {"modalities": {"means": {"table": "means"}, "worst": {"table": "wurst"}}},
        r"wurst\.csv not found",
    ),
    "no column": (
        {"modalities": {"means": {"table": "means"}, "worst": {"table": "worst", "columns": ["w"]}}},
        "table 'worst': column 'w' is missing",
    ),
    "target as a column": (
        {"modalities": {"means": {"table": "means", "columns": ["diagnosis"]}, "worst": {"table": "worst"}}},
        "column 'diagnosis' is the key, the target",
    ),
    "no time": ({"time": "day"}, "no table has the column 'day'"),
    "no target": (
        {"target": {"table": "means", "column": "x", "task": "regression"}},
        "table 'means': column 'x' is missing",
    ),
    "text to predict": (
        {"target": {"table": "means", "column": "diagnosis", "task": "regression"}},
        r"'diagnosis' has text \(row 0\).*classification",
    ),
    "too many classes": (
        {"target": {"table": "means", "column": "mean_area", "task": "classification"}},
        "classes, expected at most 100",
    ),
    "unknown leak": ({"allowed": ("worst.x",)}, r"allowed: found 'worst\.x'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fused_is_refused_with_the_next_step(tables: Path, case: str) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(ContractError, match=message) as caught:
        ingest(params=configured(tables, **changes))
    assert any(word in str(caught.value) for word in ("correct", "add", "name", "remove", "convert", "set"))


def test_keys_that_never_match_and_tables_of_unequal_length_are_refused(tables: Path) -> None:
    edit(tables, "worst", lambda frame: frame.assign(patient="X" + frame["patient"]))
    with pytest.raises(ContractError, match=r"none of the 569 keys of table 'worst' .such as 'XP0"):
        ingest(params=configured(tables))
    edit(tables, "worst", lambda frame: frame.head(100))
    with pytest.raises(ContractError, match="'means' 569, 'worst' 100; name the key"):
        ingest(params=configured(tables, key=None))


def test_a_modality_of_constants_is_refused(tables: Path) -> None:
    edit(tables, "worst", lambda frame: frame[["patient"]].assign(site="north"))
    with pytest.raises(ContractError, match=r"'worst' has no usable column.*1 modality is left"):
        ingest(params=configured(tables))


def test_two_columns_are_one_key(tables: Path) -> None:
    for name in ("means", "worst"):
        edit(
            tables,
            name,
            lambda frame: frame.assign(ward=frame["patient"].str[:3], bed=frame["patient"].str[3:]),
        )
    made = ingest(params=configured(tables, key=("ward", "bed")))
    assert made.records["key"][0] == "P00 | 00"
    assert made.ingest.complete_records == 569
