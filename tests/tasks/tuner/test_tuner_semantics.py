"""Meaning of operators: engines agree with docs/generate-a-pipeline.md."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from program_worker import Worker

from tasks.tuner.generator.configuration import Configuration
from tasks.tuner.generator.generate import emit
from tasks.tuner.generator.plan import resolve
from tasks.tuner.generator.spec import Spec

CONFIGURATIONS = (
    Configuration("pandas", "merge"),
    Configuration("pandas", "lookup", batch_size=2),
    Configuration("polars", "eager"),
    Configuration("polars", "lazy", filters="written"),
    Configuration("polars", "streaming", batch_size=2),
    Configuration("duckdb", "views", filters="written"),
    Configuration("duckdb", "tables"),
)
ROW = {"i": 7, "n": None, "z": 0, "f": 2.5, "s": "Zoë", "e": "", "b": True, "u": None, "d": date(2020, 2, 29)}
COLUMNS = {
    **{"i": "integer", "n": "integer", "z": "integer", "f": "float", "s": "string", "e": "string"},
    **{"b": "boolean", "u": "boolean", "d": "date"},
}
ARROW = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
VALUES: dict[str, Any] = {
    # Numbers: integer division drops the fraction, the remainder has the sign of the dividend.
    "i / 2": 3.5,
    "i // 2": 3,
    "-i // 2": -3,
    "i // -2": -3,
    "-i % 4": -3,
    "i % -4": 3,
    "i / z": None,
    "i // z": None,
    "i % z": None,
    "f / z": None,
    "i + n": None,
    "i * f": 17.5,
    "2 + 3": 5,
    "abs(-i)": 7,
    # Three-valued logic.
    "i == n": None,
    "n == n": None,
    "i != n": None,
    "n is None": True,
    "i is not None": True,
    "not u": None,
    "b and u": None,
    "b or u": True,
    "not b and u": False,
    "n in [1, 2]": None,
    "n not in [1, 2]": None,
    "i not in [1, 2]": True,
    "1 < i < 9": True,
    "1 < n < 0": None,
    "1 if u else 2": 2,
    "coalesce(n, i)": 7,
    "null_if(i, 7)": None,
    "null_if(i, n)": 7,
    "null_if(0, i)": 0,
    "coalesce(0, i)": 0,
    # Text: order by code point, patterns without an escape, positions from 1.
    "s < 'a'": True,
    "s < 'Zo'": False,
    "'é' > 'z'": True,
    "'日' > 'é'": True,
    "e == ''": True,
    "e is None": False,
    "length(s)": 3,
    "substring(s, 2, 5)": "oë",
    "s + '!'": "Zoë!",
    "like(s, 'Z%')": True,
    "like(s, 'Z__')": True,
    "like(s, 'z%')": False,
    "like(s, '%o%')": True,
    "like(s, 'Z.ë')": False,
    "like('a\\nb', 'a_b')": True,
    "like(e, '%')": True,
    "starts_with(s, 'Zo')": True,
    "ends_with(s, 'ë')": True,
    "contains(s, '.')": False,
    # Dates.
    "year(d)": 2020,
    "month(d)": 2,
    "day(d)": 29,
    "d < date('2020-03-01')": True,
}


def run(worker: Worker, spec: dict[str, Any], choice: Configuration) -> pa.Table:
    """Run a specification in the worker's folder and return its result."""
    out = worker.folder / "result.parquet"
    out.unlink(missing_ok=True)
    program = emit(resolve(Spec.model_validate(spec)), choice).text()
    assert worker.run(program, worker.folder, out) == "done", program
    return pq.ParquetFile(out).read()


def specification(path: str, columns: dict[str, str], *steps: dict[str, Any]) -> dict[str, Any]:
    """Return a specification of one source and one table."""
    return {
        "name": "p",
        "sources": {"t": {"path": path, "columns": columns}},
        "tables": {"r": {"from": "t", "steps": list(steps)}},
        "sink": {"table": "r"},
    }


