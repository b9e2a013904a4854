"""Figures of ties over time: the map of influence, the models, permuted networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.report.drawing import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, VERMILION, label_once

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, INK, "#56B4E9", "#8C6D31", GREY)
GENRES = len(COLOURS)
FLOWS = 110
"""Largest flows that are drawn."""
FAMILIES = {"single feature": GREY, "table": VERMILION, "network": BLUE}
FAMILY_NAMES = {
    "single feature": "single figure",
    "table": "regression or trees",
    "network": "graph network or attention",
}


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
    counts = table.groupby(list(table.columns)).size().rename("ties").reset_index()
    return counts.assign(order=counts["influencer_genre"].map({name: k for k, name in enumerate(shown)}))


def influence_map(figure: Figure, table: pd.DataFrame) -> None:
    """Draw ties as curves from genre and decade of the influencer to the follower's."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    axes = figure.subplots()
    names = sorted(
        set(table["influencer_genre"]) | set(table["follower_genre"]),
        key=lambda name: -table.loc[table["follower_genre"] == name, "ties"].sum(),
    )
    height = {name: -k for k, name in enumerate(names)}
    colour = dict(zip(names, COLOURS, strict=False))
    drawn = table[table["influencer_decade"] <= table["follower_decade"]]
    drawn = drawn.sort_values("ties", ascending=False, kind="stable").head(FLOWS)
    most = drawn["ties"].max()
    for row in drawn.iloc[::-1].itertuples():
        x0, y0 = row.influencer_decade, height[row.influencer_genre]
        x1, y1 = row.follower_decade, height[row.follower_genre]
        if x0 == x1:
            # ties within a decade leave and enter on the same line: bend them to the left
            points = [(x0, y0), (x0 - 4, y0 + 0.35), (x1 - 4, y1 - 0.35), (x1, y1)]
        else:
            middle = (x0 + x1) / 2
            lift = 0.35 if y0 == y1 and x1 - x0 > 10 else 0.0
            points = [(x0, y0), (middle, y0 + lift), (middle, y1 + lift), (x1, y1)]
        path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        width = 0.6 + 7 * float(np.sqrt(row.ties / most)) ** 1.5
        axes.add_patch(
            PathPatch(path, fill=False, lw=width, color=colour[row.influencer_genre], alpha=0.35,
                      capstyle="round")
        )  # fmt: skip
    received = table.groupby(["follower_genre", "follower_decade"])["ties"].sum()
    for (name, decade), ties in received.items():
        axes.scatter(decade, height[name], s=6 + 160 * ties / received.max(), color=colour[name],
                     edgecolors="white", lw=0.7, zorder=3)  # fmt: skip
    axes.set_yticks(list(height.values()), list(height))
    for label, name in zip(axes.get_yticklabels(), height, strict=True):
        label.set_color(colour[name])
    decades = np.sort(pd.unique(table[["influencer_decade", "follower_decade"]].to_numpy().ravel()))
    axes.set_xticks(decades, [f"{int(decade)}s" for decade in decades])
    axes.set(ylim=(-len(names) + 0.4, 0.8), xlim=(decades.min() - 5, decades.max() + 5))
    axes.grid(False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def models(figure: Figure, table: pd.DataFrame, chance: float) -> None:
    """Draw the mean reciprocal rank of each model, one panel per setting."""
    settings = list(dict.fromkeys(table["setting"]))
    panels = np.atleast_1d(figure.subplots(1, len(settings), sharey=True))
    order = table[table["setting"] == settings[-1]].sort_values("mrr", kind="stable")["model"].tolist()
    for axes, setting in zip(panels, settings, strict=True):
        part = table[table["setting"] == setting].set_index("model").reindex(order)
        for family, colour in FAMILIES.items():
            own = (part["family"] == family).to_numpy()
            axes.errorbar(
                part["mrr"][own], np.flatnonzero(own), xerr=part["mrr_sd"][own], fmt="o", ms=5, lw=1,
                color=colour, label=FAMILY_NAMES[family],
            )  # fmt: skip
        axes.axvline(chance, color=GREY, lw=1, ls="--")
        axes.set_yticks(range(len(order)), order)
        axes.set(xlabel="mean reciprocal rank", title=f"  {setting}", xlim=(0, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)


def nulls(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the gain on the network beside that on permuted ones."""
    axes: Axes = figure.subplots()
    kinds = [kind for kind in dict.fromkeys(table["kind"]) if kind != "real"]
    low, high = 100 * table["gain"].min(), 100 * table["gain"].max()
    bins = np.linspace(low, max(high, low + 0.1), 60)
    for kind, colour in zip(kinds, (PALE, ORANGE), strict=False):
        gains = 100 * table.loc[table["kind"] == kind, "gain"]
        axes.hist(gains, bins=bins.tolist(), color=colour, alpha=0.85, label=f"permuted, {kind}")
    real = 100 * float(table.loc[table["kind"] == "real", "gain"].iloc[0])
    axes.axvline(real, color=VERMILION, lw=2, label="the network as it is")
    axes.axvline(0, color=GREY, lw=1, ls="--")
    axes.set(xlabel="squared error saved by the ties, beyond genre and decade (%)", ylabel="networks")
    label_once(axes, ncols=3)
