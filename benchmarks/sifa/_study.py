"""Every variant of one set with several seeds; a finished cell is kept on disk."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts import ROOT, Tables
from benchmarks.sifa._cells import code_key
from statewright import files
from tasks.report.benchmark import BenchmarkTable, TextOrNumber
from tasks.sifa.contracts.rows import PreprocessOutputs
from tasks.sifa.params import Cell, IngestParams, MatrixParams, PreprocessParams, TrainParams

GOALS = {
    "digits": "at least 0.92 (support vectors with augmentation .893, exact C4 kernel .895, plain .708)",
    "digits500": "at least .975 (support vectors with augmentation .966)",
    "signals": "at least 0.94 (published: convolutional network .94, perceptron .68)",
    "molecules": "at most 5.0 kcal/mol with 1,000 molecules (kernel ridge 6.7)",
    "solubility": "at most 0.86 by scaffold (random forest 1.10)",
    "sixnine": "the architecture loses, because the symmetry is false",
}
"""Sets, and the goal of each."""
FULL = {"signals": 4000, "molecules_test": 1500}
"""Rows of the full study; the pipeline uses fewer."""
WHOLE = "sifa"
COLUMNS = [
    "variant", "seeds", "score", "spread", "gain of sifa", "low", "high", "log loss", "calibration",
    "parameters", "operations", "seconds",
]  # fmt: skip
DECIMALS = {"score": 4, "spread": 4, "gain of sifa": 4, "low": 4, "high": 4, "seconds": 1}


def study(name: str, seeds: int) -> Tables:
    """Yield the table of a set: scores, and gains paired by seed."""
    cells = {
        variant: [_cell(name, variant, seed, seeds) for seed in range(seeds)] for variant in variants(name)
    }
    measure = cells[WHOLE][0]["measure"]
    yield BenchmarkTable(
        name=name,
        title=(
            f"{name}: {measure} on test rows, {seeds} seeds. Goal: {GOALS[name]}. The gain is the score of "
            f"the "
            "architecture less that of the variant, paired by seed, with its 95 % interval."
        ),
        columns=COLUMNS,
        rows=[_row(variant, scores, cells[WHOLE]) for variant, scores in cells.items()],
        decimals=DECIMALS,
    )


def variants(name: str) -> list[str]:
    """Return the variants of a set, those of the matrix in params.yaml."""
    matrix = MatrixParams(**_params()["matrix"])
    further = matrix.graph_variants if name in matrix.graphs else matrix.grid_variants
    return [*matrix.variants, *matrix.ablations, *further]


def _row(variant: str, scores: list[dict[str, Any]], whole: list[dict[str, Any]]) -> list[TextOrNumber]:
    values = np.array([score["score"] for score in scores])
    gains = np.array([score["score"] for score in whole]) - values
    low, high = paired_interval(gains) if variant != WHOLE else (None, None)
    return [
        variant,
        len(scores),
        float(values.mean()),
        float(values.std(ddof=1)),
        float(gains.mean()) if variant != WHOLE else None,
        low,
        high,
        *(_mean(scores, key) for key in ("log_loss", "ece")),
        *(int(scores[0][key]) for key in ("parameters", "flops")),
        _mean(scores, "seconds"),
    ]


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of paired differences."""
    from scipy.stats import t

    half = t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / np.sqrt(len(differences))
    return float(differences.mean() - half), float(differences.mean() + half)


def _mean(scores: list[dict[str, Any]], key: str) -> float | None:
    values = [score[key] for score in scores]
    return None if None in values else float(np.mean(values))


def _cell(name: str, variant: str, seed: int, seeds: int) -> dict[str, Any]:
    """Return the scores of a cell, from disk if it was trained before."""
    from tasks.sifa.cell import run_cell

    params = TrainParams(**_params()["train"] | {"validation": 0.0})
    key = files_key(name, variant)
    path = ROOT / ".statewright" / "benchmarks" / "sifa" / key / f"{name}-{variant}-{seed}.json"
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    rows = getattr(_sets(seeds), name)
    result = run_cell(rows, Cell(data=name, variant=variant, seed=seed), params)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.save(result.scores, path)
    print(f"{name} {variant} {seed}: {result.scores.score:.4f} in {result.scores.seconds:.1f} s", flush=True)
    return result.scores.model_dump()


@cache
def files_key(name: str, variant: str) -> str:
    """Return a hash of the params and of the code that trains a cell."""
    return code_key("tasks.sifa.cell.run_cell", _params())


@cache
def _params() -> dict[str, Any]:
    from ruamel.yaml import YAML

    block: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["sifa"]
    return block | {"preprocess": block["preprocess"] | FULL}


@cache
def _sets(seeds: int) -> PreprocessOutputs:
    from tasks.sifa.ingest import ingest
    from tasks.sifa.preprocess import preprocess

    block = _params()
    source = str(Path(ROOT) / block["ingest"]["source"])
    tables = ingest(params=IngestParams(**block["ingest"] | {"source": source}))
    matrix = MatrixParams(**block["matrix"] | {"seeds": tuple(range(seeds))})
    return preprocess(
        tables.digits,
        tables.signals,
        tables.molecules,
        tables.solubility,
        params=PreprocessParams(**block["preprocess"]),
        matrix=matrix,
    )
