"""Charts of music as a whole: yearly means, and the probability of a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tasks.emotion.sections.figures.style import standard_error, typical_spread
from tasks.report.charts import Chart, columns

DIMENSIONS = ("valence", "energy", "danceability", "acousticness")
AXIS = {"minExtent": 34, "maxExtent": 34}
"""Equal margins, so that charts below each other have the same years."""


def means(key: str, years: pd.DataFrame, marked: Sequence[int], alt: str) -> Chart:
    """Return the chart of yearly means with 95% intervals; rules at the `marked` years."""
    parts = []
    for name in DIMENSIONS:
        error = 1.96 * standard_error(years, name, typical_spread(years, name))
        mean = years[f"{name}_mean"]
        parts.append(
            pd.DataFrame(
                {
                    "year": years["year"],
                    "value": mean,
                    "low": mean - error,
                    "high": mean + error,
                    "songs": years["n_songs"],
                    "measure": name,
                }
            )
        )
    y = {"type": "quantitative", "title": None, "axis": AXIS | {"tickCount": 5}, "scale": {"domain": [0, 1]}}
    colour = {"field": "measure", "type": "nominal", "sort": list(DIMENSIONS),
              "legend": {"title": None, "columns": 2, "symbolOpacity": 1}}  # fmt: skip
    tooltip = [{"field": name, "type": "nominal"} for name in ("measure", "year", "value", "songs")]
    spec = {
        "data": {"name": "means"},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.18, "clip": True},
                "encoding": {
                    "x": _year(years),
                    "y": y | {"field": "low"},
                    "y2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "line", "point": {"size": 18}, "clip": True},
                "encoding": {
                    "x": _year(years),
                    "y": y | {"field": "value"},
                    "color": colour,
                    "tooltip": tooltip,
                },
            },
            _rules(years, marked),
        ],
    }
    return Chart(f"music-{key}", spec, alt, {"means": columns(pd.concat(parts), 3)}, 380)


def posterior(key: str, rows: pd.DataFrame, years: pd.DataFrame, marked: Sequence[int], alt: str) -> Chart:
    """Return the chart of the probability of a change by year."""
    table = pd.DataFrame(
        {"year": rows["year"], "probability": rows["probability"], "cut": rows["is_map"].astype(int)}
    )
    axis = AXIS | {"values": [0, 0.5, 1]}
    spec = {
        "data": {"name": "changes"},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 4},
                "encoding": {
                    "x": _year(years),
                    "y": {
                        "field": "probability",
                        "type": "quantitative",
                        "title": None,
                        "axis": axis,
                        "scale": {"domain": [0, 1]},
                    },
                    "y2": {"datum": 0},
                    "color": {
                        "condition": {"test": "datum.cut", "value": "var(--chart-4)"},
                        "value": "var(--chart-6)",
                    },
                    "tooltip": [{"field": name, "type": "nominal"} for name in ("year", "probability")],
                },
            },
            _rules(years, marked),
        ],
    }
    return Chart(key, spec, alt, {"changes": columns(table[table["probability"] > 0.0005], 3)}, 130)


def _year(years: pd.DataFrame) -> dict[str, Any]:
    domain = [int(years["year"].min()) - 1, int(years["year"].max()) + 1]
    return {
        "field": "year",
        "type": "quantitative",
        "title": None,
        "scale": {"domain": domain, "nice": False},
        "axis": {"format": "d", "grid": False, "tickCount": 8},
    }


def _rules(years: pd.DataFrame, marked: Sequence[int]) -> dict[str, Any]:
    return {
        "data": {"values": [{"year": year} for year in marked]},
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--ink)"},
        "encoding": {
            "x": _year(years),
            "tooltip": {"field": "year", "title": "published", "type": "nominal"},
        },
    }
