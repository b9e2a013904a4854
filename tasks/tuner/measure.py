"""Stage tuner-measure: time every program of one specification in turns.

Seconds differ between runs and machines, so the outputs of this stage and of those after it are not the same
bytes twice. No file of them is in git.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from statewright.contracts import Table
from tasks.tuner.contracts.measure import MeasureOutputs, MeasureSummary
from tasks.tuner.contracts.tables import Artists, Careers
from tasks.tuner.generator.configuration import configurations
from tasks.tuner.params import MeasureCell, MeasureParams, ProgramsParams

MOST_COMPARED = 10_000
"""Rows of the tables up to which all results are compared."""


def measure(
    careers: Table[Careers],
    artists: Table[Artists],
    *,
    cell: MeasureCell,
    params: MeasureParams,
    programs: ProgramsParams,
) -> MeasureOutputs:
    """Time every configuration, each program once in a round."""
    from tasks.tuner.generator.generate import load_plan
    from tasks.tuner.generator.tables import features, scaled, write_tables
    from tasks.tuner.generator.timing import interleaved, timer, write_programs

    plan = load_plan(Path(programs.folder) / f"{cell.spec}.yaml")
    space = configurations(programs.engines, programs.threads, programs.batch_sizes)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        write_tables(scaled(careers, cell.rows, params.seed), artists, data)
        repeats = params.repeats if cell.rows <= params.small else 1
        bench = write_programs(plan, space, data, Path(name) / "programs", repeats)
        with timer(bench) as running:
            costs = interleaved(running, range(len(space)), params.rounds, params.seed)
            imports = {engine: [round(float(s), 4) for s in v] for engine, v in running.imports.items()}
        results = [bench.out(number) for number in range(len(space))]
        compared = results if cell.rows <= MOST_COMPARED else results[:1]
        first = _sorted(results[0])
        equal = sum(_equal(_sorted(path), first) for path in compared)
    rounds, numbers = np.indices(costs.shape[:2])
    times = pd.DataFrame(
        {
            "program": numbers.ravel(),
            "round": rounds.ravel(),
            "cpu": costs[..., 0].ravel(),
            "wall": costs[..., 1].ravel(),
        }
    )
    summary = MeasureSummary(
        spec=cell.spec,
        rows=cell.rows,
        programs=len(space),
        rounds=params.rounds,
        features=dict(features(plan, cell.rows, len(first))),
        imports=imports,
        compared=len(compared),
        equal=equal,
    )
    return MeasureOutputs(times, summary)


def _sorted(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    return frame.sort_values(list(frame.columns), ignore_index=True)


def _equal(frame: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return whether two results agree, up to dtypes and 1e-9 of a float."""
    try:
        pd.testing.assert_frame_equal(frame, other, check_dtype=False, rtol=1e-9, atol=0)
    except AssertionError:
        return False
    return True
