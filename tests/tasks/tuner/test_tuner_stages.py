"""Generated programs are counted, timed and evaluated as the stages do it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tasks.tuner.contracts.choose import CellChoice, Choices, SearchScores
from tasks.tuner.contracts.tables import IngestOutputs
from tasks.tuner.evaluate import evaluate
from tasks.tuner.generate import generate, operations, written
from tasks.tuner.generator.generate import load_plan
from tasks.tuner.generator.tables import scaled
from tasks.tuner.ingest import ingest
from tasks.tuner.measure import measure
from tasks.tuner.params import (
    EvaluateParams,
    GenerateCell,
    IngestParams,
    MeasureCell,
    MeasureParams,
    ProgramsParams,
)

ROOT = Path(__file__).resolve().parents[3]
SPECS = ROOT / "tasks" / "tuner" / "specs"
PROGRAMS = ProgramsParams(folder=str(SPECS), engines=("pandas", "polars"), threads=(1,), batch_sizes=(0,))
MEASURE = MeasureParams(rounds=2, repeats=1, small=1000, seed=0)


@pytest.fixture(scope="module")
def shipped() -> IngestOutputs:
    return ingest(params=IngestParams(source=str(ROOT / "data" / "source"), most_quarantined=0.2))


def test_the_shipped_tables_keep_their_rows_but_one_artist_without_a_name(shipped):
    assert shipped.ingest.tables["career_audio"].rows_quarantined == 0
    assert shipped.ingest.reasons == {"artists artist is missing where a value is required": 1}
    assert len(shipped.artists) == shipped.ingest.tables["artists"].rows_kept


def test_a_scaled_table_has_rows_of_the_shipped_one_with_a_little_noise(shipped):
    table = scaled(shipped.careers, 5000, seed=3)
    assert len(table) == 5000
    assert table.equals(scaled(shipped.careers, 5000, seed=3))
    keys = ["artist_id", "year", "n_songs"]
    both = table.merge(shipped.careers, on=keys, suffixes=("", "_shipped"))
    assert set(map(tuple, table[keys].to_numpy())) <= set(map(tuple, shipped.careers[keys].to_numpy()))
    ratio = both["tempo_mean"] / both["tempo_mean_shipped"]
    assert ratio.mean() == pytest.approx(1, abs=0.002)
    assert 0.008 < ratio.std() < 0.012
    assert table["tempo_mean"].is_unique


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
@pytest.mark.parametrize("spec", ["mood_by_genre", "busiest_artists", "bright_years"])
def test_every_operation_of_a_specification_is_found_in_its_program(spec, engine):
    programs = PROGRAMS.model_copy(update={"engines": (engine,)})
    outputs = generate(cell=GenerateCell(spec=spec, engine=engine), programs=programs)
    asked, found = operations(load_plan(SPECS / f"{spec}.yaml")), written(outputs.program)
    assert {name for name, number in found.items() if number} == set(asked)
    assert found["group"] == asked["group"]
    summary = outputs.generated
    assert summary.same_bytes
    assert summary.classes == [0, 0]
    # Without a join, both executions of pandas are one program.
    twice = 2 if (spec, engine) == ("bright_years", "pandas") else 1
    assert summary.distinct == summary.programs / twice
    assert -0.3 < summary.alignment[0] <= summary.alignment[1] <= 0
    assert outputs.program.count("\n# -----") == 3


def test_every_program_is_timed_in_every_round_and_gives_the_same_result(shipped):
    outputs = measure(
        shipped.careers,
        shipped.artists,
        cell=MeasureCell(spec="busiest_artists", rows=500),
        params=MEASURE,
        programs=PROGRAMS,
    )
    summary, times = outputs.summary, outputs.times
    assert summary.compared == summary.equal == summary.programs == 20
    assert times.groupby("program")["round"].apply(sorted).tolist() == [[0, 1]] * 20
    assert (times[["cpu", "wall"]] > 0).all(axis=None)
    assert set(summary.imports) == {"pandas", "polars"}
    assert summary.features["rows"] == pytest.approx(2.69897)
    assert (summary.features["joins"], summary.features["groups"], summary.features["sorts"]) == (1, 1, 1)


def test_a_choice_is_measured_again_beside_the_best_programs(shipped):
    score = SearchScores(regret=1.0, worst=1.0, within=1.0, same=1.0)
    cell = CellChoice(
        spec="mood_by_genre", rows=400, programs=20, budget=6, evaluations=6, chosen=12, best=12, best_cpu=13,
        best_wall=12, configuration={}, best_configuration={}, ranking={}, searches={"attention": score},
        weights=[],
    )  # fmt: skip
    choices = Choices(cells={"cell": cell}, shares={}, positions=[], features=[])
    params = EvaluateParams(rounds=5, tolerance=1.1, draws=200, seed=0)
    tables: tuple[pd.DataFrame, pd.DataFrame] = (shipped.careers, shipped.artists)
    found = evaluate(*tables, choices, params=params, measure=MEASURE, programs=PROGRAMS)
    (evaluated,) = found.cells.values()
    # Beside itself, the ratio is 1 and the choice equals the optimum.
    assert (evaluated.wall.low, evaluated.wall.high) == (1, 1)
    assert evaluated.equal
    assert found.equal == 1
    assert evaluated.cpu.low <= evaluated.cpu.median <= evaluated.cpu.high
    assert evaluated.within == (max(evaluated.cpu.median, evaluated.wall.median) <= 1.1)
    assert evaluated.default["cpu"].median > 0
    assert all(20 < memory < 2000 for memory in evaluated.peak_mb.values())
