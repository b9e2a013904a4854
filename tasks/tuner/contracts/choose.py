"""Contracts of the outputs of tuner-choose and tuner-evaluate."""

from __future__ import annotations

from typing import Any

from statewright.contracts import Document


class SearchScores(Document):
    """One search on one table, over seeds, with the measurements of tuner-measure.

    The regret of a choice is the largest of its CPU and wall seconds over the smallest ones of all programs,
    divided by that of the exhaustive optimum: 1 is the optimum. `within` is the share of seeds below the
    tolerance, `same` the share that chose the optimum itself.
    """

    regret: float
    worst: float
    within: float
    same: float


class CellChoice(Document):
    """Choice for one specification on one table.

    `chosen` and `best` are the numbers of the programs that attention chose and that all measurements name,
    `best_cpu` and `best_wall` those with the least of each. `ranking` is, by prediction, the rank correlation
    with the measured cost; no prediction has seen this specification or a table of this size.
    """

    spec: str
    rows: int
    programs: int
    budget: int
    evaluations: int
    chosen: int
    best: int
    best_cpu: int
    best_wall: int
    configuration: dict[str, Any]
    best_configuration: dict[str, Any]
    ranking: dict[str, float]
    searches: dict[str, SearchScores]
    weights: list[list[float]]


class Shares(Document):
    """Part of the optimum that a step adds, with a 95 % interval over tables."""

    mean: float
    low: float
    high: float


class Choices(Document):
    """Choices by cell.

    `shares` tests 0.80 + 0.15 + 0.05: the performance (1 / regret) of the genetic search, what Q-learning
    adds to it, and what attention adds to both. `positions` and `features` name the rows and columns of the
    weights of attention; the columns are features, then positions.
    """

    cells: dict[str, CellChoice]
    shares: dict[str, Shares]
    positions: list[str]
    features: list[str]


class Ratio(Document):
    """Median ratio of paired seconds, with a 95 % interval over rounds."""

    median: float
    low: float
    high: float


class CellEvaluation(Document):
    """Choice beside the exhaustive optimum, both measured again in turns.

    `cpu` and `wall` are ratios of the choice to the program with the least CPU and the least wall seconds,
    `optimum` to the exhaustive optimum, and `default` of the first program of pandas to the choice: how many
    times it is faster. `equal` is true if the choice is the optimum, or neither ratio to it is above 1 by
    more than its interval. `peak_mb` is the memory of a fresh process, the import included.
    """

    spec: str
    rows: int
    cpu: Ratio
    wall: Ratio
    optimum: dict[str, Ratio]
    default: dict[str, Ratio]
    equal: bool
    within: bool
    peak_mb: dict[str, float]


class Evaluation(Document):
    """Figures of every cell, and the number of cells that meet each goal."""

    tolerance: float
    rounds: int
    cells: dict[str, CellEvaluation]
    equal: int
    within_cpu: int
    within_wall: int
