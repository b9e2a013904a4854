"""Figures of the models: attention, the causal graph, Granger tests, scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREEN, GREY, INK, PALE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _tiles(axes: Axes, table: pd.DataFrame, colours: str, low: float, high: float) -> None:
    """Draw a table as coloured tiles, first row on top; missing values are blank."""
    values = np.ma.masked_invalid(table.to_numpy(float))
    edges = (np.arange(length + 1) - 0.5 for length in reversed(values.shape))
    axes.pcolormesh(*edges, values, cmap=colours, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    axes.invert_yaxis()
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def attention_map(figure: Figure, weights: pd.DataFrame, importance: pd.Series) -> None:
    """Draw mean attention, query by key, and the share of each modality in the state."""
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    _tiles(left, weights, "Blues", 0, 1)
    names = list(weights.index)
    left.set_xticks(range(len(names)), weights.columns, fontsize=8)
    left.set_yticks(range(len(names)), [f"{name} reads" for name in names], fontsize=8)
    for (row, column), weight in np.ndenumerate(weights.to_numpy(float)):
        ink = "white" if weight > 0.55 else INK
        left.text(column, row, f"{weight:.2f}", ha="center", va="center", color=ink, fontsize=9)
    right.barh(range(len(names)), importance[names], color=BLUE, height=0.6)
    for row, share in enumerate(importance[names]):
        right.text(share + 0.03, row, f"{share:.2f}", va="center", fontsize=8.5)
    right.set(xlim=(0, 1.3), title="share", xticks=[0, 0.5, 1])
    right.set_yticks(range(len(names)), [])
    right.invert_yaxis()


def graph(figure: Figure, edges: pd.DataFrame, dimensions: Sequence[str], tiers: Sequence[str]) -> None:
    """Draw the causal graph: one column per time, one row per dimension.

    The width of a line is the confidence of the edge.
    """
    axes = figure.subplots()
    position = {
        f"{dimension} {tier}": (2.2 * column, float(len(dimensions) - 1 - row))
        for column, tier in enumerate(tiers)
        for row, dimension in enumerate(dimensions)
    }
    for edge in edges.sort_values("confidence").itertuples():
        _edge(axes, edge, position)
    for name, (x, y) in position.items():
        axes.text(x, y, name.rsplit(" ", 1)[0], ha="center", va="center", fontsize=8.5, zorder=3,
                  bbox={"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": GREY})  # fmt: skip
    for column, tier in enumerate(tiers):
        axes.text(2.2 * column, len(dimensions) - 0.1, tier, ha="center", fontweight="bold", fontsize=9.5)
    axes.set(xlim=(-0.9, 2.2 * (len(tiers) - 1) + 1.1), ylim=(-0.6, len(dimensions) + 0.15))
    axes.axis("off")


def _edge(axes: Axes, edge: Any, position: dict[str, tuple[float, float]]) -> None:
    (x0, y0), (x1, y1) = position[edge.source], position[edge.target]
    arrow = {"directed": "-|>", "undirected": "-", "bidirected": "<|-|>"}[edge.kind]
    same, step = x0 == x1, abs(y0 - y1)
    if same:
        curve = 0.0 if step == 1 else 0.42 * np.sign(y0 - y1)
    else:
        # A straight arrow over a column would cross its box.
        curve = 0.0 if x1 - x0 < 3 else -0.18
    axes.annotate(
        "", (x1, y1), (x0, y0), zorder=1,
        arrowprops={
            "arrowstyle": arrow, "color": BLUE if edge.partial_correlation > 0 else VERMILION,
            "linewidth": 0.5 + 2.2 * edge.confidence, "alpha": 0.3 + 0.7 * edge.confidence,
            "linestyle": "-" if edge.partial_correlation > 0 else (0, (4, 2)),
            "connectionstyle": f"arc3,rad={curve}",
            "shrinkA": 12 if same else 27, "shrinkB": 12 if same else 32,
            "mutation_scale": 9,
        },
    )  # fmt: skip


def granger_maps(
    figure: Figure, tests: pd.DataFrame, dimensions: Sequence[str], scopes: dict[str, str]
) -> None:
    """Draw the coefficient of each cause on each effect, one map per scope.

    A star marks a significant test.
    """
    limit = max(0.05, float(tests["coefficient"].abs().max()))
    for axes, (scope, title) in zip(
        figure.subplots(1, len(scopes), squeeze=False)[0], scopes.items(), strict=True
    ):
        part = tests[tests["scope"] == scope]
        table = part.pivot(index="effect", columns="cause", values="coefficient")
        table = table.reindex(index=dimensions, columns=dimensions)
        significant = part.pivot(index="effect", columns="cause", values="significant")
        significant = significant.reindex(index=dimensions, columns=dimensions)
        _tiles(axes, table, "RdBu_r", -limit, limit)
        for (row, column), value in np.ndenumerate(table.to_numpy(float)):
            text = (
                ""
                if np.isnan(value)
                else f"{value:.2f}{'*' if significant.iloc[row, column] is True else ''}"
            )
            axes.text(column, row, text, ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.7 * limit else INK)  # fmt: skip
        axes.set_xticks(range(len(dimensions)), dimensions, rotation=50, ha="right", fontsize=7.5)
        first = axes.get_subplotspec().is_first_col()
        axes.set_yticks(
            range(len(dimensions)), [f"{name} now" for name in dimensions] if first else [], fontsize=7.5
        )
        axes.set_title(title, fontsize=8.5)


def differences(figure: Figure, scores: pd.DataFrame, dimensions: Sequence[str]) -> None:
    """Draw the RMSE minus that of the best baseline, in percent, with interval."""
    axes = figure.subplots()
    for height, dimension in enumerate(dimensions):
        row = scores[scores["dimension"] == dimension].iloc[0]
        base = (row["rmse"] - row["difference"]) / 100
        low, value, high = (row[name] / base for name in ("difference_low", "difference", "difference_high"))
        colour = BLUE if value < 0 else VERMILION
        reach = [[max(value - low, 0)], [max(high - value, 0)]]
        marker = "o" if value < 0 else "s"
        axes.errorbar(value, height, xerr=reach, fmt=marker, color=colour, markersize=5, elinewidth=1.6)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(dimensions)), dimensions)
    axes.invert_yaxis()
    axes.margins(y=0.15)
    axes.set_xlabel("RMSE against the best baseline, %  (left of 0: the model is better)", fontsize=8.5)


def coverage(figure: Figure, rows: pd.DataFrame) -> None:
    """Draw measured and nominal coverage of the intervals, one panel per task."""
    tasks = list(dict.fromkeys(rows["task"]))
    kinds = {"constant": ("s", GREY), "scaled": ("o", BLUE), "gaussian": ("^", VERMILION),
             "adaptive": ("D", GREEN)}  # fmt: skip
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        part = rows[rows["task"] == task]
        dimensions, levels = list(dict.fromkeys(part["dimension"])), sorted(set(part["level"]))
        for index, (kind, (marker, colour)) in enumerate(kinds.items()):
            some = part[part["interval"] == kind].set_index(["dimension", "level"])
            for column, level in enumerate(levels):
                x = np.arange(len(dimensions)) + 0.18 * (index - 1.5)
                y = some["covered"].reindex([(name, level) for name in dimensions]).to_numpy(float)
                axes.plot(x, y, marker, color=colour, markersize=4.5, label=None if column else kind)
        for level in levels:
            axes.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(dimensions)), dimensions, fontsize=8)
        axes.set_yticks(levels, [f"{level:.0%}" for level in levels])
        axes.set_title(f"{task}")
        axes.grid(False)
        for index in range(len(dimensions)):
            axes.axvline(index + 0.5, color=PALE, linewidth=0.8)
        axes.set_xlim(-0.5, len(dimensions) - 0.5)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def costs(figure: Figure, rows: pd.DataFrame, names: dict[str, str]) -> None:
    """Draw the cost of each variant in percent of the RMSE, one panel per task."""
    tasks = list(dict.fromkeys(rows["task"]))
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        part = rows[rows["task"] == task]
        variants = list(dict.fromkeys(part["model"]))
        dimensions = list(dict.fromkeys(part["dimension"]))
        table = part.pivot(index="model", columns="dimension", values="percent").reindex(
            variants, columns=dimensions
        )
        limit = max(0.5, float(np.abs(table.to_numpy(float)).max()))
        _tiles(axes, table, "RdBu_r", -limit, limit)
        clear = part.assign(clear=(part["cost_low"] > 0) | (part["cost_high"] < 0))
        clear = clear.pivot(index="model", columns="dimension", values="clear").reindex(
            variants, columns=dimensions
        )
        for (row, column), value in np.ndenumerate(table.to_numpy(float)):
            star = "*" if bool(clear.iloc[row, column]) else ""
            signed = f"{value:+.2f}".replace("-", "−")
            axes.text(column, row, f"{signed}{star}", ha="center", va="center", fontsize=7.5,
                      color="white" if abs(value) > 0.7 * limit else INK)  # fmt: skip
        axes.set_xticks(range(len(dimensions)), dimensions, rotation=35, ha="right", fontsize=8)
        first = axes.get_subplotspec().is_first_col()
        axes.set_yticks(
            range(len(variants)), [names.get(name, name) for name in variants] if first else [], fontsize=8
        )
        axes.set_title(task)
