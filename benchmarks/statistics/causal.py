"""Causal methods: distances to true graphs, and costs of tests and models.

The networks are the external data `benchmarks/causal`, see `benchmarks.parts.external_data`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from methods.causal import StructuralCausalModel, boss, cpdag_of_dag, discover, ges, granger
from methods.evaluation.graphs import arrow_agreement, skeleton_agreement, structural_hamming_distance
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

DISCRETE = ("cancer", "survey", "asia", "sachs", "child", "alarm", "barley", "win95pts", "hailfinder")
LINEAR = ("linear_10", "linear_1", "linear_2", "gaussian_alarm")
LEAST_SECONDS = 0.1
# The names of hailfinder's true graph do not match its columns: only equality is tested.
WITHOUT_TRUTH = ("hailfinder",)


def tables(repeat: int) -> Tables:
    """Yield tables of Granger tests, structural models and discovery."""
    yield _granger(repeat)
    yield _structural(repeat)
    yield _discovery()
    yield _collider_rules()


def _discovery() -> BenchmarkTable | Omission:
    folder = external_data("benchmarks/causal")
    if isinstance(folder, Omission):
        return folder
    rows, sums = [], np.zeros(4, dtype=int)
    for name in (*DISCRETE, *LINEAR):
        row, distances = _network(folder, name)
        rows.append(row)
        sums += distances
    rows.append(["sum, if both are known", None, None, *map(int, sums), *5 * [None]])
    return BenchmarkTable(
        name="discovery",
        title="Discovery, 10,000 rows: structural Hamming distance (SHD) to the CPDAG of the true graph. "
        "Reference: PC with alpha 0.05; for linear_10 the closest of its seven. BOSS and GES have no level.",
        columns=["network", "variables", "equal", "SHD reference", "SHD default", "SHD BOSS", "SHD GES",
                 "skeleton F1", "arrow F1", "CPU s", "CPU s BOSS", "CPU s GES"],
        rows=rows,
        decimals={"CPU s": 1, "CPU s BOSS": 1, "CPU s GES": 1},
    )  # fmt: skip


def _network(folder: Path, name: str) -> tuple[list[Any], tuple[int, ...]]:
    data, graphs = _load(folder, name)
    nodes, true = graphs["nodes"], cpdag_of_dag(graphs["nodes"], graphs["true_edges"]).matrix
    references = graphs.get("reference_pc", [])
    references = references if isinstance(references, list) else [references]
    equal = [_is_equal(data, nodes, reference) for reference in references]
    same = f"{sum(equal)} of {len(equal)}" if equal else "none given"
    seconds, discovered = _timed(lambda: discover(data, names=nodes))
    boss_seconds, of_order = _timed(lambda: boss(data, nodes, seed=0))
    ges_seconds, of_class = _timed(lambda: ges(data, nodes))
    head, spent = [name, len(nodes), same], [seconds, boss_seconds, ges_seconds]
    if name in WITHOUT_TRUTH:
        return [*head, *6 * [None], *spent], (0, 0, 0, 0)
    ours = [
        int(structural_hamming_distance(graph.matrix, true)) for graph in (discovered, of_order, of_class)
    ]
    theirs = [int(structural_hamming_distance(np.array(r["graph"]), true)) for r in references]
    skeleton, arrows = skeleton_agreement(discovered.matrix, true), arrow_agreement(discovered.matrix, true)
    row = [*head, min(theirs, default=None), *ours, float(skeleton.f1), float(arrows.f1), *spent]
    return row, (min(theirs), *ours) if theirs else (0, 0, 0, 0)


def _collider_rules() -> BenchmarkTable | Omission:
    """Compare the data's choice of a rule with a choice on the other networks."""
    folder = external_data("benchmarks/causal")
    if isinstance(folder, Omission):
        return folder
    known = [name for name in DISCRETE if name not in WITHOUT_TRUTH]
    distances = np.array([_distances(folder, name) for name in known])
    rules, total = distances[:, :3], distances[:, :3].sum(axis=0)
    left_out = [int(row[np.argmin(total - row)]) for row in rules]
    rows: list[list[TextOrNumber]] = [
        [name, *map(int, row), one] for name, row, one in zip(known, distances, left_out, strict=True)
    ]
    return BenchmarkTable(
        name="collider_rules",
        title="PC on tables, alpha 0.01: SHD of the collider rules, of the rule with the highest BIC (the "
        "default), and of the rule with the least sum on the other networks.",
        columns=["network", "rule 0", "rule 1", "rule 2", "highest BIC", "chosen on the others"],
        rows=[*rows, ["sum", *map(int, distances.sum(axis=0)), sum(left_out)]],
    )


