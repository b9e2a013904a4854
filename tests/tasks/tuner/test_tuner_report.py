"""The report of the tuner: a section a question, honest verdicts, one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from statewright.contracts import ContractError, Feedback
from tasks.tuner.contracts.choose import Choices, Evaluation
from tasks.tuner.contracts.policy import PolicyMetrics
from tasks.tuner.contracts.search import SearchMetrics
from tasks.tuner.contracts.tables import IngestMetrics
from tasks.tuner.params import MatrixParams, ProgramsParams
from tasks.tuner.report import report
from tasks.tuner.sections.attention import finding, ratio_interval

MATRIX = MatrixParams(specs=("mood", "years"), rows=(1000, 2000))
PROGRAMS = ProgramsParams(folder="specs", engines=("pandas", "polars"), threads=(1,), batch_sizes=(0,))
KEYS = [f"{spec}-{rows}" for spec in MATRIX.specs for rows in MATRIX.rows]


def scores(regret: float) -> dict[str, float]:
    return {"regret": regret, "worst": 2 * regret, "within": 0.5, "same": 0.25}


def ratio(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


def choices(attention: float) -> Choices:
    configuration = {
        "engine": "polars", "execution": "lazy", "threads": 1, "batch_size": 100_000, "read": "used",
        "filters": "early",
    }  # fmt: skip
    cell: dict[str, Any] = {
        "programs": 96, "budget": 14, "evaluations": 14,
        "chosen": 3, "best": 4, "best_cpu": 4, "best_wall": 5,
        "configuration": configuration, "best_configuration": configuration,
        "ranking": {"attention": 0.9, "mean of other tables": 0.8},
        "searches": {"attention": scores(attention), "genetic": scores(1.4), "random": scores(1.6)},
        "weights": [[0.25, 0.75, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]],
    }  # fmt: skip
    cells = {key: {**cell, "spec": key.split("-")[0], "rows": int(key.split("-")[1])} for key in KEYS}
    shares = {
        name: {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        for name, mean in (("genetic search", 0.7), ("Q-learning", -0.02), ("attention", 0.2))
    }
    return Choices.model_validate(
        {
            "cells": cells,
            "shares": shares,
            "positions": ["engine", "threads"],
            "features": ["rows", "columns"],
        }
    )


def evaluation() -> Evaluation:
    cell = {
        "cpu": ratio(1.02), "wall": ratio(1.3), "optimum": {"cpu": ratio(1.0), "wall": ratio(1.2)},
        "default": {"cpu": ratio(4.0), "wall": ratio(3.0)}, "equal": True, "within": False,
        "peak_mb": {"choice": 120.0, "optimum": 121.0, "default": 140.0},
    }  # fmt: skip
    cells = {key: {**cell, "spec": key.split("-")[0], "rows": int(key.split("-")[1])} for key in KEYS}
    return Evaluation.model_validate(
        {"tolerance": 1.1, "rounds": 11, "cells": cells, "equal": 4, "within_cpu": 4, "within_wall": 0}
    )


def search() -> SearchMetrics:
    sampler = {"final": [0.1, 0.2], "curve": {"100": 1.0, "1500": 0.1}, "shares": {"600": 0.9}}
    never = {"draws": 100_000, "reached": 0, "instances": 15, "needed": None, "low": None, "high": None}
    found = {**never, "reached": 15, "needed": 812.0, "low": 400.0, "high": 1600.0}
    samplers = {"hybrid": {**sampler, "median": 0.1}, "genetic": {**sampler, "median": 0.05}}
    return SearchMetrics.model_validate(
        {
            "budget": 1500,
            "generation": 20,
            "problems": {
                "sphere": {"samplers": samplers, "random_equivalent": never},
                "mixed": {"samplers": samplers, "random_equivalent": found},
            },
        }
    )


def made(folder: Path, attention: float = 1.2) -> tuple[str, str]:
    generated = {
        "programs": 4, "distinct": 4, "lines": [40, 44], "functions": [5, 5], "classes": [0, 0],
        "alignment": [-0.1, 0.0], "digest": "0", "same_bytes": True,
    }  # fmt: skip
    for spec in MATRIX.specs:
        for engine in PROGRAMS.engines:
            cell = folder / "generate" / f"{spec}-{engine}"
            cell.mkdir(parents=True)
            (cell / "generated.json").write_text(json.dumps({**generated, "spec": spec, "engine": engine}))
            (cell / "program.txt").write_text('print("a < b")\n')
    summary = {
        "programs": 96, "rounds": 3, "features": {}, "imports": {"pandas": [0.5, 0.9]},
        "compared": 96, "equal": 95,
    }  # fmt: skip
    for key in KEYS:
        (folder / "measure" / key).mkdir(parents=True)
        spec, rows = key.split("-")
        text = json.dumps({**summary, "spec": spec, "rows": int(rows)})
        (folder / "measure" / key / "summary.json").write_text(text)
    seed = {
        "seed": 0,
        "ratio": 1.004,
        "carried": 1.005,
        "shares": {"50": 0.0, "10000": 0.996},
        "bits": [4, 2, 1],
    }
    result = report(
        IngestMetrics.model_validate(
            {"tables": {"artists": {"rows_read": 10, "rows_kept": 9, "rows_quarantined": 1}}, "reasons": {}}
        ),
        PolicyMetrics.model_validate({
            "n": 3, "carried_to": 6, "episodes": 10_000, "one_bit": 4.5, "fixed": 4.5, "best": 4.0,
            "best_bits": [3, 1, 1], "seeds": [seed, {**seed, "seed": 1, "ratio": 1.009}],
        }),
        search(),
        folder / "generate",
        folder / "measure",
        choices(attention),
        evaluation(),
        Feedback(stop=True, reason="no gain", score=0.1),
        matrix=MATRIX,
        programs=PROGRAMS,
    )  # fmt: skip
    return result.report, result.findings


def test_every_question_has_a_section_and_every_goal_its_figure(tmp_path):
    page, findings = made(tmp_path)
    for key in ("choice", "attention", "search", "policy", "programs", "data", "feedback", "reproduce"):
        assert f'id="{key}"' in page
    words = " ".join(findings.split())
    assert "14 measurements of 96 programs choose one within 1.10 of the least CPU seconds on 4 of 4" in words
    assert "of the least wall seconds on 0" in words
    assert "not shown to be slower, on 4 of 4" in words
    assert "for pandas needs 4.0 to 4.0 times the CPU seconds" in words
    assert "a lower median loss than genetic search on 0 of 2 problems" in words
    assert "Random search needs 812 on mixed evaluations" in words
    assert "at most 1.009 times the expected evaluations" in words
    assert "After 50 episodes it is at 0% to 0% of the optimum" in words
    assert "380 of 384 compared results equal" in words
    assert "0.70 by genetic search, −0.02 by Q-learning and +0.20 by attention" in words
    assert "print(&#34;a &lt; b&#34;)" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(("regret", "verdict"), [(1.2, "attention is better"), (1.5, "attention is worse")])
def test_attention_that_loses_is_reported_as_losing(tmp_path, regret, verdict):
    _, findings = made(tmp_path, attention=regret)
    assert f"(genetic) has 1.400: {verdict} (ratio" in " ".join(findings.split())


def test_searches_that_win_on_some_tables_each_are_not_ranked():
    found = choices(1.2)
    for number, (name, cell) in enumerate(found.cells.items()):
        better = {"attention": 1.0, "genetic": 1.1} if number % 2 else {"attention": 1.1, "genetic": 1.0}
        searches = {
            key: value.model_copy(update={"regret": better.get(key, 2.0)})
            for key, value in cell.searches.items()
        }
        found.cells[name] = cell.model_copy(update={"searches": searches})
    regrets = [
        [cell.searches[key].regret for key in ("attention", "genetic")] for cell in found.cells.values()
    ]
    logs = np.log([first / second for first, second in regrets])
    low, high = ratio_interval(found, "attention", "genetic")
    reference = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
    np.testing.assert_allclose(np.log([low, high]), reference, rtol=1e-12)
    assert "no difference is shown" in finding(found)[0]


def test_the_same_inputs_give_the_same_page(tmp_path):
    assert made(tmp_path / "first") == made(tmp_path / "second")


def test_a_missing_cell_is_named(tmp_path):
    made(tmp_path)
    (tmp_path / "generate" / "years-polars" / "generated.json").unlink()
    with pytest.raises(ContractError, match="run the stage tuner-generate@years-polars"):
        from tasks.tuner.report import read_generated

        read_generated(tmp_path / "generate" / "years-polars")
