"""Section of the report on what attention between layers adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from tasks.report.blocks import (
    Block,
    Cell,
    Figure,
    Picture,
    Prose,
    Section,
    grid,
    interval,
    joined,
    share,
    signed,
)
from tasks.report.drawing import svg
from tasks.tuner.contracts.choose import Choices
from tasks.tuner.sections.figures import lines as draw
from tasks.tuner.sections.words import cell_name

ATTENTION = "attention"
SPECIFIED = {"genetic search": 0.80, "Q-learning": 0.15, ATTENTION: 0.05}
"""Parts of the optimum by specification 5 §9, which has no data behind them."""


def regrets(choices: Choices) -> Mapping[str, float]:
    """Return the geometric mean regret of each search over cells."""
    names = next(iter(choices.cells.values())).searches
    return {
        name: float(np.exp(np.mean([np.log(cell.searches[name].regret) for cell in choices.cells.values()])))
        for name in names
    }


def finding(choices: Choices) -> list[str]:
    """Return the regret of attention beside its peers, and the shares."""
    means = regrets(choices)
    best = best_other(means)
    parts = joined(f"{_part(name, choices.shares[name].mean)} by {name}" for name in SPECIFIED)
    return [
        f"At equal measurements, attention chooses programs with {means[ATTENTION]:.3f} times the seconds of "
        f"the optimum; the best other search ({best}) has {means[best]:.3f}: {verdict(choices)} (ratio "
        f"{interval(*ratio_interval(choices, ATTENTION, best))} over {len(choices.cells)} tables).",
        f"Of the optimum, {parts}; the specification states 0.80, 0.15 and 0.05.",
    ]


def best_other(means: Mapping[str, float]) -> str:
    """Return the search with the least regret, attention excluded."""
    return min((name for name in means if name != ATTENTION), key=lambda name: means[name])


def verdict(choices: Choices) -> str:
    """Return how attention compares with the best other search."""
    low, high = ratio_interval(choices, ATTENTION, best_other(regrets(choices)))
    if high < 1:
        return "attention is better"
    return "attention is worse" if low > 1 else "no difference is shown"


def ratio_interval(choices: Choices, first: str, second: str) -> tuple[float, float]:
    """Return the 95 % interval of the mean ratio of regrets, paired by table."""
    from scipy.stats import t

    pairs = [(cell.searches[first].regret, cell.searches[second].regret) for cell in choices.cells.values()]
    logs = np.diff(np.log(pairs)[:, ::-1])[:, 0]
    half = t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else np.inf
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def figure(choices: Choices) -> Figure:
    """Return the figure of the mean regret of each search."""
    means = regrets(choices)
    alt = "Mean regret by search: " + joined(f"{name} {value:.2f}" for name, value in means.items())
    picture = svg(
        "regret", (7.6, 1.0 + 0.3 * len(means)), alt,
        partial(draw.bars, values=means, label="seconds over those of the optimum"),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        "Mean seconds of the program that each search chooses, over those of the optimum, at equal "
        "measurements; 1 is the exhaustive optimum.",
        title=f"Attention beside its best rival, {best_other(means)}: {verdict(choices)}",
    )


def section(choices: Choices) -> Section:
    """Return the section: regret by search, rank correlations, weights."""
    means = regrets(choices)
    cells = list(choices.cells.values())
    weights = np.mean([cell.weights for cell in cells], axis=0)
    columns = [*choices.features, *choices.positions]
    shown = svg(
        "weights", (7.6, 3.0), "Mean weights of attention by position of a program",
        partial(draw.heat, weights=weights.tolist(), rows=choices.positions, columns=columns),
    )  # fmt: skip
    blocks: list[Block] = [
        *(Prose(sentence) for sentence in finding(choices)),
        Prose(
            "A fragment of a program (engine, threads, batch size, execution, columns, filters) attends "
            "over the "
            "fragments chosen before it and over features of the tables; its score is a part of the "
            "predicted cost, beside the mean of other tables. The "
            "prediction of a table is learnt from other specifications on tables of other sizes. Every "
            "search "
            f"has {cells[0].budget} measurements, of which the last part measures its best three again."
        ),
        _searches(choices, means),
        _rankings(choices),
        _shares(choices),
        Figure(
            (Picture(shown),),
            "Weights of attention, mean over tables and programs: a row is the position that asks, a "
            "column the "
            "feature or earlier position that it reads.",
        ),
    ]
    return Section(
        "attention", "Does attention between layers add anything?", tuple(blocks), finding(choices)[1]
    )


def _searches(choices: Choices, means: Mapping[str, float]) -> Block:
    def mean(name: str, figure: str) -> float:
        values = [getattr(cell.searches[name], figure) for cell in choices.cells.values()]
        return float(np.mean(values))

    return grid(
        "Searches at equal measurements. Worst: the largest regret of any table and seed.",
        ("search", "regret", "worst", "within the goal", "the optimum itself"),
        [
            (
                name,
                Cell(f"{value:.3f}", best=value == min(means.values())),
                f"{max(cell.searches[name].worst for cell in choices.cells.values()):.2f}",
                share(mean(name, "within")),
                share(mean(name, "same")),
            )
            for name, value in means.items()
        ],
    )


def _rankings(choices: Choices) -> Block:
    names = list(next(iter(choices.cells.values())).ranking)
    return grid(
        "Rank correlation of the predicted with the measured cost, before any measurement of that table.",
        ("table", *names),
        [
            (
                cell_name(cell.spec, cell.rows),
                *(
                    Cell(f"{cell.ranking[name]:.2f}", best=cell.ranking[name] == max(cell.ranking.values()))
                    for name in names
                ),
            )
            for cell in choices.cells.values()
        ],
    )


def _shares(choices: Choices) -> Block:
    return grid(
        "Parts of the optimum: performance (1 / regret) of the genetic search, what Q-learning adds to "
        "it, and "
        "what attention adds to both, with 95% intervals over tables.",
        ("step", "specification", "measured", "interval"),
        [
            (
                name,
                f"{SPECIFIED[name]:.2f}",
                _part(name, value.mean),
                interval(value.low, value.high, 2),
            )
            for name, value in ((name, choices.shares[name]) for name in SPECIFIED)
        ],
    )


def _part(name: str, value: float) -> str:
    """Format a part; the first step adds to nothing, so it has no sign."""
    return f"{value:.2f}" if name == "genetic search" else signed(value, 2)
