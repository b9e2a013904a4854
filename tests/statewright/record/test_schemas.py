"""Columns and tensors of data files, beside pandas, MLflow and safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from statewright.record.schemas import Table, Tensors, read_data

FRAME = pd.DataFrame(
    {
        "whole": [1, 2, 3, 4, 5, 6],
        "number": [0.5, 1.5, -2.0, 3.25, 1e9, 0.0],
        "gaps": [1.0, None, 3.0, None, 5.0, 6.0],
        "text": ["a", "b, c", 'd"', "e", "f", "g"],
        "flag": [True, False, True, False, True, True],
    }
)


def mlflow_types(frame: pd.DataFrame) -> dict[str, str]:
    from mlflow.types.utils import _infer_schema

    return {column["name"]: column["type"] for column in _infer_schema(frame).to_dict()}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".json", ".jsonl"])
@pytest.mark.filterwarnings("ignore:Hint")
def test_types_and_rows_are_those_of_pandas_and_mlflow(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    frame = FRAME.drop(columns="flag") if suffix in (".csv", ".tsv") else FRAME
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix in (".json", ".jsonl"):
        frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    table = read_data(path)
    assert isinstance(table, Table)
    types = dict(table.columns)
    if suffix in (".json", ".jsonl"):  # pandas writes 1.0 as 1.0 there, and the schema is that of the text
        types = {name: kind for name, kind in types.items() if name != "gaps"}
    assert types == {name: kind for name, kind in mlflow_types(frame).items() if name in types}
    assert table.number == (None if suffix == ".jsonl" else len(frame))
    expected = json.loads(frame.head(5).to_json(orient="split"))
    assert table.example() == {"columns": expected["columns"], "data": expected["data"]}


def test_tensors_are_those_of_safetensors(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tensors: dict[str, Any] = {
        "x": generator.random((4, 2, 3), dtype=np.float32),
        "y": np.arange(4),
        "mask": np.array([[True, False]]),
        "scalar": np.array(2.5),
    }
    save_file(tensors, tmp_path / "t.safetensors")
    read = read_data(tmp_path / "t.safetensors")
    assert isinstance(read, Tensors)
    assert read.shapes == {name: (str(value.dtype), value.shape) for name, value in tensors.items()}
    for name in ("x", "y", "mask"):
        np.testing.assert_array_equal(
            np.array(read.first[name], dtype=tensors[name].dtype), tensors[name][:1]
        )
    (x,) = (item for item in read.specification() if item["name"] == "x")
    assert x["tensor-spec"] == {"dtype": "float32", "shape": [-1, 2, 3]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"x,x\n1,2\n"),
        ("a.csv", b"\xff\xfe"),
        ("a.json", b'{"rmse": 1}'),
        ("a.json", b"{"),
        ("a.parquet", b"PAR1"),
        ("a.safetensors", b"\x00" * 4),
        ("a.safetensors", (2**60).to_bytes(8, "little")),
        ("a.pkl", b"cos\nsystem\n(S'false'\ntR."),
    ],
)
def test_what_cannot_be_read_has_no_columns(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_data(tmp_path / name) is None
