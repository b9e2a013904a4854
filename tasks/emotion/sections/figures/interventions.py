"""Figure of effects with their intervals, and of one effect as a curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from tasks.report.drawing import BLUE, GREY, PALE, VERMILION, label_once, narrow, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def dimension_of(variable: str) -> str:
    """Return the dimension of a variable such as ``energy now``."""
    return variable.rsplit(" ", 1)[0]


def effects(figure: Figure, estimates: pd.DataFrame, curve: pd.DataFrame) -> None:
    """Draw a forest plot of the effects, and the outcome against one cause."""
    left, right = panels(figure, 2, width_ratios=[1.35, 1])
    if narrow(figure):
        figure.set_figheight(1.5 * figure.get_figheight())  # names of effects take two lines
    _forest(left, estimates)
    first = curve.iloc[0]
    for (kind, rows), colour, line in zip(
        curve.groupby("model", sort=False), (BLUE, VERMILION), ("--", "-"), strict=True
    ):
        band = 1.96 * rows["std_error"]
        right.plot(rows["value"], rows["mean"], line, color=colour, label=str(kind))
        right.fill_between(
            rows["value"], rows["mean"] - band, rows["mean"] + band, color=colour, alpha=0.15, lw=0
        )
    cause, outcome = dimension_of(first["cause"]), dimension_of(first["outcome"])
    right.set(xlabel=f"{cause} set to (sd)", ylabel=f"mean {outcome} (sd)")
    label_once(right, ncols=2)


def _forest(axes: Axes, estimates: pd.DataFrame) -> None:
    labels: list[str] = []
    for question, part in estimates.groupby("question", sort=False):
        labels.append(f"{question}")
        for cause, rows in part.groupby("cause", sort=False):
            for shift, row in zip((-0.14, 0.14), rows.sort_values("graph").itertuples(), strict=False):
                _interval(axes, len(labels) + (shift if len(rows) > 1 else 0), row)
            labels.append(f"{dimension_of(str(cause))} → {dimension_of(rows.iloc[0]['outcome'])}")
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(labels)), labels)
    for label in axes.get_yticklabels():
        if "→" not in label.get_text():
            label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="effect of one sd more (sd)", ylim=(len(labels) - 0.5, -0.5), facecolor="white")
    axes.spines["left"].set_color(PALE)


def _interval(axes: Axes, height: float, row: Any) -> None:
    safe = row.graph == "all earlier"
    colour = GREY if row.question == "random artists" else BLUE
    reach = 1.96 * row.std_error
    axes.plot([row.effect - reach, row.effect + reach], [height] * 2, color=colour, lw=1.3)
    axes.plot(row.effect, height, "o", ms=5, color=colour, markerfacecolor=colour if safe else "white")
