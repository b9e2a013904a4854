"""Map of influence: ties by genre and decade of both ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.report.charts import Chart, columns

GENRES = 9
"""Genres with a line of the map, those with most ties."""
FLOWS = 110
"""Largest flows that are drawn."""
STEPS = 14
"""Straight pieces of a curve."""
EVERY = "all genres"


def flows(influence: pd.DataFrame, artists: pd.DataFrame) -> pd.DataFrame:
    """Count ties by genre and decade of both ends, for the largest genres."""
    known = artists.set_index("artist_id")
    sides = {}
    for side in ("influencer", "follower"):
        ids = influence[f"{side}_id"]
        sides[f"{side}_genre"] = known["genre"].reindex(ids).to_numpy()
        sides[f"{side}_decade"] = known["active_start"].reindex(ids).to_numpy()
    table = pd.DataFrame(sides).dropna()
    sizes = pd.concat([table["influencer_genre"], table["follower_genre"]]).value_counts()
    shown = sorted(sizes.index[:GENRES], key=lambda genre: (-sizes[genre], genre))
    table = table[table["influencer_genre"].isin(shown) & table["follower_genre"].isin(shown)]
    return table.groupby(list(table.columns)).size().rename("ties").reset_index()


def genres(table: pd.DataFrame) -> list[str]:
    """Return the genres of the map, that with most followers first."""
    names = set(table["influencer_genre"]) | set(table["follower_genre"])
    ties = table.groupby("follower_genre")["ties"].sum()
    return sorted(names, key=lambda name: (-ties.get(name, 0), name))


def chart(table: pd.DataFrame, alt: str) -> Chart:
    """Return the map; a list chooses the genre whose ties stand out."""
    names = genres(table)
    received = (
        table.groupby(["follower_genre", "follower_decade"])["ties"].sum().rename_axis(["genre", "decade"])
    ).reset_index()
    received["line"] = received["genre"].map(names.index)
    shown = f"genre === {json.dumps(EVERY)} || datum.from === genre || datum.to === genre"
    spec: dict[str, Any] = {
        "params": [
            {
                "name": "genre",
                "value": EVERY,
                "bind": {"input": "select", "options": [EVERY, *names], "name": "Ties of"},
            }
        ],
        "layer": [
            {
                "data": {"name": "curves"},
                "transform": [{"lookup": "flow", "from": {"data": {"name": "flows"}, "key": "flow",
                               "fields": ["ties", "from", "to", "kind", "words"]}}],
                "mark": {"type": "line", "strokeCap": "round", "interpolate": "cardinal"},
                "encoding": {
                    "x": _decade("x", table),
                    "y": _line("y", names),
                    "detail": {"field": "flow", "type": "nominal"},
                    "order": {"field": "step", "type": "quantitative"},
                    "strokeWidth": {
                        "field": "ties",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"type": "sqrt", "range": [0.5, 10]},
                    },
                    "color": {
                        "field": "kind",
                        "type": "nominal",
                        "legend": {"title": None, "symbolStrokeWidth": 4, "symbolType": "stroke"},
                        "scale": {
                            "domain": ["within a genre", "between genres"],
                            "range": ["var(--chart-1)", "var(--chart-2)"],
                        },
                    },
                    "opacity": {"condition": {"test": shown, "value": 0.5}, "value": 0.04},
                    "tooltip": [{"field": "words", "type": "nominal", "title": "from"},
                                {"field": "ties", "type": "nominal"}],
                },
            },
            {
                "data": {"name": "received"},
                "mark": {"type": "point", "filled": True, "opacity": 1, "cursor": "pointer",
                         "color": "var(--ink)", "stroke": "var(--paper)"},
                "encoding": {
                    "x": _decade("decade", table),
                    "y": _line("line", names),
                    "size": {
                        "field": "ties",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"range": [20, 260]},
                    },
                    "tooltip": [
                        {"field": "genre", "type": "nominal"},
                        {"field": "decade", "type": "nominal", "title": "began in the"},
                        {"field": "ties", "type": "nominal", "title": "influences named"},
                    ],
                },
            },
        ],
    }  # fmt: skip
    points = curves(table, names)
    named = points.drop_duplicates("flow").drop(columns=["step", "x", "y"])
    data = {
        "curves": columns(points[["flow", "step", "x", "y"]], 2),
        "flows": columns(named),
        "received": columns(received, 0),
    }
    return Chart("influence", spec, alt, data, 44 * len(names) + 110)


def curves(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the largest flows as points of cubic curves, in order of `flow` and `step`.

    Ties against time are left out. A curve leaves and arrives along its line; ties within a genre bow
    upwards, by more the longer they are.
    """
    drawn = table[table["influencer_decade"] <= table["follower_decade"]]
    drawn = drawn.sort_values("ties", ascending=False, kind="stable").head(FLOWS)
    t = np.linspace(0, 1, STEPS + 1)
    weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    parts = []
    for flow, row in enumerate(drawn.iloc[::-1].itertuples()):
        x0, y0 = float(row.influencer_decade), names.index(row.influencer_genre)
        x1, y1 = float(row.follower_decade), names.index(row.follower_genre)
        if x0 == x1:
            # Both ends are on one vertical line: bend to the left.
            xs, ys = (x0, x0 - 4, x0 - 4, x1), (y0, y0 - 0.45, y1 + 0.1, y1)
        else:
            middle = (x0 + x1) / 2
            bow = min(0.55, 0.012 * (x1 - x0)) if y0 == y1 else 0.0
            xs, ys = (x0, middle, middle, x1), (y0, y0 - bow, y1 - bow, y1)
        parts.append(
            pd.DataFrame(
                {
                    "flow": flow,
                    "step": np.arange(len(t)),
                    "x": np.array(xs) @ weights,
                    "y": np.array(ys) @ weights,
                    "ties": row.ties,
                    "from": row.influencer_genre,
                    "to": row.follower_genre,
                    "kind": "within a genre" if y0 == y1 else "between genres",
                    "words": f"{row.influencer_genre} of the {x0:.0f}s to {row.follower_genre} of the "
                    f"{x1:.0f}s",
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _decade(field: str, table: pd.DataFrame) -> dict[str, Any]:
    decades = np.unique(table[["influencer_decade", "follower_decade"]].to_numpy(float))
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [decades.min() - 6, decades.max() + 4], "nice": False},
        "axis": {
            "values": decades.astype(int).tolist(),
            "labelExpr": "'’' + slice(toString(datum.value), 2)",
            "grid": False,
            "labelOverlap": False,
        },
    }


def _line(field: str, names: Sequence[str]) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [len(names) - 0.5, -0.7], "nice": False, "zero": False},
        "axis": {
            "values": list(range(len(names))),
            "labelExpr": f"{json.dumps(list(names))}[datum.value]",
            "labelLimit": 90,
            "domain": False,
            "ticks": False,
        },
    }
