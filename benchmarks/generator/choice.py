"""Choice of a program by few measurements, on five tables of 1e3 to 1e7 rows.

Specification 5 §8. The stages of the pipeline `tuner` measure, choose and evaluate, on larger tables. The
measurements of a table are kept in `build/generator`, so that a command that was stopped resumes; delete the
folder to measure again.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.parts import ROOT, Tables
from statewright import files
from tasks.report.benchmark import BenchmarkTable, TextOrNumber
from tasks.tuner.choose import choose
from tasks.tuner.contracts.choose import Choices, Evaluation
from tasks.tuner.contracts.tables import IngestOutputs
from tasks.tuner.evaluate import evaluate
from tasks.tuner.ingest import ingest
from tasks.tuner.measure import measure
from tasks.tuner.measured import read_summary
from tasks.tuner.params import (
    ChooseParams,
    EvaluateParams,
    IngestParams,
    MatrixParams,
    MeasureCell,
    MeasureParams,
    ProgramsParams,
)
from tasks.tuner.sections.attention import ATTENTION, SPECIFIED, regrets
from tasks.tuner.sections.words import configuration_name

ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
LARGE = 1_000_000
"""Rows from which on a program is measured twice only."""
FOLDER = ROOT / "build" / "generator"


def tables(repeat: int) -> Tables:
    """Yield the choice beside the optimum, the searches, and the imports."""
    blocks = _params()
    matrix = MatrixParams.model_validate({**blocks["matrix"], "rows": list(ROWS)})
    programs = ProgramsParams.model_validate(blocks["programs"])
    measured = MeasureParams.model_validate({**blocks["measure"], "rounds": max(2, repeat)})
    chosen, evaluated = (
        ChooseParams.model_validate(blocks["choose"]),
        EvaluateParams.model_validate(blocks["evaluate"]),
    )
    shipped = ingest(params=IngestParams.model_validate(blocks["ingest"]))
    for spec, rows in product(matrix.specs, matrix.rows):
        _measure(MeasureCell(spec=spec, rows=rows), shipped, measured, programs)
    choices = choose(FOLDER, params=chosen, evaluate=evaluated, matrix=matrix, programs=programs)
    evaluation = evaluate(
        shipped.careers, shipped.artists, choices, params=evaluated, measure=measured, programs=programs
    )
    yield _choice(choices, evaluation)
    yield _searches(choices)
    yield _shares(choices)
    yield _rankings(choices)
    yield _imports(matrix)


def _params() -> Mapping[str, Any]:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    blocks: Mapping[str, Any] = YAML(typ="safe").load(text)["tuner"]
    return blocks


def _measure(
    cell: MeasureCell, shipped: IngestOutputs, params: MeasureParams, programs: ProgramsParams
) -> None:
    """Measure one table, unless its figures are kept."""
    folder = FOLDER / f"{cell.spec}-{cell.rows}"
    if (folder / "summary.json").is_file():
        return
    if cell.rows >= LARGE:
        params = params.model_copy(update={"rounds": 2})
    outputs = measure(shipped.careers, shipped.artists, cell=cell, params=params, programs=programs)
    folder.mkdir(parents=True, exist_ok=True)
    files.save_all({folder / "times.parquet": outputs.times, folder / "summary.json": outputs.summary})


def _choice(choices: Choices, evaluation: Evaluation) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for key, cell in evaluation.cells.items():
        choice = choices.cells[key]
        rows.append(
            [
                cell.spec, cell.rows, choice.evaluations, choice.programs,
                configuration_name(choice.configuration),
                cell.cpu.median, cell.cpu.low, cell.cpu.high,
                cell.wall.median, cell.wall.low, cell.wall.high,
                "yes" if cell.equal else "no",
                cell.default["cpu"].median, cell.default["wall"].median,
                cell.peak_mb["choice"], cell.peak_mb["default"],
            ]
        )  # fmt: skip
    return BenchmarkTable(
        name="choice",
        title=(
            f"Seconds of the chosen program over those of the program with the least, measured again in "
            f"{evaluation.rounds} interleaved rounds: median and 95 % interval. Equal: the exhaustive "
            "optimum, or "
            "not shown to be slower. Times: seconds of the default program for pandas over those of the "
            "choice."
        ),
        columns=[
            "specification", "rows", "evaluations", "programs", "chosen", "CPU", "CPU low", "CPU high",
            "wall", "wall low", "wall high", "equal", "times (CPU)", "times (wall)", "peak (MiB)",
            "peak of default (MiB)",
        ],
        rows=rows,
        decimals={"times (CPU)": 1, "times (wall)": 1, "peak (MiB)": 0, "peak of default (MiB)": 0},
    )  # fmt: skip


def _searches(choices: Choices) -> BenchmarkTable:
    cells = list(choices.cells.values())
    return BenchmarkTable(
        name="searches",
        title=(
            f"Searches with {cells[0].budget} of {cells[0].programs} measurements: seconds over those of the "
            "optimum, mean over tables and seeds; the largest; shares of seeds within 1.10 and at the "
            "optimum."
        ),
        columns=["search", "regret", "worst", "within", "same"],
        rows=[
            [
                name,
                mean,
                max(cell.searches[name].worst for cell in cells),
                float(np.mean([cell.searches[name].within for cell in cells])),
                float(np.mean([cell.searches[name].same for cell in cells])),
            ]
            for name, mean in regrets(choices).items()
        ],
    )


def _shares(choices: Choices) -> BenchmarkTable:
    return BenchmarkTable(
        name="shares",
        title="Parts of the optimum by step: the specification, and the mean and 95 % interval over tables.",
        columns=["step", "specification", "measured", "low", "high"],
        rows=[
            [name, SPECIFIED[name], share.mean, share.low, share.high]
            for name, share in choices.shares.items()
        ],
    )


def _rankings(choices: Choices) -> BenchmarkTable:
    cells = list(choices.cells.values())
    return BenchmarkTable(
        name="rankings",
        title=(
            f"Rank correlation of predicted and measured costs before any measurement; {ATTENTION} "
            "beside its "
            "ablation and the mean of other tables."
        ),
        columns=["prediction", "mean", "lowest"],
        rows=[
            [name, float(np.mean(values)), min(values)]
            for name in cells[0].ranking
            for values in [[cell.ranking[name] for cell in cells]]
        ],
    )


def _imports(matrix: MatrixParams) -> BenchmarkTable:
    first = read_summary(Path(FOLDER / f"{matrix.specs[0]}-{matrix.rows[0]}"))
    return BenchmarkTable(
        name="imports",
        title="Import of a program and its libraries (seconds), which the measurements leave out.",
        columns=["engine", "CPU", "wall"],
        rows=[[engine, cpu, wall] for engine, (cpu, wall) in first.imports.items()],
    )
