"""Trust: intervals under drift, and likelihoods of bagged ensembles.

The data are the external sets `learning/conformal` and `learning/uci_regression`, see
`benchmarks.parts.external_data`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from methods.trust.conformal import split_radius
from methods.trust.drift import Stream, forgetful_forecasts, online_radii, worst_window
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray

ALPHA, WINDOW = 0.1, 250
BURN_IN = 500
"""Rows of ELEC2 before the scored ones; the forgetting of the regression is chosen on them."""

FORGETTING, GAMMA, DECAY = (0.98, 0.99, 0.995), 0.01, 0.99


def tables(repeat: int) -> Tables:
    """Yield tables of intervals on ELEC2 and of ensembles on UCI sets."""
    yield _electricity()


def elec2(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return regressors and target of the task of the paper on NexCP.

    Half-hours 17 to 24, from the first row where the transfer changes.
    """
    changed = frame["transfer"].to_numpy() != frame["transfer"].iloc[0]
    rows = frame.iloc[int(np.argmax(changed)) :]
    half_hour = (rows["period"] * 47).round()
    rows = rows[half_hour.between(17, 24)]
    inputs = rows[["nswprice", "nswdemand", "vicprice", "vicdemand"]].to_numpy(float)
    return np.column_stack([np.ones(len(rows)), inputs]), rows["transfer"].to_numpy(float)


def elec2_interval(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return radius and error of each row by weighted least squares, NexCP and ACI.

    The forgetting is that with the lowest mean absolute error on the rows before `BURN_IN`.
    """
    scores = [np.abs(y - forgetful_forecasts(x, y, forgetting)) for forgetting in FORGETTING]
    best = min(scores, key=lambda score: score[1:BURN_IN].mean())
    stream = online_radii(best, ALPHA, gamma=GAMMA, decay=DECAY)
    return stream.radius, stream.error


def _electricity() -> BenchmarkTable | Omission:
    path = external_data("learning/conformal/elec2.parquet")
    if isinstance(path, Omission):
        return path
    x, y = elec2(pd.read_parquet(path))
    plain = np.abs(y - forgetful_forecasts(x, y, 1.0))
    forgetful = np.abs(y - forgetful_forecasts(x, y, 0.99))
    streams = {
        "split, calibrated once": _split(x, y),
        "split on the past": online_radii(plain, ALPHA, gamma=0.0, decay=1.0),
        "ACI": online_radii(plain, ALPHA, gamma=GAMMA, decay=1.0),
        "NexCP, least squares": online_radii(plain, ALPHA, gamma=0.0, decay=DECAY),
        "NexCP, weighted least squares": online_radii(forgetful, ALPHA, gamma=0.0, decay=DECAY),
    }
    rows = [_row(name, stream.radius, stream.error) for name, stream in streams.items()]
    return BenchmarkTable(
        name="electricity",
        title=f"ELEC2, {len(y) - BURN_IN:,} rows in order, nominal {1 - ALPHA:.0%}: coverage, lowest "
        f"coverage of {WINDOW} successive rows, mean and median width. The last row chooses its forgetting "
        f"on the first {BURN_IN} rows. Goal: 0.895 to 0.905, at least 0.850, at most 0.300.",
        columns=["intervals", "coverage", "worst window", "mean width", "median width", "infinite"],
        rows=[*rows, _row("weighted least squares, NexCP with ACI", *elec2_interval(x, y))],
        decimals={"infinite": 0},
    )


def _row(name: str, radius: Floats, error: Floats) -> list[TextOrNumber]:
    covered, width = 1 - error[BURN_IN:], 2 * radius[BURN_IN:]
    finite = np.isfinite(width)
    return [
        name,
        float(covered.mean()),
        worst_window(covered, WINDOW),
        float(width[finite].mean()),
        float(np.median(width)),
        int((~finite).sum()),
    ]


def _split(x: Floats, y: Floats) -> Stream:
    """Return intervals of one regression and one calibration before the scored rows."""
    half = BURN_IN // 2
    slope = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    scores = np.abs(y - x @ slope)
    radius = np.full(len(y), split_radius(scores[half:BURN_IN], ALPHA))
    return Stream(radius, np.full(len(y), ALPHA), (scores > radius).astype(float))
