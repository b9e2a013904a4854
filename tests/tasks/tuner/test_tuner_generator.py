"""Generated programs: every engine gives the rows that plain Python gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated_pipelines import Pipeline, pipelines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program_worker import Worker
from random_expressions import ARROW, Row

from tasks.tuner.generator.configuration import ENGINES, Configuration, configurations
from tasks.tuner.generator.generate import emit
from tasks.tuner.generator.plan import resolve
from tasks.tuner.generator.spec import parse_spec

RELATIVE = 1e-9


def dump(value: Any) -> str:
    """Return plain data as YAML, with each text in quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dump(key)}: {dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dump(item) for item in value) + "]"
    if isinstance(value, int):
        return str(value)
    plain = (c if c.isalnum() or c in " _.,()[]" else f"\\U{ord(c):08x}" for c in value)
    return f'"{"".join(plain)}"'


def write_tables(pipeline: Pipeline, folder: Path) -> None:
    for name, (schema, rows) in pipeline.tables.items():
        columns = {
            column: pa.array([row[column] for row in rows], ARROW[kind]) for column, kind in schema.items()
        }
        pq.write_table(pa.table(list(columns.values()), names=list(columns)), folder / f"{name}.parquet")


def sorted_rows(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return rows in an order that does not depend on the last digits of a number."""
    cells = [tuple(row.values()) for row in rows]
    return sorted(
        cells,
        key=lambda row: [(v is None, f"{v + 0.0:.6g}" if isinstance(v, float) else repr(v)) for v in row],
    )


def read_rows(path: Path) -> tuple[pa.Schema, list[Row]]:
    table = pq.ParquetFile(path).read()
    names = table.column_names
    return table.schema, [
        dict(zip(names, values, strict=True))
        for values in zip(*(column.to_pylist() for column in table.columns), strict=True)
    ]


def assert_rows(found: list[Row], wanted: list[Row]) -> None:
    """Compare rows in any order: types and nulls exactly, floats nearly."""
    assert len(found) == len(wanted)
    for mine, other in zip(sorted_rows(found), sorted_rows(wanted), strict=True):
        assert [type(value) for value in mine] == [type(value) for value in other]
        for a, b in zip(mine, other, strict=True):
            assert a == (pytest.approx(b, rel=RELATIVE, abs=1e-12) if isinstance(b, float) else b)


CHOICES = {engine: st.sampled_from(configurations([engine], (1,), (0, 3))) for engine in ENGINES}


@pytest.mark.parametrize("step", ["derive", "filter", "group", "join", "sort", "union"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_engines_give_the_rows_of_plain_python(worker: Worker, step: str, data: st.DataObject) -> None:
    pipeline = data.draw(pipelines(step))
    choices = [data.draw(strategy) for strategy in CHOICES.values()]
    check(worker, pipeline, choices)


def check(worker: Worker, pipeline: Pipeline, choices: list[Configuration]) -> None:
    """Run a pipeline with each configuration, and compare names, types and rows."""
    folder = worker.folder
    write_tables(pipeline, folder)
    spec, _ = parse_spec(dump(pipeline.spec))
    plan = resolve(spec)
    for choice in choices:
        out = folder / "out.parquet"
        out.unlink(missing_ok=True)
        program = emit(plan, choice).text()
        assert worker.run(program, folder, out) == "done", program
        schema, rows = read_rows(out)
        assert schema.names == list(plan.columns)
        kinds = [str(kind).replace("large_", "") for kind in schema.types]
        assert kinds == [str(ARROW[kind]) for kind in plan.columns.values()]
        assert_rows(rows, pipeline.rows)
