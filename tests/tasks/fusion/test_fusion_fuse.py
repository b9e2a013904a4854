"""Stages fuse, evaluate and judge on simulated modalities with a known answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from shipped import shipped_params

from statewright.contracts import ContractError, Table, check
from tasks.fusion.contracts.fuse import Decisions, EvaluateOutputs, FusedRows, FuseOutputs
from tasks.fusion.contracts.tables import Modality, Schema
from tasks.fusion.evaluate import evaluate
from tasks.fusion.fuse import fuse
from tasks.fusion.judge import judge
from tasks.fusion.params import EvaluateParams, FuseParams

FUSE = shipped_params(
    FuseParams, "fusion.fuse", operators=("late-average", "early", "late-stacked"), folds=3, processes=1
)
EVALUATE = shipped_params(EvaluateParams, "fusion.evaluate", resplits=3, processes=1)
CLASSES = ["no", "yes"]
ROWS = 300


def schema(task: str) -> Schema:
    return Schema(
        task=task,
        target="y",
        classes=CLASSES if task == "classification" else [],
        key=[],
        modalities={name: Modality(table="t", columns=[]) for name in ("signal", "noise")},
        time=None,
        groups=None,
        split=None,
        levels=[],
    )


def views(task: str, rows: int, seed: int) -> dict[str, Any]:
    """Return a modality that decides the target and one of noise, with gaps."""
    rng = np.random.default_rng(seed)
    signal, noise = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))
    value = signal[:, 0] + 0.3 * rng.normal(size=rows)
    noise[rng.random(rows) < 0.2] = np.nan
    signal[rng.random(signal.shape) < 0.02] = np.nan
    y = (value > 0).astype(np.int64) if task == "classification" else value
    number = np.arange(rows, dtype=np.int64)
    return {"x.signal": signal, "x.noise": noise, "y": y, "group": number, "row": number + 7}


@pytest.fixture(scope="module", params=["classification", "regression"])
def stages(request: pytest.FixtureRequest) -> tuple[str, FuseOutputs, EvaluateOutputs]:
    data = views(request.param, ROWS, 0)
    fused = fuse(data, schema(request.param), params=FUSE)
    evaluated = evaluate(data, schema(request.param), fused.choice, fused.fused, params=EVALUATE)
    return request.param, fused, evaluated


def test_every_row_is_predicted_once_by_a_model_without_it(
    stages: tuple[str, FuseOutputs, EvaluateOutputs],
) -> None:
    task, fused, _ = stages
    check(fused.fused, Table[FusedRows], "fused")
    labels = 2 if task == "classification" else 1
    counts = fused.fused.groupby("operator").size()
    assert counts.to_dict() == dict.fromkeys([*FUSE.operators, "blend"], ROWS * labels)
    assert sorted(fused.fused["row"].unique()) == list(range(7, ROWS + 7))
    assert set(fused.choice.picked) <= set(FUSE.operators)
    assert fused.choice.regret == pytest.approx(
        max(fused.choice.means[name] for name in FUSE.operators) - fused.choice.means["blend"], abs=1e-4
    )


def test_the_signal_is_what_counts(stages: tuple[str, FuseOutputs, EvaluateOutputs]) -> None:
    _, _, evaluated = stages
    figures = evaluated.evaluate
    signal, noise = figures.modalities["signal"], figures.modalities["noise"]
    assert figures.best_single == "signal"
    assert signal.permuted.mean > 0.2
    assert abs(noise.permuted.mean) < 0.1
    assert signal.absent > noise.absent
    assert figures.scores[figures.chosen] > figures.scores["prior"] + 0.2


def test_decisions_cover_about_as_often_as_stated(
    stages: tuple[str, FuseOutputs, EvaluateOutputs],
) -> None:
    task, _, evaluated = stages
    check(evaluated.decisions, Table[Decisions], "decisions")
    assert evaluated.evaluate.reliability.coverage == pytest.approx(0.9, abs=0.08)
    rows = evaluated.decisions
    if task == "classification":
        correct = float((rows["decision"] == rows["target"]).mean())
        assert correct == pytest.approx(evaluated.evaluate.scores[evaluated.evaluate.chosen], abs=0.1)
        assert set(rows["decision"]) <= set(CLASSES)
    else:
        inside = rows["target"].astype(float).between(rows["low"], rows["high"])
        assert float(inside.mean()) == pytest.approx(0.9, abs=0.05)


def test_the_judgement_is_the_score_on_rows_that_nothing_else_read(
    stages: tuple[str, FuseOutputs, EvaluateOutputs],
) -> None:
    task, fused, evaluated = stages
    verdict = judge(
        views(task, ROWS, 0),
        views(task, 500, 1),
        schema(task),
        fused.choice,
        evaluated.evaluate,
        fuse=FUSE,
    )
    assert verdict.rows == 500
    assert verdict.scores[verdict.chosen] > verdict.scores["prior"] + 0.2
    assert verdict.coverage == pytest.approx(0.9, abs=0.08)
    for name, gain in verdict.gains.items():
        assert gain.low <= gain.mean <= gain.high
        assert gain.mean == pytest.approx(verdict.scores[verdict.chosen] - verdict.scores[name], abs=1e-4)


def test_one_modality_is_an_error_that_names_the_param() -> None:
    data = {name: x for name, x in views("regression", 30, 2).items() if name != "x.noise"}
    with pytest.raises(ContractError, match=r"modality signal only.*fusion\.ingest\.modalities"):
        fuse(data, schema("regression"), params=FUSE)
