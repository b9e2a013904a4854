"""Stage tuner-evaluate: measure each choice beside the exhaustive optimum.

The programs are measured again because the optimum of tuner-measure is the luckiest of many noisy figures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from statewright.contracts import Table
from tasks.tuner.contracts.choose import CellChoice, CellEvaluation, Choices, Evaluation, Ratio
from tasks.tuner.contracts.tables import Artists, Careers
from tasks.tuner.generator.configuration import configurations
from tasks.tuner.params import EvaluateParams, MeasureParams, ProgramsParams

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
COSTS = ("cpu", "wall")
DEFAULT = 0
"""First program: pandas with its default execution, one thread, without batches."""


def evaluate(
    careers: Table[Careers],
    artists: Table[Artists],
    choices: Choices,
    *,
    params: EvaluateParams,
    measure: MeasureParams,
    programs: ProgramsParams,
) -> Evaluation:
    """Return ratios of the choice to the best programs, with their intervals."""
    cells = {}
    for key, choice in tqdm(choices.cells.items(), desc="cells"):
        with tempfile.TemporaryDirectory() as name:
            tables = (careers, artists)
            cells[key] = _evaluate_cell(choice, tables, Path(name), params, measure, programs)
    return Evaluation(
        tolerance=params.tolerance,
        rounds=params.rounds,
        cells=cells,
        equal=sum(cell.equal for cell in cells.values()),
        within_cpu=sum(cell.cpu.median <= params.tolerance for cell in cells.values()),
        within_wall=sum(cell.wall.median <= params.tolerance for cell in cells.values()),
    )


def _evaluate_cell(
    choice: CellChoice,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    folder: Path,
    params: EvaluateParams,
    measure: MeasureParams,
    programs: ProgramsParams,
) -> CellEvaluation:
    from tasks.tuner.generator.generate import load_plan
    from tasks.tuner.generator.tables import scaled, write_tables
    from tasks.tuner.generator.timing import interleaved, peak_memory, timer, write_programs

    plan = load_plan(Path(programs.folder) / f"{choice.spec}.yaml")
    space = configurations(programs.engines, programs.threads, programs.batch_sizes)
    write_tables(scaled(tables[0], choice.rows, measure.seed), tables[1], folder / "data")
    repeats = measure.repeats if choice.rows <= measure.small else 1
    bench = write_programs(plan, space, folder / "data", folder / "programs", repeats)
    numbers = sorted({choice.chosen, choice.best, choice.best_cpu, choice.best_wall, DEFAULT})
    with timer(bench) as running:
        costs = interleaved(running, numbers, params.rounds, params.seed)
    logs = dict(zip(numbers, np.log(costs).transpose(1, 0, 2), strict=True))

    def ratio(program: int, other: int, cost: int) -> Ratio:
        return paired_ratio(logs[program][:, cost] - logs[other][:, cost], params)

    optimum = {name: ratio(choice.chosen, choice.best, cost) for cost, name in enumerate(COSTS)}
    cpu, wall = ratio(choice.chosen, choice.best_cpu, 0), ratio(choice.chosen, choice.best_wall, 1)
    return CellEvaluation(
        spec=choice.spec,
        rows=choice.rows,
        cpu=cpu,
        wall=wall,
        optimum=optimum,
        default={name: ratio(DEFAULT, choice.chosen, cost) for cost, name in enumerate(COSTS)},
        equal=choice.chosen == choice.best or all(value.low <= 1 for value in optimum.values()),
        within=max(cpu.median, wall.median) <= params.tolerance,
        peak_mb={
            name: round(peak_memory(bench, program), 1)
            for name, program in (("choice", choice.chosen), ("optimum", choice.best), ("default", DEFAULT))
        },
    )


def paired_ratio(logs: Floats, params: EvaluateParams) -> Ratio:
    """Return the median ratio of the rounds with its 95 % interval."""
    rng = np.random.default_rng(params.seed)
    medians = np.median(rng.choice(logs, (params.draws, len(logs))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    median, low, high = (round(float(np.exp(value)), 4) for value in (np.median(logs), low, high))
    return Ratio(median=median, low=low, high=high)
