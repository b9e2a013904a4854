"""Figures of the report of the pipeline tuner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.report.drawing import BLUE, GREEN, GREY, INK, PURPLE, VERMILION, label_once
from tasks.tuner.contracts.choose import Ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEEPEST = 0.45
"""Opacity of a weight of 1, over which text is readable in both modes."""
COLOURS = (BLUE, VERMILION, GREY, GREEN, PURPLE, INK)


def ratios(figure: Figure, rows: Mapping[str, Mapping[str, Ratio]], goal: float) -> None:
    """Draw ratios with intervals: one row for each name, one colour for each cost."""
    axes = figure.subplots()
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.axvline(goal, color=GREY, linewidth=0.8, linestyle="--")
    for place, costs in enumerate(rows.values()):
        for number, (name, value) in enumerate(costs.items()):
            height, colour = place + 0.2 * (2 * number - 1), COLOURS[number]
            axes.plot([value.low, value.high], [height, height], color=colour, linewidth=2)
            label = name if place == 0 else None
            axes.plot(value.median, height, "o", color=colour, markersize=4.5, label=label)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel="seconds of the choice over those of the best program", ylim=(len(rows) - 0.4, -0.6))
    label_once(axes)


def bars(figure: Figure, values: Mapping[str, float], label: str, goal: float | None = None) -> None:
    """Draw one horizontal bar for each name, from 1 on."""
    axes = figure.subplots()
    axes.barh(list(values), [value - 1 for value in values.values()], left=1, color=BLUE, height=0.6)
    for place, value in enumerate(values.values()):
        axes.annotate(f"{value:.2f}", (value, place), (3, 0), textcoords="offset points", va="center")
    if goal is not None:
        axes.axvline(goal, color=GREY, linewidth=0.8, linestyle="--")
    axes.invert_yaxis()
    axes.set(xlabel=label)
    axes.margins(x=0.12)


def curves(
    figure: Figure, lines: Mapping[str, Mapping[int, float]], axis: tuple[str, str], *, log: bool = False
) -> None:
    """Draw a line for each name: value by position."""
    axes = figure.subplots()
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        places = sorted(line)
        axes.plot(places, [line[place] for place in places], "o-", color=colour, label=name, markersize=4)
    if log:
        axes.set_yscale("log")
    axes.set(xlabel=axis[0], ylabel=axis[1])
    label_once(axes)


def steps(figure: Figure, lines: Mapping[str, Sequence[int]], axis: tuple[str, str]) -> None:
    """Draw whole numbers by position as steps, on a logarithmic scale."""
    axes = figure.subplots()
    for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
        axes.step(range(len(values)), values, where="post", color=colour, label=name)
    axes.set_yscale("log", base=2)
    axes.set(xlabel=axis[0], ylabel=axis[1])
    label_once(axes)


def heat(
    figure: Figure, weights: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw weights of 0 to 1 as a table of shades with their values."""
    from matplotlib.patches import Rectangle

    axes = figure.subplots()
    for i, line in enumerate(weights):
        for j, value in enumerate(line):
            shade = DEEPEST * value
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, color=BLUE, alpha=shade, linewidth=0))
            if value >= 0.005:
                text = f"{value:.2f}".lstrip("0")
                axes.text(j, i, text, ha="center", va="center", color=INK, fontsize=7)
    axes.set_xticks(range(len(columns)), list(columns), rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False)
