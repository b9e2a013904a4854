"""Charts of the picker; their data sets are filled by its script for each artist."""

from __future__ import annotations

from typing import Any

from tasks.report.charts import Chart

Spec = dict[str, Any]

NUMBER = "quantitative"
YEAR: Spec = {
    "field": "year",
    "type": NUMBER,
    "title": None,
    "scale": {"zero": False, "nice": False, "padding": 8},
    "axis": {"format": "d", "tickMinStep": 1, "tickCount": 8, "grid": False},
}
LEGEND: Spec = {"title": None, "symbolSize": 90, "symbolOpacity": 1, "columns": 3}
"""One legend for all marks of a chart; on a phone it has three short entries."""


def career() -> Chart:
    """Return the chart of yearly means with the estimated course and the changes."""
    domain = ["songs", "course", "all music"]
    scale = {"domain": domain, "range": ["var(--chart-1)", "var(--chart-2)", "var(--chart-6)"]}
    spec = {
        "layer": [
            _span(),
            {
                "data": {"name": "course"},
                "mark": {"type": "area", "opacity": 0.2, "color": "var(--chart-2)"},
                "encoding": {"x": YEAR, "y": _value("low"), "y2": {"field": "high"}},
            },
            {
                "data": {"name": "cuts"},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "var(--ink)", "strokeWidth": 1.5},
                "encoding": {"x": YEAR},
            },
            {
                "data": {"name": "music"},
                "mark": {"type": "line", "strokeDash": [2, 3], "strokeWidth": 1.5},
                "encoding": {"x": YEAR, "y": _value("value"), "color": _colour(domain[2], scale)},
            },
            {
                "data": {"name": "course"},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"x": YEAR, "y": _value("value"), "color": _colour(domain[1], scale)},
            },
            {
                "data": {"name": "means"},
                "mark": {"type": "rule", "color": "var(--chart-1)", "opacity": 0.6},
                "encoding": {"x": YEAR, "y": _value("low"), "y2": {"field": "high"}},
            },
            {
                "data": {"name": "means"},
                "mark": {"type": "point", "filled": True, "opacity": 1, "strokeWidth": 1.5},
                "encoding": {
                    "x": YEAR,
                    "y": _value("value"),
                    "color": _colour(domain[0], scale),
                    "size": {
                        "field": "songs",
                        "type": NUMBER,
                        "legend": None,
                        "scale": {"type": "sqrt", "domain": [0, 40], "range": [15, 160], "clamp": True},
                    },
                    "fillOpacity": {"condition": {"test": "datum.reissue", "value": 0}, "value": 1},
                    "tooltip": _tooltip("year", "value", "songs", "note"),
                },
            },
        ]
    }
    return Chart("career", spec, "Choose an artist to see its career.", {name: [] for name in _NAMES}, 340)


_NAMES = ("span", "course", "cuts", "music", "means")


def changes() -> Chart:
    """Return the chart of the probability that a new period begins in a year."""
    spec = {
        "layer": [
            _span(),
            {
                "data": {"name": "changes"},
                "mark": {"type": "rule", "strokeWidth": 5, "color": "var(--chart-6)"},
                "encoding": {
                    "x": YEAR,
                    "y": _value("percent", [0, 100], [0, 50, 100]),
                    "y2": {"datum": 0},
                    "color": {
                        "condition": {"test": "datum.cut", "value": "var(--chart-4)"},
                        "value": "var(--chart-6)",
                    },
                    "tooltip": _tooltip("year", "percent"),
                },
            },
        ]
    }
    return Chart("changes", spec, "Probability of a change by year.", {"span": [], "changes": []}, 150)


def forecasts() -> Chart:
    """Return the chart of forecasts, the measured values and the simple rule."""
    domain = ["measured", "forecast", "mean so far"]
    scale = {"domain": domain, "range": ["var(--chart-1)", "var(--chart-2)", "var(--chart-6)"]}
    spec = {
        "layer": [
            _span(),
            {
                "data": {"name": "test"},
                "mark": {"type": "rect", "color": "var(--line)", "opacity": 0.45},
                "encoding": {
                    "x": YEAR | {"field": "from"},
                    "x2": {"field": "to"},
                    "y": {"datum": 0},
                    "y2": {"datum": 1},
                },
            },
            {
                "data": {"name": "forecasts"},
                "mark": {"type": "rule", "color": "var(--chart-2)", "strokeWidth": 2, "opacity": 0.55},
                "encoding": {"x": YEAR, "y": _value("low"), "y2": {"field": "high"}},
            },
            {
                "data": {"name": "forecasts"},
                "mark": {"type": "tick", "orient": "horizontal", "size": 9, "thickness": 3, "opacity": 1},
                "encoding": {"x": YEAR, "y": _value("mean"), "color": _colour(domain[2], scale)},
            },
            {
                "data": {"name": "forecasts"},
                "mark": {"type": "point", "filled": True, "shape": "square", "size": 45, "opacity": 1},
                "encoding": {"x": YEAR, "y": _value("forecast"), "color": _colour(domain[1], scale)},
            },
            {
                "data": {"name": "forecasts"},
                "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
                "encoding": {
                    "x": YEAR,
                    "y": _value("truth"),
                    "color": _colour(domain[0], scale),
                    "tooltip": _tooltip("year", "truth", "forecast", "low", "high", "mean", "part"),
                },
            },
        ]
    }
    data: dict[str, list[Any]] = {"span": [], "test": [], "forecasts": []}
    return Chart("forecast", spec, "Forecasts and measured values by year.", data, 300)


def _span() -> Spec:
    """Return an invisible layer, so that charts of one artist have the same years."""
    return {
        "data": {"name": "span"},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": {"x": YEAR},
    }


def _value(field: str, domain: list[float] | None = None, ticks: list[float] | None = None) -> Spec:
    axis: Spec = {"minExtent": 34, "maxExtent": 34} | ({"values": ticks} if ticks else {"tickCount": 5})
    scale = {"domain": domain or [0, 1], "nice": False, "clamp": True}
    return {"field": field, "type": NUMBER, "title": None, "scale": scale, "axis": axis}


def _colour(name: str, scale: Spec) -> Spec:
    return {"datum": name, "type": "nominal", "scale": scale, "legend": LEGEND}


def _tooltip(*fields: str) -> list[Spec]:
    return [{"field": field, "type": "nominal"} for field in fields]
