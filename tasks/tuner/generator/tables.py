"""Tables of any number of rows from the shipped ones, and their features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.tuner.generator.plan import Derive, Filter, Group, Join, Plan, Sort

NOISE = 0.01
"""Relative spread that makes repeated rows differ."""


def scaled(careers: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Return random rows of a table, with a little noise on its floats."""
    rng = np.random.default_rng(seed)
    frame = careers.iloc[rng.integers(0, len(careers), rows)].reset_index(drop=True)
    floats = frame.select_dtypes("float").columns
    frame[floats] *= rng.normal(1, NOISE, (rows, len(floats)))
    return frame


def write_tables(careers: pd.DataFrame, artists: pd.DataFrame, folder: Path) -> None:
    """Write the sources of the specifications."""
    folder.mkdir(parents=True, exist_ok=True)
    careers.to_parquet(folder / "careers.parquet", index=False)
    artists.to_parquet(folder / "artists.parquet", index=False)


def features(plan: Plan, rows: int, written: int) -> Mapping[str, float]:
    """Return what a prediction knows of a specification and its tables.

    Parameters
    ----------
    rows : int
        Rows of the largest source.
    written : int
        Rows of the result: with `rows`, the selectivity of the whole program.
    """
    steps = [step for table in plan.tables for step in table.steps]
    columns = sum(len(source.columns) for source in plan.sources)
    return {
        "rows": float(np.log10(rows)),
        "columns": float(columns),
        "selectivity": float(np.log10((written + 1) / (rows + 1))),
        "filters": float(sum(isinstance(step, Filter) for step in steps)),
        "derived": float(sum(len(step.columns) for step in steps if isinstance(step, Derive))),
        "joins": float(sum(isinstance(step, Join) for step in steps)),
        "groups": float(sum(isinstance(step, Group) for step in steps)),
        "sorts": float(sum(isinstance(step, Sort) for step in steps)),
    }
