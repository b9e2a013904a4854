"""Ingest: the shipped catalogue, the same as CSV and SQL, and invalid files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from shipped import shipped_params

from statewright.contracts import ContractError, check
from tasks.checked import Quarantine
from tasks.emotion.contracts.raw import RAW
from tasks.emotion.ingest import IngestOutputs, ingest, read_checked
from tasks.emotion.params import IngestParams

SOURCE = Path(__file__).parents[3] / "data" / "source"
ROWS = {
    "career_audio": 10_448,
    "artists": 5_603,
    "influence": 22_226,
    "music_years": 98,
    "chart_years": 66,
    "album_lyrics": 2_622,
    "album_audio": 1_732,
    "album_joint": 696,
    "within_song": 18_020,
    "section_kinds": 1_599,
}


@pytest.fixture(scope="module")
def shipped() -> IngestOutputs:
    return ingest(params=shipped_params(IngestParams, "emotion.ingest", source=str(SOURCE)))


@pytest.fixture
def years() -> pd.DataFrame:
    return pd.read_parquet(SOURCE / "music_years.parquet").astype({"year": "int64"})


@pytest.fixture
def lyrics() -> pd.DataFrame:
    return pd.read_parquet(SOURCE / "album_lyrics.parquet").head(50)


def read(folder: Path, table: str, **params: object) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    return read_checked(table, shipped_params(IngestParams, "emotion.ingest", source=str(folder), **params))


def test_every_row_of_the_shipped_tables_is_kept_or_in_quarantine(shipped: IngestOutputs) -> None:
    counts = shipped.ingest.tables
    assert {table: count.rows_read for table, count in counts.items()} == ROWS
    for table, count in counts.items():
        assert count.rows_kept == len(getattr(shipped, table))
        aside = shipped.quarantine.loc[shipped.quarantine["table"] == table, "row"].nunique()
        assert count.rows_read == count.rows_kept + aside == count.rows_kept + count.rows_quarantined
    assert shipped.ingest.all_tables.rows_read == sum(ROWS.values())


def test_the_one_artist_without_a_name_is_the_whole_quarantine(shipped: IngestOutputs) -> None:
    [fault] = shipped.quarantine.to_dict("records")
    source = pd.read_parquet(SOURCE / "artists.parquet")
    assert pd.isna(source["artist"].iloc[fault["row"]])
    assert (fault["table"], fault["column"], fault["value"]) == ("artists", "artist", "(missing)")


@pytest.mark.parametrize("table", RAW)
def test_kept_rows_keep_their_contract_and_their_values(shipped: IngestOutputs, table: str) -> None:
    kept = getattr(shipped, table)
    RAW[table].validate(kept)
    source = pd.read_parquet(SOURCE / f"{table}.parquet")[list(kept.columns)]
    if table == "artists":
        source = source[source["artist"].notna()].reset_index(drop=True)
    for column in kept:
        if pd.api.types.is_numeric_dtype(kept[column].dtype):
            wanted = source[column].astype("float64")
            np.testing.assert_array_equal(kept[column].astype("float64"), wanted)
        else:
            assert kept[column].fillna("-").tolist() == source[column].astype(object).fillna("-").tolist()


@pytest.mark.parametrize(
    ("tables", "rows"),
    [
        (("artists", "influence", "section_kinds"), 200),
        pytest.param(tuple(RAW), None, marks=pytest.mark.slow),
    ],
)
def test_csv_and_sql_give_the_same_tables_as_parquet(
    tmp_path: Path, tables: tuple[str, ...], rows: int | None
) -> None:
    address = f"sqlite:///{tmp_path / 'catalogue.db'}"
    engine = sqlalchemy.create_engine(address)
    for folder in ("parquet", "csv"):
        (tmp_path / folder).mkdir()
    for table in tables:
        frame = pd.read_parquet(SOURCE / f"{table}.parquet")
        frame = frame if rows is None else frame.tail(rows)
        path = tmp_path / "csv" / f"{table}.csv"
        frame.to_parquet(tmp_path / "parquet" / f"{table}.parquet", index=False)
        frame.to_csv(path, index=False)
        written = pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False)
        written.to_sql(table, engine, index=False)
    engine.dispose()
    for table in tables:
        wanted, *others = read(tmp_path / "parquet", table)
        as_csv, *others_csv = read(tmp_path / "csv", table)
        pd.testing.assert_frame_equal(as_csv, wanted, check_exact=True)
        pd.testing.assert_frame_equal(others_csv[0], others[0])
        as_sql, faults, count = read_checked(
            table, shipped_params(IngestParams, "emotion.ingest", source=address)
        )
        assert (len(faults), count) == (len(others[0]), others[1])
        key = list(RAW[table].to_schema().unique)
        pd.testing.assert_frame_equal(
            as_sql.sort_values(key, ignore_index=True),
            wanted.sort_values(key, ignore_index=True),
            check_exact=True,
        )


# Rows that go to quarantine.


@pytest.mark.parametrize(
    ("form", "column", "value", "reason"),
    [
        ("parquet", "energy_mean", np.nan, "is missing"),
        ("csv", "energy_mean", np.nan, "is missing"),
        ("parquet", "energy_mean", 1e300, "is above 1"),
        ("csv", "energy_mean", np.inf, "is above 1"),
        ("parquet", "loudness_mean", -np.inf, "is below -80"),
        ("parquet", "valence_sd", -1.0, "is below 0"),
    ],
)
def test_a_broken_value_goes_to_quarantine(
    years: pd.DataFrame, tmp_path: Path, form: str, column: str, value: float, reason: str
) -> None:
    years[column] = years[column].astype("float64")
    years.loc[7, column] = value
    getattr(years, f"to_{form}")(tmp_path / f"music_years.{form}", index=False)
    kept, faults, rows = read(tmp_path, "music_years")
    check(faults, _table(Quarantine), "quarantine")
    assert rows == len(years) == len(kept) + 1
    assert years["year"].iloc[7] not in set(kept["year"])
    [fault] = faults.to_dict("records")
    assert (fault["table"], fault["row"], fault["column"]) == ("music_years", 7, column)
    assert reason in fault["reason"]
    assert fault["value"] == "(missing)" if pd.isna(value) else float(fault["value"]) == value


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("n_songs", "twelve", "is not a number"),
        ("n_songs", "12.5", "is not a whole number"),
        ("n_songs", "1e400", "is above"),
        ("year", "999999999999999999999", "is above 2100"),
        ("energy_mean", "0,5", "is not a number"),
        ("energy_mean", "nan", "is missing"),
    ],
)
def test_a_cell_of_text_among_numbers_goes_to_quarantine(
    years: pd.DataFrame, tmp_path: Path, column: str, cell: str, reason: str
) -> None:
    years = years.astype(object)
    years.loc[3, column] = cell
    years.to_csv(tmp_path / "music_years.csv", index=False)
    kept, faults, _ = read(tmp_path, "music_years")
    assert len(kept) == len(years) - 1
    [fault] = faults.to_dict("records")
    assert (fault["row"], fault["column"], fault["value"]) == (3, column, cell)
    assert reason in fault["reason"]


def test_a_repeated_key_keeps_the_first_good_row(years: pd.DataFrame, tmp_path: Path) -> None:
    broken = years.iloc[[10]].assign(energy_mean=9.0)
    table = pd.concat([years.iloc[:10], broken, years.iloc[10:], years.iloc[[20]]], ignore_index=True)
    table.to_parquet(tmp_path / "music_years.parquet")
    kept, faults, rows = read(tmp_path, "music_years")
    assert rows == 100
    pd.testing.assert_frame_equal(kept[["year", "n_songs"]], years[["year", "n_songs"]])
    assert faults[["row", "column"]].to_numpy().tolist() == [[10, "energy_mean"], [99, "year"]]
    assert faults["reason"].iloc[1] == "repeats the key of row 21"


def test_every_reason_of_a_row_is_recorded(lyrics: pd.DataFrame, tmp_path: Path) -> None:
    lyrics.loc[4, ["joy_mean", "anger_mean"]] = [101.0, np.nan]
    lyrics.loc[4, "release_date"] = "2009-02-30"
    lyrics.loc[5, "artist"] = "  "
    lyrics.to_parquet(tmp_path / "album_lyrics.parquet")
    kept, faults, _ = read(tmp_path, "album_lyrics")
    assert len(kept) == 48
    assert faults[["row", "column", "reason"]].to_numpy().tolist() == [
        [4, "anger_mean", "is missing where a value is required"],
        [4, "joy_mean", "is above 100"],
        [4, "release_date", "is not a day written YYYY-MM-DD"],
        [5, "artist", "is blank"],
    ]


def test_names_that_look_missing_are_names(lyrics: pd.DataFrame, tmp_path: Path) -> None:
    lyrics.loc[[0, 1, 2], "artist"] = ["NA", "null", "None"]
    lyrics.loc[3, "album"] = "1989"
    lyrics.to_csv(tmp_path / "album_lyrics.csv", index=False)
    kept, faults, _ = read(tmp_path, "album_lyrics")
    assert faults.empty
    assert kept["artist"].head(3).tolist() == ["NA", "null", "None"]
    assert kept["album"].iloc[3] == "1989"


def test_other_columns_are_not_read_and_a_text_column_is_on_request(
    lyrics: pd.DataFrame, tmp_path: Path
) -> None:
    lyrics.assign(words="la la", mood=range(50)).to_parquet(tmp_path / "album_lyrics.parquet")
    plain, _, _ = read(tmp_path, "album_lyrics")
    assert not {"words", "mood", "text"} & set(plain)
    lyrics.assign(words=["la la", " "] * 25).to_parquet(tmp_path / "album_lyrics.parquet")
    with_text, faults, _ = read(tmp_path, "album_lyrics", text_column="words")
    assert faults.empty
    assert with_text["text"].isna().sum() == 25
    assert with_text["text"].iloc[0] == "la la"


# Invalid files: one error, no output.


def refused(folder: Path, table: str, *words: str, **params: object) -> None:
    with pytest.raises(ContractError) as error:
        read(folder, table, **params)
    message = str(error.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message


def test_missing_column(years: pd.DataFrame, tmp_path: Path) -> None:
    years.drop(columns="tempo_mean").to_parquet(tmp_path / "music_years.parquet")
    refused(tmp_path, "music_years", "music_years.parquet", "'tempo_mean' is missing", "found year")
    years.drop(columns="tempo_mean").to_csv(tmp_path / "music_years.csv")
    (tmp_path / "music_years.parquet").unlink()
    refused(tmp_path, "music_years", "music_years.csv", "'tempo_mean' is missing")


@pytest.mark.parametrize(
    ("column", "cells", "words"),
    [
        ("energy_mean", "str", ("text throughout", "expected numbers")),
        ("n_songs", "str", ("text throughout", "expected whole numbers")),
        ("energy_mean", "bool", ("bool throughout", "expected numbers")),
    ],
)
def test_wrong_dtype(
    years: pd.DataFrame, tmp_path: Path, column: str, cells: str, words: tuple[str, ...]
) -> None:
    years.astype({column: cells}).to_parquet(tmp_path / "music_years.parquet")
    refused(tmp_path, "music_years", "music_years.parquet", f"'{column}'", "row 0", *words)


def test_numbers_where_text_belongs(lyrics: pd.DataFrame, tmp_path: Path) -> None:
    lyrics.assign(artist=1.5).to_parquet(tmp_path / "album_lyrics.parquet")
    refused(tmp_path, "album_lyrics", "'artist'", "float64 throughout", "expected text")


def test_a_column_of_words_in_csv(years: pd.DataFrame, tmp_path: Path) -> None:
    years.assign(tempo_mean="fast").to_csv(tmp_path / "music_years.csv", index=False)
    refused(tmp_path, "music_years", "music_years.csv", "'tempo_mean'", "'fast'", "expected numbers")


def test_empty_file_and_heading_without_rows(years: pd.DataFrame, tmp_path: Path) -> None:
    for form in ("parquet", "csv"):
        path = tmp_path / f"music_years.{form}"
        path.touch()
        refused(tmp_path, "music_years", f"music_years.{form}", "empty (0 bytes)")
        getattr(years.head(0), f"to_{form}")(path, index=False)
        refused(tmp_path, "music_years", f"music_years.{form}", "no rows")
        path.unlink()


@pytest.mark.parametrize("keep", [4, 100, 20_000])
def test_truncated_parquet(tmp_path: Path, keep: int) -> None:
    whole = (SOURCE / "music_years.parquet").read_bytes()
    (tmp_path / "music_years.parquet").write_bytes(whole[:keep])
    refused(tmp_path, "music_years", "music_years.parquet", "not a complete Parquet file", "again")


def test_damage_inside_a_parquet_file(tmp_path: Path) -> None:
    data = bytearray((SOURCE / "music_years.parquet").read_bytes())
    data[200:900] = bytes(700)
    (tmp_path / "music_years.parquet").write_bytes(data)
    refused(tmp_path, "music_years", "music_years.parquet", "not a complete Parquet file")


def test_csv_that_is_not_utf8(lyrics: pd.DataFrame, tmp_path: Path) -> None:
    lyrics = lyrics.astype({"artist": object})
    lyrics.loc[5, "artist"] = "Beyoncé"
    lyrics.to_csv(tmp_path / "album_lyrics.csv", index=False, encoding="latin-1", errors="replace")
    refused(tmp_path, "album_lyrics", "album_lyrics.csv", "row 5", "'artist'", "0xe9", "iconv")


def test_csv_of_uneven_lines(tmp_path: Path, years: pd.DataFrame) -> None:
    years.to_csv(tmp_path / "music_years.csv", index=False)
    lines = (tmp_path / "music_years.csv").read_text().splitlines()
    lines[9] += ",1,2"
    (tmp_path / "music_years.csv").write_text("\n".join(lines))
    refused(tmp_path, "music_years", "music_years.csv", "not a regular CSV", "line 10")


def test_csv_whose_lines_are_all_too_long(tmp_path: Path, years: pd.DataFrame) -> None:
    years.to_csv(tmp_path / "music_years.csv", index=False)
    heading, *lines = (tmp_path / "music_years.csv").read_text().splitlines()
    (tmp_path / "music_years.csv").write_text("\n".join([heading, *(f"x,{line}" for line in lines)]))
    refused(tmp_path, "music_years", "music_years.csv", "not a regular CSV")


def test_missing_table(tmp_path: Path) -> None:
    refused(tmp_path, "music_years", "music_years.parquet", "music_years.csv", "emotion.ingest.tables")
    refused(tmp_path, "music_years", "other.csv not found", tables={"music_years": "other.csv"})


def test_tables_says_where_a_file_is(tmp_path: Path) -> None:
    there = {"music_years": str(SOURCE / "music_years.parquet")}
    kept, _, _ = read(tmp_path, "music_years", tables=there)
    assert len(kept) == 98
    with pytest.raises(ContractError, match="found 'music_year', expected one of"):
        ingest(
            params=shipped_params(
                IngestParams, "emotion.ingest", source=str(SOURCE), tables={"music_year": "x.csv"}
            )
        )


def test_a_mostly_broken_table_is_refused(years: pd.DataFrame, tmp_path: Path) -> None:
    years.loc[10:, "energy_mean"] *= 100
    years.to_parquet(tmp_path / "music_years.parquet")
    refused(tmp_path, "music_years", "90%", "'energy_mean' is above 1", "most_quarantined")
    kept, faults, _ = read(tmp_path, "music_years", most_quarantined=0.95)
    assert len(kept) == 10
    assert len(faults) == 88


def test_database_errors(years: pd.DataFrame, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with pytest.raises(ContractError, match="database file does not exist"):
        read_checked("music_years", shipped_params(IngestParams, "emotion.ingest", source=address))
    assert not (tmp_path / "catalogue.db").exists()
    engine = sqlalchemy.create_engine(address)
    years.drop(columns="year").to_sql("songs_by_year", engine, index=False)
    engine.dispose()
    with pytest.raises(ContractError, match=r"table 'music_years' not found.*songs_by_year"):
        read_checked("music_years", shipped_params(IngestParams, "emotion.ingest", source=address))
    names = {"music_years": "songs_by_year"}
    with pytest.raises(ContractError, match="column 'year' is missing"):
        read_checked(
            "music_years", shipped_params(IngestParams, "emotion.ingest", source=address, tables=names)
        )
    evil = {"music_years": "songs_by_year; DROP TABLE songs_by_year"}
    with pytest.raises(ContractError, match="not found"):
        read_checked(
            "music_years", shipped_params(IngestParams, "emotion.ingest", source=address, tables=evil)
        )


def test_types_that_databases_have(years: pd.DataFrame, lyrics: pd.DataFrame, tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'catalogue.db'}")
    lyrics["release_date"] = pd.to_datetime(lyrics["release_date"]).dt.date
    lyrics.to_sql("album_lyrics", engine, index=False, dtype={"release_date": sqlalchemy.Date()})
    exact = {"energy_mean": sqlalchemy.Numeric(12, 5), "valence_mean": sqlalchemy.Text()}
    years.to_sql("music_years", engine, index=False, dtype=exact)
    engine.dispose()
    params = shipped_params(IngestParams, "emotion.ingest", source=f"sqlite:///{tmp_path / 'catalogue.db'}")
    dates = read_checked("album_lyrics", params)[0]["release_date"]
    assert sorted(dates) == sorted(str(day) for day in lyrics["release_date"])
    kept, faults, _ = read_checked("music_years", params)
    assert faults.empty
    np.testing.assert_allclose(kept["energy_mean"], years["energy_mean"], atol=1e-5)
    np.testing.assert_allclose(kept["valence_mean"], years["valence_mean"], rtol=1e-6)


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ContractError) as error:
        read_checked(
            "music_years",
            shipped_params(IngestParams, "emotion.ingest", source="postgresql://me:hunter2@host/music"),
        )
    assert "password" in str(error.value)
    assert "hunter2" not in str(error.value)


def _table(model: object) -> object:
    from statewright.contracts import Table

    return Table[model]
