"""Check that tables of benchmarks are stored, printed and recorded in MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks import parts
from benchmarks.parts import Omission, keep, markdown, measured, numbers, run_part
from statewright.record.experiment import open_record
from tasks.report.benchmark import Benchmark, BenchmarkTable

SPEED = BenchmarkTable(
    name="speed", title="Seconds.", columns=["search", "ms", "p"],
    rows=[["ours", 0.123456, None], ["theirs", -1234.5, "not run"], [7, 2, 0.5]], decimals={"ms": 1},
)  # fmt: skip


def renamed(value: float) -> BenchmarkTable:
    return SPEED.model_copy(update={"name": "other", "rows": [["ours", value, None]]})


def test_rows_of_another_width_and_decimals_of_unknown_columns_raise_an_error():
    with pytest.raises(ValidationError, match="expected 3, one per column"):
        BenchmarkTable(name="t", title="", columns=["a", "b", "c"], rows=[[1]])
    with pytest.raises(ValidationError, match="decimals names d; the columns are a"):
        BenchmarkTable(name="t", title="", columns=["a"], rows=[], decimals={"d": 1})


def test_cells_are_shown_with_their_decimals():
    assert SPEED.formatted() == [["ours", "0.1", "–"], ["theirs", "−1,234.5", "not run"], ["7", "2", "0.500"]]
    assert markdown(SPEED).splitlines()[2:5] == [
        "| search | ms | p |",
        "| --- | --- | --- |",
        "| ours | 0.1 | – |",
    ]


def test_tables_that_are_not_measured_again_keep_their_date(tmp_path: Path):
    path = tmp_path / "figures" / "x_benchmark.json"
    first = measured(SPEED, "first").model_copy(update={"date": "2001-02-03"})
    keep(path, "x", first)
    keep(path, "x", measured(renamed(1.0), "second"))
    keep(path, "x", measured(renamed(2.0), "third"))
    stored = Benchmark.model_validate(json.loads(path.read_text()))
    assert [(table.name, table.command) for table in stored.tables] == [
        ("speed", "first"),
        ("other", "third"),
    ]
    assert stored.tables[0].date == "2001-02-03"
    assert stored.tables[1].rows == [["ours", 2.0, None]]
    assert stored.tables[1].versions["Python"].startswith("3.")


def test_every_number_has_a_unique_name():
    twice = SPEED.model_copy(update={"rows": [["ours", 1.0, None], ["ours", 2.0, 3.0]]})
    assert numbers([SPEED]) == {
        "speed.ours.ms": 0.123456, "speed.theirs not run.ms": -1234.5, "speed.7.search": 7.0,
        "speed.7.ms": 2.0, "speed.7.p": 0.5,
    }  # fmt: skip
    assert numbers([twice]) == {"speed.ours.ms": 1.0, "speed.ours.ms 2": 2.0, "speed.ours.p": 3.0}


def test_a_run_is_printed_stored_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run_part("toys", "x", iter([SPEED, Omission("no data"), renamed(4.5)]), "python -m toys x")
    captured = capsys.readouterr()
    assert captured.out.count("| ours |") == 2
    assert "x: skipped, the last figures are kept: no data" in captured.err
    record = open_record(tmp_path, experiment="benchmarks")
    [run] = record.client.search_runs([record.experiment_id])
    assert (run.info.run_name, run.info.status) == ("x", "FINISHED")
    assert run.data.metrics["other.ours.ms"] == 4.5
    assert run.data.metrics["speed.theirs not run.ms"] == -1234.5
    assert run.data.tags["statewright.command"] == "python -m toys x"
    artifact = record.client.download_artifacts(run.info.run_id, "x_benchmark.json", str(tmp_path))
    stored = tmp_path / "benchmarks/figures/toys/x_benchmark.json"
    assert Path(artifact).read_bytes() == stored.read_bytes()


def test_a_part_without_a_table_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "ROOT", tmp_path)
    run_part("toys", "x", iter([Omission("no data")]), "python -m toys x")
    assert list(tmp_path.iterdir()) == []
