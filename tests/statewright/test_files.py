"""Files: a round trip of each format, and errors that name the file."""

from __future__ import annotations

import hashlib
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.contracts import Document
from statewright.files import FileError, dump_json, load, md5, replacing, save

FRAME = pd.DataFrame({"name": ["Björk", "a,b\n", ""], "x": [0.1, 1e300, -2.5], "n": [1, 2**60, -3]})
TENSORS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3).T,  # not contiguous
    "a": np.array([1, 2], dtype=np.int64),
    "empty": np.zeros((0, 3)),
    "number": np.array(0.5, dtype=np.float32),  # no dimension
}


def test_a_table_survives_parquet(tmp_path: Path) -> None:
    frame = FRAME.assign(missing=[None, 1.5, math.nan], flag=[True, False, True])
    save(frame, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(load(tmp_path / "t.parquet"), frame)


def test_a_table_survives_csv(tmp_path: Path) -> None:
    frame = FRAME.assign(name=["Björk", 'a,"b"\n', "c"])
    save(frame, tmp_path / "t.csv")
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()
    pd.testing.assert_frame_equal(load(tmp_path / "t.csv"), frame, check_exact=True)


def test_a_table_without_rows_survives(tmp_path: Path) -> None:
    save(FRAME.iloc[:0], tmp_path / "t.parquet")
    assert list(load(tmp_path / "t.parquet").columns) == ["name", "x", "n"]
    save(FRAME.iloc[:0], tmp_path / "t.csv")
    assert list(load(tmp_path / "t.csv").columns) == ["name", "x", "n"]


def test_arrays_survive_safetensors(tmp_path: Path) -> None:
    save(TENSORS, tmp_path / "m.safetensors")
    found = load(tmp_path / "m.safetensors")
    assert set(found) == set(TENSORS)
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_text_and_bytes_survive(tmp_path: Path) -> None:
    for name, value in [
        ("r.html", "<p>é</p>\n"),
        ("r.svg", "<svg/>"),
        ("r.md", "# a"),
        ("r.png", b"\x89PNG"),
    ]:
        save(value, tmp_path / name)
        assert load(tmp_path / name) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(JSON.filter(lambda value: "\ud800" not in repr(value)))
def test_json_survives(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "v.json"
    try:
        dump_json(value).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate cannot be encoded
    save(value, path)
    assert load(path) == value


def test_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    for name, first, second in [
        ("v.json", {"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        ("v.safetensors", TENSORS, dict(reversed(TENSORS.items()))),
        ("v.parquet", FRAME, FRAME.copy()),
        ("v.csv", FRAME, FRAME.copy()),
    ]:
        save(first, tmp_path / name)
        before = (tmp_path / name).read_bytes()
        save(second, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before, name


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused_and_leaves_no_file(tmp_path: Path, value: float) -> None:
    with pytest.raises(FileError, match=r"v\.json cannot be written: .*JSON"):
        save({"rmse": value}, tmp_path / "v.json")
    assert list(tmp_path.iterdir()) == []


def test_a_document_with_nan_is_refused_too(tmp_path: Path) -> None:
    class Score(Document):
        rmse: float

    with pytest.raises(ValueError, match=r"JSON|rmse"):
        save(Score(rmse=math.nan), tmp_path / "v.json")
    assert not (tmp_path / "v.json").exists()


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"t\.parquet does not exist"):
        load(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.json", "t.safetensors", "t.html", "t.png"])
def test_an_empty_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(FileError, match=rf"{name} is empty \(0 bytes\)"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.safetensors", "t.json"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, part: float) -> None:
    value: Any = {"t.parquet": FRAME, "t.safetensors": TENSORS, "t.json": {"a": [1, 2, 3]}}[name]
    save(value, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(FileError, match=f"{name} cannot be read as"):
        load(tmp_path / name)


def test_a_csv_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("name\nBj\xf6rk\n".encode("latin-1"))
    with pytest.raises(FileError, match=r"t\.csv cannot be read as \.csv.*utf-8"):
        load(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.pkl", "t", "t.xlsx"])
def test_an_unknown_file_type_is_refused_on_reading_and_writing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FileError, match=r"unknown file type '.*'; expected one of \.csv, "):
        load(tmp_path / name)
    with pytest.raises(FileError, match="unknown file type"):
        save({}, tmp_path / f"new{name}")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_is_loaded_as_its_path(tmp_path: Path) -> None:
    assert load(tmp_path) == tmp_path


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    save({"a": 1}, tmp_path / "v.json")
    with pytest.raises(FileError, match=r"v\.json cannot be written"):
        save({"a": object()}, tmp_path / "v.json")
    assert load(tmp_path / "v.json") == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_new_file_has_the_mode_of_the_user_s_umask(tmp_path: Path, umask: int) -> None:
    values: dict[str, Any] = {
        "v.json": {"a": 1},
        "v.txt": "a",
        "v.csv": pd.DataFrame({"a": [1]}),
        "v.parquet": pd.DataFrame({"a": [1]}),
        "v.safetensors": {"a": np.zeros(2)},
    }
    before = os.umask(umask)
    try:
        for name, value in values.items():
            save(value, tmp_path / "deep" / "er" / name)
        (tmp_path / "by hand").write_text("")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "deep" / "er").iterdir()}
    assert modes == dict.fromkeys(values, (tmp_path / "by hand").stat().st_mode & 0o777)


@pytest.mark.parametrize(("mode", "after"), [(0o600, 0o600), (0o664, 0o664), (0o755, 0o755), (0o444, 0o640)])
def test_a_replaced_file_keeps_its_mode_unless_it_is_read_only(tmp_path: Path, mode: int, after: int) -> None:
    path = tmp_path / "v.json"
    path.write_text("{}")
    path.chmod(mode)
    before = os.umask(0o027)
    try:
        save({"a": 1}, path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == after


def test_the_new_file_appears_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # one file system, so that the rename is atomic
        assert temporary.name.startswith(".")
    assert path.read_text() == "new"


def test_md5_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"la" * 100_000)
    assert md5(tmp_path / "x") == hashlib.md5(b"la" * 100_000).hexdigest()