def write(worker: Worker, name: str, columns: dict[str, pa.Array]) -> str:
    path = f"{name}.parquet"
    pq.write_table(pa.table(columns), worker.folder / path)
    return path


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: f"{c.engine}-{c.execution}")
def test_operators_have_one_meaning(worker: Worker, choice: Configuration) -> None:
    path = write(worker, "one", {name: pa.array([ROW[name]], ARROW[kind]) for name, kind in COLUMNS.items()})
    names = {f"v{number}": text for number, text in enumerate(VALUES)}
    spec = specification(path, COLUMNS, {"derive": names}, {"select": list(names)})
    table = run(worker, spec, choice)
    found = table.to_pylist()[0]
    assert {kind for kind in table.schema.types if pa.types.is_integer(kind)} == {pa.int64()}
    assert {text: found[name] for name, text in names.items()} == VALUES


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: f"{c.engine}-{c.execution}")
def test_groups_ignore_nulls_and_may_be_empty(worker: Worker, choice: Configuration) -> None:
    values = {"k": pa.array(["a", "a", None, None]), "x": pa.array([1.0, None, None, None])}
    path = write(worker, "groups", values)
    columns = {"k": "string", "x": "float"}
    aggregates = {
        **{"total": "sum(x)", "average": "mean(x)", "least": "min(x)", "most": "max(x)"},
        **{"known": "count(x)", "rows": "count()", "kinds": "count_distinct(x)", "one": "sum(1)"},
        "none": "sum(x, where=x > 5)",
    }
    grouped = specification(
        path, columns, {"group": {"by": ["k"], "aggregates": aggregates}}, {"sort": ["k"]}
    )
    first, second = run(worker, grouped, choice).to_pylist()
    shared = {"rows": 2, "one": 2, "none": None}
    assert first == {
        "k": "a", "total": 1.0, "average": 1.0, "least": 1.0, "most": 1.0, "known": 1, "kinds": 1, **shared
    }  # fmt: skip
    empty = {"total": None, "average": None, "least": None, "most": None, "known": 0, "kinds": 0}
    assert second == {"k": None, **empty, **shared}
    # Without keys there is one group, also of no rows.
    steps = ({"filter": "k == 'b'"}, {"group": {"aggregates": aggregates}})
    (only,) = run(worker, specification(path, columns, *steps), choice).to_pylist()
    assert only == {**empty, "rows": 0, "one": None, "none": None}


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: f"{c.engine}-{c.execution}")
def test_sort_puts_nulls_last_and_breaks_ties(worker: Worker, choice: Configuration) -> None:
    path = write(worker, "order", {"a": pa.array([2, None, 1, 2, 1]), "b": pa.array([5, 1, 4, 3, None])})
    columns = {"a": "integer", "b": "integer"}
    rows = run(worker, specification(path, columns, {"sort": ["a desc"]}, {"limit": 5}), choice).to_pylist()
    assert [(row["a"], row["b"]) for row in rows] == [(2, 3), (2, 5), (1, 4), (1, None), (None, 1)]
    rows = run(worker, specification(path, columns, {"sort": ["b", "a"]}), choice).to_pylist()
    assert [row["b"] for row in rows] == [1, 3, 4, 5, None]


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: f"{c.engine}-{c.execution}")
def test_files_give_typed_values_without_nan(worker: Worker, choice: Configuration) -> None:
    """Read decimals as the nearest float, NaN and infinity as null."""
    hundredths = [Decimal(n) / 100 for n in (-101, 7, 29, 58, 113, 99999)]
    values = {
        "f": pa.array([math.nan, math.inf, -math.inf, 1.5, None, -0.0]),
        "c": pa.array(hundredths, pa.decimal128(15, 2)),
        "w": pa.array([value * 10**18 for value in hundredths], pa.decimal128(30, 2)),
        "n": pa.array([1, 2, 3, 4, 5, None], pa.int16()),
        "d": pa.array([datetime(2020, 1, 31, 23, 59)] * 6, pa.timestamp("us")),
    }
    columns = {"f": "float", "c": "float", "w": "float", "n": "integer", "d": "date"}
    table = run(worker, specification(write(worker, "files", values), columns), choice)
    assert table["f"].to_pylist() == [None, None, None, 1.5, None, 0.0]
    assert table["c"].to_pylist() == [float(value) for value in hundredths]
    assert table["w"].to_pylist() == pytest.approx([float(value) * 1e18 for value in hundredths], rel=1e-15)
    assert table["n"].to_pylist() == [1, 2, 3, 4, 5, None]
    assert table["n"].type == pa.int64()
    assert table["d"].to_pylist() == [date(2020, 1, 31)] * 6


@pytest.mark.parametrize("choice", CONFIGURATIONS, ids=lambda c: f"{c.engine}-{c.execution}")
def test_csv_files_are_read_and_written(worker: Worker, choice: Configuration) -> None:
    text = (
        'a b,"x ""y""",t,d,s,unused\n1,2.5,true,2020-01-31,"é, ""q""\nnext",!\n'
        ',,,,"",!\n-3,1e3,false,1969-12-31,007,!\n'
    )
    (worker.folder / "in.csv").write_text(text, encoding="utf-8")
    columns = {"a b": "integer", 'x "y"': "float", "t": "boolean", "d": "date", "s": "string"}
    spec = specification("in.csv", columns, {"sort": ["a b"]})
    rows = run(worker, spec, choice).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (-3, 1000.0, False, date(1969, 12, 31), "007"),
        (1, 2.5, True, date(2020, 1, 31), 'é, "q"\nnext'),
        (None, None, None, None, None),
    ]
    spec["sink"]["format"] = "csv"
    out = worker.folder / "out.csv"
    program = emit(resolve(Spec.model_validate(spec)), choice).text()
    assert worker.run(program, worker.folder, out) == "done", program
    (worker.folder / "again.csv").write_bytes(out.read_bytes())
    again = run(worker, specification("again.csv", columns, {"sort": ["a b"]}), choice).to_pylist()
    assert again == rows


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_a_missing_column_is_named(worker: Worker, engine: str, tmp_path: Path) -> None:
    path = write(worker, "few", {"A": pa.array([1])})
    spec = specification(path, {"a": "integer"})
    program = emit(resolve(Spec.model_validate(spec)), Configuration(engine)).text()
    error = worker.run(program, worker.folder, tmp_path / "out.parquet")
    assert "few.parquet has no column 'a'; it has ['A']" in error
