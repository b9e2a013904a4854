"""A small network in place of the forecaster, with twelve named inputs.

The forecaster reads the whole history of an artist, so its inputs cannot be varied one by one. The network
learns its forecasts (not the truth) from a summary of the history; how well it does is measured on artists
that it was not trained on. Attacks and explanations hold for the forecaster as far as it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.temporal.panel import before, previous
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.forecast.targets import TARGETS, Task

if TYPE_CHECKING:
    from torch import nn

    from methods.trust.attacks import Ball
    from methods.trust.hardening import Recipe

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CONTEXT_YEARS, CONTEXT_SONGS = 5, 20.0
"""Years of the genre before a target, and songs of all music that they are shrunk by."""

FACTS = ("songs of last year", "songs so far", "years since first", "years since last")
"""Inputs that are counts and dates: an attack or a counterfactual leaves them as they are."""

HELD_OUT = 5
"""Each fifth artist measures the fidelity."""


@dataclass(frozen=True)
class Summary:
    """Inputs and forecasts of the targets of one dimension.

    Attributes
    ----------
    names : tuple of str
    raw, x : (n, 12) float
        Inputs in their units, and in standard deviations of the rows that the network learns from.
    forecast, truth, mean : (n,) float
        Our forecast, the value that followed, and the artist's mean so far.
    artist_id, time : (n,)
    split : (n,) str
    learn : (n,) bool
        Rows of the artists that the network learns from.
    """

    names: tuple[str, ...]
    raw: Floats
    x: Floats
    forecast: Floats
    truth: Floats
    mean: Floats
    artist_id: NDArray[np.int64]
    time: Floats
    split: NDArray[np.str_]
    learn: Mask

    @property
    def movable(self) -> Mask:
        """Inputs that are measurements of music."""
        return np.array([name not in FACTS for name in self.names])


@dataclass(frozen=True)
class StandIn:
    """One hidden layer of tanh units; predictions are in units of the dimension."""

    first: Floats
    first_bias: Floats
    second: Floats
    level: float
    scale: float

    def __call__(self, x: Floats) -> Floats:
        """Return the (n,) predictions of (n, p) scaled inputs."""
        hidden = np.tanh(x @ self.first.T + self.first_bias)
        return self.level + self.scale * (hidden @ self.second)

    def slope(self, x: Floats) -> Floats:
        """Return the gradient at one (p,) scaled input."""
        hidden = np.tanh(self.first @ x + self.first_bias)
        return self.scale * ((self.second * (1 - hidden**2)) @ self.first)


def summarise(task: Task, forecasts: pd.DataFrame, dimension: str) -> Summary:
    """Summarise the history before each target of the audio task."""
    panel, place = task.panel, TARGETS[task.name].index(dimension)
    others = [name for name in TARGETS[task.name] if name != dimension]
    last = previous(panel.mean, panel.unit)
    songs = before(panel.count, panel.unit)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = before(panel.mean * panel.count[:, None], panel.unit) / songs[:, None]
    first = pd.Series(panel.time).groupby(panel.unit).transform("min").to_numpy()
    column = {name: last[:, TARGETS[task.name].index(name)] for name in TARGETS[task.name]}
    inputs = {
        f"{dimension} last year": column[dimension],
        f"{dimension} the year before": previous(last, panel.unit)[:, place],
        f"{dimension} so far": mean[:, place],
        f"{dimension} of the genre": genre_level(task, place),
        **{f"{name} last year": column[name] for name in others},
        f"{others[0]} so far": mean[:, TARGETS[task.name].index(others[0])],
        FACTS[0]: previous(panel.count, panel.unit),
        FACTS[1]: songs,
        FACTS[2]: panel.time - first,
        FACTS[3]: panel.time - previous(panel.time, panel.unit),
    }
    chosen = (forecasts["task"] == task.name) & (forecasts["model"] == OURS)
    ours = forecasts[chosen & (forecasts["dimension"] == dimension)]
    rows = task.rows("train", "validation", "test")
    if not np.array_equal(ours["artist_id"].to_numpy(), task.artist_id[rows]):
        raise ValueError(
            f"forecasts: {len(ours)} rows of {task.name}, {dimension}, expected the {rows.sum()} targets of "
            "careers in their order; run emotion-train again"
        )
    raw = np.column_stack(list(inputs.values()))[rows]
    learn = task.panel.unit[rows] % HELD_OUT != 0
    return Summary(
        tuple(inputs), raw, _scaled(raw, tuple(inputs), learn), ours["forecast"].to_numpy(float),
        panel.mean[rows, place], mean[rows, place], task.artist_id[rows], task.time[rows], task.split[rows],
        learn,
    )  # fmt: skip


def genre_level(task: Task, place: int) -> Floats:
    """Return the mean of a dimension over the genre in the years before each row.

    Few songs are shrunk to the mean of all music in the same years.
    """
    panel = task.panel
    year = (panel.block - panel.block.min()).astype(int)
    sums = np.zeros((2, panel.groups, year.max() + 1))
    np.add.at(sums[0], (panel.group, year), panel.mean[:, place] * panel.count)
    np.add.at(sums[1], (panel.group, year), panel.count)
    total = np.concatenate([np.zeros((2, panel.groups, 1)), np.cumsum(sums, axis=2)], axis=2)
    start = np.maximum(year - CONTEXT_YEARS, 0)
    genre = total[:, panel.group, year] - total[:, panel.group, start]
    music = total.sum(axis=1)[:, year] - total.sum(axis=1)[:, start]
    with np.errstate(invalid="ignore", divide="ignore"):
        level = music[0] / music[1]
    shrunk = (genre[0] + CONTEXT_SONGS * np.nan_to_num(level)) / (genre[1] + CONTEXT_SONGS)
    return np.where(np.isfinite(level), shrunk, np.nan)


def fit(summary: Summary, hidden: int, recipe: Recipe, ball: Ball | None) -> StandIn:
    """Train the network on our forecasts, against attacks if a ball is given."""
    import torch
    from torch import nn

    from methods.trust.hardening import train

    torch.manual_seed(recipe.seed)
    model = nn.Sequential(
        nn.Linear(len(summary.names), hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False)
    )  # fmt: skip
    target = summary.forecast[summary.learn]
    level, scale = float(target.mean()), float(target.std())
    x = torch.tensor(summary.x[summary.learn], dtype=torch.float32)
    y = torch.tensor((target - level) / scale, dtype=torch.float32)
    train(model, x, y, lambda output, wanted: (output[:, 0] - wanted) ** 2, ball, recipe)
    weights = [value.detach().numpy().astype(float) for value in model.parameters()]
    return StandIn(weights[0], weights[1], weights[2][0], level, scale)


def as_network(model: StandIn) -> nn.Module:
    """Return the stand-in as a network of torch in double precision."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = torch.tanh(x @ torch.tensor(model.first).T + torch.tensor(model.first_bias))
            return model.level + model.scale * (hidden @ torch.tensor(model.second))

    return Network()


def fidelity(model: StandIn, summary: Summary, rows: Mask) -> tuple[float, float]:
    """Return R2 on our forecasts, and on their differences to the artist's mean."""
    error = np.mean((model(summary.x[rows]) - summary.forecast[rows]) ** 2)
    change = (summary.forecast - summary.mean)[rows]
    return float(1 - error / np.var(summary.forecast[rows])), float(1 - error / np.var(change))


def _scaled(raw: Floats, names: tuple[str, ...], learn: Mask) -> Floats:
    """Scale to standard deviations, counts by their logarithm; fill with means."""
    values = np.where([name in FACTS for name in names], np.log1p(np.maximum(raw, 0)), raw)
    centre, spread = np.nanmean(values[learn], axis=0), np.nanstd(values[learn], axis=0)
    return np.clip(np.nan_to_num((values - centre) / np.maximum(spread, 1e-9)), -4, 4)
