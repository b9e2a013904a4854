"""Divisions, scores and tables of the three sets of molecules."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.parts import ROOT, Omission, Tables, external_data
from methods.fusion.scores import corrected_interval
from methods.sifa.model import Settings, Task, Trained, train
from tasks.report.benchmark import BenchmarkTable, TextOrNumber
from tasks.sifa.preprocess import encode_graphs, encode_molecules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEEDS = range(10)
COLUMNS = ["model", "splits", "error", "lowest", "highest", "excess over sifa", "low", "high", "seconds"]


@dataclass(frozen=True)
class Molecules:
    """Inputs, values and the table of a set."""

    x: Floats
    y: Floats
    frame: pd.DataFrame


@dataclass(frozen=True)
class Division:
    """Rows of one training and its test."""

    train: Ints
    test: Ints
    seed: int


@dataclass(frozen=True)
class Comparison:
    """One table: models on the divisions of a set.

    Attributes
    ----------
    name, title : str
    set_name : str
        Name by which `methods.sifa.model.train` knows the set.
    models : sequence of str
    divisions : sequence of Division
    error : callable
        Predictions and values -> error.
    """

    name: str
    title: str
    set_name: str
    models: Sequence[str]
    divisions: Sequence[Division]
    error: Callable[[Floats, Floats], float]


def shipped(name: str, outside: str) -> Path | Omission:
    """Return the path of a table in data/source, or of its copy outside."""
    path = ROOT / "data/source" / name
    return path if path.exists() else external_data(outside)


def read_molecules(path: Path) -> Molecules:
    """Read QM7: positions, and the heat of formation by PBE0 in kcal/mol."""
    frame = pd.read_parquet(path)
    return Molecules(encode_molecules(frame), frame["hof_pbe0"].to_numpy(float), frame)


def read_graphs(path: Path) -> Molecules:
    """Read ESOL or FreeSolv: atoms and bonds, and the measured value."""
    frame = pd.read_parquet(path)
    return Molecules(encode_graphs(frame), frame["y"].to_numpy(float), frame)


def absolute(predicted: Floats, y: Floats) -> float:
    """Return the mean absolute error."""
    return float(np.abs(predicted - y).mean())


def root_square(predicted: Floats, y: Floats) -> float:
    """Return the root mean square error."""
    return float(np.sqrt(np.square(predicted - y).mean()))


def shuffled(rows: int, train_rows: int, test_rows: int) -> list[Division]:
    """Return ten random divisions; test rows do not depend on `train_rows`."""
    orders = [np.random.default_rng(seed).permutation(rows) for seed in SEEDS]
    return [
        Division(order[:train_rows], order[-test_rows:], seed)
        for seed, order in zip(SEEDS, orders, strict=True)
    ]


def by_scaffold(data: Molecules) -> list[Division]:
    """Return the published division by scaffold, once for each seed.

    Models choose their settings within the training rows, so the validation rows train too. The seeds are
    those of the models.
    """
    part = data.frame["scaffold_split"].to_numpy(str)
    return [Division(np.flatnonzero(part != "test"), np.flatnonzero(part == "test"), seed) for seed in SEEDS]


def grouped(data: Molecules) -> list[Division]:
    """Return ten random divisions; rows of one molecule are on one side."""
    _, molecule = np.unique(data.frame["canonical"].to_numpy(str), return_inverse=True)
    divisions = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(molecule.max() + 1)
        tested = np.isin(molecule, order[: len(order) // 10])
        divisions.append(Division(np.flatnonzero(~tested), np.flatnonzero(tested), seed))
    return divisions


def compare(data: Molecules, comparison: Comparison) -> BenchmarkTable:
    """Train every model on every division, and tabulate the errors."""
    errors: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for model in comparison.models:
        began, errors[model] = time.process_time(), []
        for division in comparison.divisions:
            trained = fitted(data, comparison.set_name, model, division)
            errors[model].append(
                comparison.error(trained.predict(data.x[division.test]), data.y[division.test])
            )
            print(
                f"{comparison.name} {model} {division.seed}: {errors[model][-1]:.4f}",
                file=sys.stderr,
                flush=True,
            )
        seconds[model] = (time.process_time() - began) / len(comparison.divisions)
    first = comparison.divisions[0]
    share = len(first.test) / (len(first.test) + len(first.train))
    rows = [_row(model, errors[model], errors["sifa"], share, seconds[model]) for model in comparison.models]
    return BenchmarkTable(
        name=comparison.name, title=comparison.title, columns=COLUMNS, rows=rows, decimals={"seconds": 1}
    )


GRAPH_MODELS = (
    "sifa", "mixture", "no-symmetry", "no-metric", "no-information", "no-symplectic", "no-renormalisation",
    "forest", "boosted", "kernel", "mlp", "attention", "plain", "gat", "gcn",
)  # fmt: skip


def graph_tables(
    path: Path | Omission, title: str, unit: str, goals: tuple[float, float], set_name: str
) -> Tables:
    """Yield the errors of every model on a set of graphs, by scaffold and at random."""
    if isinstance(path, Omission):
        yield path
        return
    data = read_graphs(path)
    for split, goal, divisions in zip(
        ("scaffold", "random"), goals, (by_scaffold(data), grouped(data)), strict=True
    ):
        text = f"{title}, {split} split. Root mean square error, {unit}. Goal: at most {goal}."
        name = f"{title.lower()}_{split}"
        yield compare(data, Comparison(name, text, set_name, GRAPH_MODELS, divisions, root_square))


def fitted(data: Molecules, set_name: str, model: str, division: Division) -> Trained:
    """Train one model on one division."""
    x, y = data.x[division.train], data.y[division.train]
    return train(model, set_name, x, y, Task("regression"), seed=division.seed, settings=Settings())


def _row(
    model: str, errors: list[float], ours: list[float], share: float, seconds: float
) -> list[TextOrNumber]:
    values = np.array(errors)
    start: list[TextOrNumber] = [
        model,
        len(values),
        float(values.mean()),
        float(values.min()),
        float(values.max()),
    ]
    if model == "sifa" or len(values) < 2:
        return [*start, None, None, None, seconds]
    interval = corrected_interval(values - np.array(ours), share)
    return [*start, interval.mean, interval.low, interval.high, seconds]