def _distances(folder: Path, name: str) -> list[int]:
    data, graphs = _load(folder, name)
    true = cpdag_of_dag(graphs["nodes"], graphs["true_edges"]).matrix
    found = (discover(data, names=graphs["nodes"], uc_rule=rule) for rule in (0, 1, 2, None))
    return [structural_hamming_distance(graph.matrix, true) for graph in found]


def _load(folder: Path, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    stem = f"bn_{name}" if name in DISCRETE else name
    graphs = json.loads((folder / f"{stem}_graphs.json").read_text(encoding="utf-8"))
    [path] = (
        path for path in (folder / f"{stem}_n10000.parquet", folder / f"{stem}.parquet") if path.exists()
    )
    return pd.read_parquet(path).to_numpy(), graphs


def _is_equal(data: np.ndarray, nodes: list[str], reference: dict[str, Any]) -> bool:
    rule = {key: reference[key] for key in ("uc_rule", "uc_priority")}
    graph = discover(data, reference["alpha"], nodes, test=reference["test"], **rule)
    return bool((graph.matrix == np.array(reference["graph"])).all())


def _granger(repeat: int) -> BenchmarkTable:
    from statsmodels.tsa.stattools import grangercausalitytests

    table: list[list[TextOrNumber]] = []
    rng = np.random.default_rng(0)
    for rows in (100, 1_000, 10_000):
        pairs = rng.normal(size=(max(5, repeat), rows, 2))
        ours = [_cpu_seconds(partial(granger, pair[:, 0], pair[:, 1], 3)) for pair in pairs]
        theirs = [_cpu_seconds(partial(grangercausalitytests, pair, [3])) for pair in pairs]
        differences = [abs(a[1].f - b[1][3][0]["ssr_ftest"][0]) for a, b in zip(ours, theirs, strict=True)]
        own, peer = (1e3 * float(np.median([t for t, _ in part])) for part in (ours, theirs))
        table.append([rows, own, peer, peer / own, f"{max(differences):.1e}"])
    return BenchmarkTable(
        name="granger",
        title="Granger test of one pair, 3 lags: milliseconds of CPU, median over pairs.",
        columns=["rows", "ours", "statsmodels", "ratio", "largest difference of F"],
        rows=table,
        decimals={"ours": 2, "statsmodels": 2, "ratio": 1},
    )


def _structural(repeat: int) -> BenchmarkTable:
    """Measure a fit, an intervention and counterfactuals of 10 variables."""
    names = [f"x{i}" for i in range(10)]
    edges = [(a, b) for j, b in enumerate(names) for a in names[:j]]
    sizes = (1_000, 10_000, 100_000)
    spent = np.array([list(_one_size(names, edges, rows, repeat)) for rows in sizes])
    growth = np.polyfit(np.log(sizes), np.log(spent), 1)[0]
    rows = [[rows, *(1e3 * row).tolist()] for rows, row in zip(sizes, spent, strict=True)]
    return BenchmarkTable(
        name="structural",
        title="Structural model of 10 variables, each caused by all before it: milliseconds of CPU, median.",
        columns=["rows", "fit", "do", "counterfactuals"],
        rows=[*rows, ["growth exponent", *(f"{part:.2f}" for part in growth)]],
        decimals={"fit": 1, "do": 1, "counterfactuals": 1},
    )


def _one_size(names: list[str], edges: list[tuple[str, str]], rows: int, repeat: int) -> Iterator[float]:
    data = np.cumsum(np.random.default_rng(0).normal(size=(rows, len(names))), axis=1)
    model = StructuralCausalModel.fit(data, edges, names=names)
    steps: tuple[Callable[[], Any], ...] = (
        lambda: StructuralCausalModel.fit(data, edges, names=names),
        lambda: model.do({"x2": 1.0}).std_error,
        lambda: model.counterfactual(data, {"x2": 1.0}),
    )
    for step in steps:
        yield float(np.median([_cpu_seconds(step)[0] for _ in range(max(3, repeat))]))


def _cpu_seconds(step: Callable[[], Any]) -> tuple[float, Any]:
    """Measure the CPU seconds of one call; return them with its result.

    The call is repeated until the coarse process clock is precise enough.
    """
    calls = 1
    while True:
        began = time.process_time()
        for _ in range(calls):
            result = step()
        spent = time.process_time() - began
        if spent >= LEAST_SECONDS:
            return spent / calls, result
        calls *= 4


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = step()
    return time.process_time() - began, result
