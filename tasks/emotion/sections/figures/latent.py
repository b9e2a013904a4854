"""Figures of the latent map: careers on it, and what its places mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, INK)


class Path(NamedTuple):
    """A career on the map: the name of the artist, and `points` in order of time."""

    name: str
    points: pd.DataFrame


def panels(figure: Figure, grid: pd.DataFrame, dimensions: Sequence[str]) -> None:
    """Draw the expected features over the map, one panel per dimension."""
    axes = figure.subplots(1, len(dimensions), sharex=True, sharey=True)
    for place, dimension in zip(np.atleast_1d(axes), dimensions, strict=True):
        table = grid[grid["dimension"] == dimension].pivot(index="y", columns="x", values="value")
        drawn = place.contourf(
            table.columns, table.index, table, levels=np.linspace(-3, 3, 13), cmap="RdBu_r", extend="both"
        )
        place.set_title(dimension)
    figure.colorbar(drawn, ax=axes, label="deviations from the mean", shrink=0.9, ticks=[-3, 0, 3])


def career_map(name: str, points: pd.DataFrame, paths: Sequence[Path]) -> str:
    """Return the map as HTML: all releases in grey, careers in colour.

    There is one radio button per artist. The page has no scripts: style rules show the chosen career,
    at first that of the first artist, and every point has a tooltip.
    """
    from markupsafe import escape

    alt = f"Map of {len(points):,} releases; careers of {', '.join(path.name for path in paths)}."
    picture = svg(name, (7.2, 5.2), alt, partial(_draw_map, points=points, paths=paths))
    for number, path in enumerate(paths):
        for row, year in enumerate(path.points["time"]):
            mark = f'id="{name}-career-{number}-{row}">'
            picture = picture.replace(mark, f"{mark}<title>{escape(path.name)}, {int(year)}</title>")
    rules = [f'.{name} [id^="{name}-career-"] {{ opacity: .12 }}']
    buttons = []
    for number, label in enumerate(["all", *(path.name for path in paths)]):
        shown = f"{name}-career-" if number == 0 else f"{name}-career-{number - 1}-"
        rules.append(f'#{name}-pick-{number}:checked ~ svg [id^="{shown}"] {{ opacity: 1 }}')
        checked = " checked" if number == 1 else ""
        buttons.append(
            f'<input type="radio" name="{name}" id="{name}-pick-{number}"{checked}>'
            f'<label for="{name}-pick-{number}"> {escape(label)} </label>'
        )
    picture = re.sub(r"(<svg\b[^>]*>)", lambda found: f"{found[1]}<style>{' '.join(rules)}</style>", picture)
    return f'<div class="{name}" role="group" aria-label="Career to show">{"".join(buttons)}{picture}</div>'


def _draw_map(figure: Figure, points: pd.DataFrame, paths: Sequence[Path]) -> None:
    axes = figure.subplots()
    low, high = points[["x", "y"]].quantile(0.002), points[["x", "y"]].quantile(0.998)
    axes.hexbin(
        points["x"], points["y"], gridsize=36, mincnt=1, cmap="Greys", bins="log", linewidths=0,
        extent=(low["x"], high["x"], low["y"], high["y"]), alpha=0.5,
    )  # fmt: skip
    axes.set_xlim(low["x"], high["x"])
    axes.set_ylim(low["y"], high["y"])
    for number, path in enumerate(paths):
        colour, gid = COLOURS[number % len(COLOURS)], f"career-{number}-"
        x, y = path.points["x"].to_numpy(), path.points["y"].to_numpy()
        axes.plot(x, y, color=colour, linewidth=1, alpha=0.7, gid=f"{gid}line")
        for row in range(len(x)):
            axes.scatter(x[row], y[row], s=14, color=colour, gid=f"{gid}{row}")
        for row in (0, len(x) - 1):
            year = int(path.points["time"].iloc[row])
            axes.annotate(
                str(year), (x[row], y[row]), xytext=(3, 3), textcoords="offset points", color=colour,
                fontsize=8, gid=f"{gid}year-{row}",
            )  # fmt: skip
    axes.set_xlabel("first latent dimension", color=GREY)
    axes.set_ylabel("second latent dimension", color=GREY)
