"""Chart of forecasts against measured values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.report.charts import Chart, columns

CELLS = 26
"""Cells of the density along each axis."""


def chart(task: str, forecasts: pd.DataFrame, dimensions: list[str], bins: int, alt: str) -> Chart:
    """Return the density of all targets with means of equal groups by forecast.

    Parameters
    ----------
    task : str
    forecasts : pandas.DataFrame
        Test forecasts of one model and task.
    dimensions : list of str
        The reader chooses one of them.
    bins : int
        Groups by forecast.
    alt : str
    """
    cells, groups, ends = [], [], []
    for name in dimensions:
        rows = forecasts[forecasts["dimension"] == name]
        forecast, truth = rows["forecast"].to_numpy(float), rows["truth"].to_numpy(float)
        low, high = np.quantile(np.concatenate([forecast, truth]), [0.005, 0.995])
        cells.append(_density(forecast, truth, low, high).assign(dimension=name))
        groups.append(_groups(forecast, truth, bins).assign(dimension=name))
        ends.append(pd.DataFrame({"x": [low, high], "y": [low, high], "dimension": name}))
    axis = {"type": "quantitative", "scale": {"zero": False, "nice": False}, "axis": {"grid": False}}
    x, y = axis | {"title": "forecast"}, axis | {"title": "measured"}
    chosen = [{"filter": "datum.dimension === dimension"}]
    spec = {
        "params": [
            {
                "name": "dimension",
                "value": dimensions[0],
                "bind": {"input": "radio", "options": dimensions, "name": "Measure"},
            }
        ],
        "layer": [
            {
                "data": {"name": "cells"},
                "transform": [
                    *chosen,
                    {"calculate": "datum.x + datum.step", "as": "x2"},
                    {"calculate": "datum.y + datum.step", "as": "y2"},
                ],
                "mark": {"type": "rect", "tooltip": None},
                "encoding": {
                    "x": x | {"field": "x"},
                    "x2": {"field": "x2"},
                    "y": y | {"field": "y"},
                    "y2": {"field": "y2"},
                    "color": {
                        "field": "targets",
                        "type": "quantitative",
                        "scale": {"type": "log"},
                        "legend": None,
                    },
                    "tooltip": {"field": "targets", "type": "nominal"},
                },
            },
            {
                "data": {"name": "ends"},
                "transform": chosen,
                "mark": {"type": "line", "strokeDash": [4, 3], "color": "var(--soft)"},
                "encoding": {"x": x | {"field": "x"}, "y": y | {"field": "y"}},
            },
            {
                "data": {"name": "groups"},
                "transform": chosen,
                "mark": {"type": "rule", "color": "var(--chart-2)", "strokeWidth": 2},
                "encoding": {
                    "x": x | {"field": "forecast"},
                    "y": y | {"field": "low"},
                    "y2": {"field": "high"},
                },
            },
            {
                "data": {"name": "groups"},
                "transform": chosen,
                "mark": {"type": "point", "filled": True, "color": "var(--chart-2)", "opacity": 1},
                "encoding": {
                    "x": x | {"field": "forecast"},
                    "y": y | {"field": "measured"},
                    "tooltip": [
                        {"field": name, "type": "nominal"}
                        for name in ("forecast", "measured", "low", "high", "targets")
                    ],
                },
            },
        ],
    }
    data = {
        "cells": columns(pd.concat(cells), 4),
        "groups": columns(pd.concat(groups), 3),
        "ends": columns(pd.concat(ends), 3),
    }
    return Chart(f"calibration-{task}", spec, alt, data, 420)


def _density(forecast: np.ndarray, truth: np.ndarray, low: float, high: float) -> pd.DataFrame:
    edges = np.linspace(low, high, CELLS + 1)
    counts = np.histogram2d(forecast, truth, [edges, edges])[0].astype(int)
    column, row = np.nonzero(counts)
    return pd.DataFrame(
        {"x": edges[column], "y": edges[row], "step": edges[1] - edges[0], "targets": counts[column, row]}
    )


def _groups(forecast: np.ndarray, truth: np.ndarray, bins: int) -> pd.DataFrame:
    """Return the mean of the measured values of each group, with its 95 % interval."""
    rows = []
    for group in np.array_split(np.argsort(forecast, kind="stable"), bins):
        if not len(group):
            continue
        mean, half = truth[group].mean(), 1.96 * truth[group].std() / np.sqrt(len(group))
        rows.append((forecast[group].mean(), mean, mean - half, mean + half, len(group)))
    return pd.DataFrame(rows, columns=["forecast", "measured", "low", "high", "targets"])
