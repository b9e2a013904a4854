"""The choice of a program: space, evaluations, and unseen tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from methods.search.shortlist import regret
from methods.search.space import sample
from statewright.contracts import ContractError
from tasks.tuner.choose import ATTENTION, NAMES, choose, predict, searchers
from tasks.tuner.contracts.measure import MeasureSummary
from tasks.tuner.generator.choose import POSITIONS, encode, number_of, search_space
from tasks.tuner.generator.configuration import configurations
from tasks.tuner.measured import Measured, read_measured
from tasks.tuner.params import ChooseParams, EvaluateParams, MatrixParams, ProgramsParams

SPACE = configurations()
FEATURES = ("rows", "columns", "selectivity")
PARAMS = ChooseParams(share=0.15, population=4, epochs=80, repetitions=3, seed=0)
EVALUATE = EvaluateParams(rounds=5, tolerance=1.1, draws=100, seed=0)
MATRIX = MatrixParams(specs=("one", "two", "three"), rows=(1000, 100_000, 1_000_000))
PROGRAMS = ProgramsParams(
    folder="tasks/tuner/specs",
    engines=("pandas", "polars", "duckdb"),
    threads=(1, 2),
    batch_sizes=(0, 100_000),
)


def costs(rows: int, seed: int, noise: float = 0.0) -> np.ndarray:
    """Return costs with pandas best on small tables, and duckdb on large ones."""
    size = np.log10(rows)
    cpu = np.array(
        [
            {"pandas": 0.6 * size, "polars": 1.5 + 0.35 * size, "duckdb": 2.5 + 0.1 * size}[c.engine]
            + 0.2 * (c.read == "all")
            + 0.1 * (c.filters == "written") * (c.engine != "duckdb")
            + 0.15 * (c.batch_size > 0)
            + 0.02 * (c.threads == 2)
            + 0.01 * len(c.execution)
            for c in SPACE
        ]
    )
    wall = cpu - np.array([0.3 * (c.threads == 2) * (c.engine == "duckdb") for c in SPACE])
    drawn = np.random.default_rng(seed).normal(0, noise, (3, len(SPACE), 2))
    return np.exp(np.stack([cpu, wall], axis=1) + drawn)


def cells(noise: float = 0.0) -> list[Measured]:
    return [
        Measured(
            spec,
            rows,
            {"rows": np.log10(rows), "columns": 7.0 + s, "selectivity": -1.0 - s},
            costs(rows, s, noise),
        )
        for s, spec in enumerate(MATRIX.specs)
        for rows in MATRIX.rows
    ]


def write(folder: Path, measured: Sequence[Measured]) -> None:
    for cell in measured:
        place = folder / cell.key
        place.mkdir(parents=True)
        rounds, programs = np.indices(cell.costs.shape[:2])
        values = {"cpu": cell.costs[..., 0].ravel(), "wall": cell.costs[..., 1].ravel()}
        frame = pd.DataFrame({"program": programs.ravel(), "round": rounds.ravel(), **values})
        frame.sample(frac=1, random_state=0).to_parquet(place / "times.parquet")
        summary = MeasureSummary(
            spec=cell.spec, rows=cell.rows, programs=len(SPACE), rounds=3, features=dict(cell.features),
            imports={}, compared=1, equal=1,
        )  # fmt: skip
        (place / "summary.json").write_text(summary.model_dump_json())


def test_the_whole_space_is_small_enough_for_the_exhaustive_optimum():
    assert len(SPACE) == len(set(SPACE)) == 96 <= 200


def test_every_configuration_of_the_sampler_is_a_program_and_every_program_is_one():
    space = search_space(SPACE)
    rng = np.random.default_rng(0)
    found = {number_of(SPACE, sample(space, rng)) for _ in range(3000)}
    assert found == set(range(len(SPACE)))


def test_programs_as_numbers_keep_what_they_have_in_common():
    programs = encode(SPACE, dict.fromkeys(FEATURES, 1.0))
    assert programs.fragments.shape == (96, len(POSITIONS))
    assert programs.features.shape == (96, 3)
    assert programs.fragments.max() == programs.vocabulary - 1
    for column, name in enumerate(POSITIONS):
        values = np.array([str(getattr(c, name)) for c in SPACE])
        same = values[:, None] == values[None]
        numbers = programs.fragments[:, column]
        assert np.array_equal(numbers[:, None] == numbers[None], same)


def test_a_prediction_has_seen_no_cell_of_its_table_or_specification(tmp_path):
    matrix = MatrixParams(specs=("one", "two"), rows=(1000, 1_000_000))
    clean = [cell for cell in cells() if cell.spec in matrix.specs and cell.rows in matrix.rows]
    target, *others = clean
    changed = [target]
    for cell in others:
        broken = np.exp(np.random.default_rng(9).normal(size=cell.costs.shape))
        seen = cell.spec != target.spec and cell.rows != target.rows
        changed.append(cell if seen else Measured(cell.spec, cell.rows, cell.features, broken))
    write(tmp_path / "clean", clean)
    write(tmp_path / "changed", changed)
    params = PARAMS.model_copy(update={"epochs": 10})
    first, second = (
        choose(tmp_path / name, params=params, evaluate=EVALUATE, matrix=matrix, programs=PROGRAMS)
        for name in ("clean", "changed")
    )
    assert first.cells[target.key] == second.cells[target.key]
    assert first.cells["two-1000"] != second.cells["two-1000"]
    total = sum(share.mean for share in first.shares.values())
    performance = [1 / cell.searches["attention"].regret for cell in first.cells.values()]
    assert total == pytest.approx(np.mean(performance), abs=1e-3)


def test_few_measurements_find_the_optimum_on_a_table_that_was_not_seen():
    measured = cells()
    target = measured[4]
    others = [c for c in measured if c.spec != target.spec and c.rows != target.rows]
    found = predict(target, others, SPACE, PARAMS)
    searches = searchers(found, SPACE, PARAMS, budget=14)
    truth = regret(target.means)
    for name in (ATTENTION, NAMES[2]):
        choice = searches[name](target.replay(0), 0)
        assert len(choice.order) == 14
        assert truth[choice.chosen] < 1.02 * truth.min()
    random = [truth[searches["random"](target.replay(seed), seed).chosen] for seed in range(5)]
    assert np.mean(random) > truth[choice.chosen]


def test_measurements_are_replayed_in_turn_and_means_are_geometric(tmp_path):
    write(tmp_path, cells(noise=0.3))
    read = read_measured(tmp_path, MATRIX, 96)
    assert [cell.key for cell in read] == [cell.key for cell in cells()]
    cell, original = read[3], cells(noise=0.3)[3]
    assert np.array_equal(cell.costs, original.costs)
    assert cell.means[5] == pytest.approx(np.prod(original.costs[:, 5], axis=0) ** (1 / 3))
    measure = cell.replay(seed=1)
    three = {tuple(measure(5)) for _ in range(3)}
    assert three == {tuple(row) for row in original.costs[:, 5]}
    assert tuple(measure(5)) in three


def test_measurements_of_another_space_are_refused(tmp_path):
    write(tmp_path, cells())
    with pytest.raises(ContractError, match="96 programs, expected 48; run the stage tuner-measure@one-1000"):
        read_measured(tmp_path, MATRIX, 48)
    with pytest.raises(ContractError, match="run the stage tuner-measure@four-1000"):
        read_measured(tmp_path, MatrixParams(specs=("four", "one"), rows=(1000, 2000)), 96)
