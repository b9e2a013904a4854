"""Charts of the latent map: careers on it, and what its places mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks.report.charts import Chart, columns

CELLS = 40
"""Cells of the density along each axis."""


class Path(NamedTuple):
    """A career on the map: the name of the artist, and `points` in order of time."""

    name: str
    points: pd.DataFrame


def career_map(points: pd.DataFrame, paths: Sequence[Path]) -> Chart:
    """Return the map: the density of all releases, and the career of one artist."""
    names = [path.name for path in paths]
    careers = [path.points[["time", "x", "y"]].assign(artist=path.name) for path in paths]
    table = pd.concat(careers) if careers else pd.DataFrame(columns=["time", "x", "y", "artist"])
    edges = [np.linspace(*np.quantile(points[axis], [0.002, 0.998]), CELLS + 1) for axis in ("x", "y")]
    counts = np.histogram2d(points["x"], points["y"], edges)[0].astype(int)
    column, row = np.nonzero(counts)
    cells = pd.DataFrame({"x": edges[0][column], "y": edges[1][row], "releases": counts[column, row]})
    chosen = [{"filter": "datum.artist === artist"}]
    x, y = _place("x"), _place("y")
    order = {"field": "time", "type": "quantitative"}
    spec: dict[str, Any] = {
        "params": [
            {
                "name": "artist",
                "value": names[0] if names else "",
                "bind": {"input": "select", "options": names, "name": "Career of"},
            }
        ],
        "layer": [
            {
                "data": {"name": "cells"},
                "transform": _ends(*(float(edge[1] - edge[0]) for edge in edges)),
                "mark": {"type": "rect", "tooltip": None},
                "encoding": {
                    "x": x,
                    "x2": {"field": "x2"},
                    "y": y,
                    "y2": {"field": "y2"},
                    "color": {
                        "field": "releases",
                        "type": "quantitative",
                        "scale": {"type": "log"},
                        "legend": None,
                    },
                },
            },
            {
                "data": {"name": "careers"},
                "transform": chosen,
                "mark": {"type": "line", "color": "var(--chart-2)", "strokeWidth": 1.5, "opacity": 0.8},
                "encoding": {"x": x, "y": y, "order": order},
            },
            {
                "data": {"name": "careers"},
                "transform": chosen,
                "mark": {"type": "point", "filled": True, "color": "var(--chart-2)", "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    "tooltip": [
                        {"field": "artist", "type": "nominal"},
                        {"field": "time", "type": "nominal", "title": "year"},
                    ],
                },
            },
        ],
    }
    alt = f"Map of {len(points):,} releases; careers of {', '.join(names)}."
    data = {"cells": columns(cells, 2), "careers": columns(table.astype({"time": int}), 2)}
    return Chart("latent-map", spec, alt, data, 440)


def panels(name: str, grid: pd.DataFrame, dimensions: Sequence[str], alt: str) -> Chart:
    """Return the expected measure over the map; radio buttons choose the measure."""
    table = grid[grid["dimension"].isin(dimensions)]
    step = {axis: _step(table[axis]) for axis in ("x", "y")}
    cells = table[["x", "y", "dimension", "value"]].assign(
        x=table["x"] - step["x"] / 2, y=table["y"] - step["y"] / 2
    )
    spec = {
        "data": {"name": "cells"},
        "params": [
            {
                "name": "measure",
                "value": dimensions[0],
                "bind": {"input": "radio", "options": list(dimensions), "name": "Measure"},
            }
        ],
        "transform": [{"filter": "datum.dimension === measure"}, *_ends(step["x"], step["y"])],
        "mark": {"type": "rect", "tooltip": None},
        "encoding": {
            "x": _place("x"),
            "x2": {"field": "x2"},
            "y": _place("y"),
            "y2": {"field": "y2"},
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": "deviations from the mean",
                "scale": {"scheme": "blueorange", "domain": [-3, 3], "domainMid": 0, "clamp": True},
                "legend": {"values": [-3, 0, 3], "gradientLength": 120},
            },
            "tooltip": {"field": "value", "type": "nominal"},
        },
    }
    return Chart(f"latent-{name}", spec, alt, {"cells": columns(cells, 2)}, 360)


def _ends(width: float, height: float) -> list[dict[str, Any]]:
    """Return the transforms that add the far corner of a cell."""
    return [
        {"calculate": f"datum.x + {width:.6g}", "as": "x2"},
        {"calculate": f"datum.y + {height:.6g}", "as": "y2"},
    ]


def _place(field: str) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "nice": False},
        "axis": {"grid": False, "labels": False, "ticks": False},
    }


def _step(values: pd.Series) -> float:
    places = np.unique(values.to_numpy(float))
    return float(np.diff(places).mean()) if len(places) > 1 else 1.0
