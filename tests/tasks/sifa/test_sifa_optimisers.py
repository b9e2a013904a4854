"""The stages that compare optimisers and measure the geometry, on small budgets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from statewright.contracts import ContractError
from tasks.sifa.contracts.rows import PreprocessOutputs
from tasks.sifa.geometry import geometry
from tasks.sifa.learning_tasks import TASKS, learning_task
from tasks.sifa.optimisers import optimisers
from tasks.sifa.params import GeometryParams, OptimiserCell, OptimisersParams

PARAMS = OptimisersParams(
    tasks=("digits-logistic",), optimisers=("sgd",), trials=4, budgets=(10, 40), repetitions=3, seed=0
)


def sets(outputs: PreprocessOutputs) -> dict:
    return {name: getattr(outputs, name) for name in ("digits500", "signals", "molecules")}


@pytest.mark.parametrize("name", ["adamw", "sgd", "kfac", "leapfrog", "kfac-leapfrog"])
def test_a_choice_is_repeated_with_other_seeds(preprocessed: PreprocessOutputs, name: str) -> None:
    cell = OptimiserCell(task="digits-logistic", optimiser=name)  # type: ignore[arg-type]
    found = optimisers(**sets(preprocessed), cell=cell, params=PARAMS)
    assert found == optimisers(**sets(preprocessed), cell=cell, params=PARAMS)
    assert (found.task, found.optimiser, found.parameters) == ("digits-logistic", name, 650)
    assert [result.budget for result in found.budgets] == [10, 40]
    for result in found.budgets:
        losses = np.array(result.test)
        assert len(set(result.test)) == 3
        assert result.mean == pytest.approx(losses.mean())
        interval = stats.t.interval(0.95, 2, losses.mean(), losses.std(ddof=1) / math.sqrt(3))
        assert (result.lower, result.upper) == pytest.approx(interval)
    assert found.budgets[1].validation < math.log(10)  # better than the uniform guess


def test_a_search_in_which_every_trial_diverges_says_so(preprocessed: PreprocessOutputs, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from methods.sifa import comparison

    monkeypatch.setitem(comparison.RATES, "sgd", (1e30, 1e31))
    cell = OptimiserCell(task="molecules-mlp", optimiser="sgd")
    found = optimisers(**sets(preprocessed), cell=cell, params=PARAMS)
    assert [result.diverged for result in found.budgets] == [4, 4]
    assert all(result.mean is None and result.test == [] for result in found.budgets)


def test_every_task_keeps_its_parts_apart(preprocessed: PreprocessOutputs) -> None:
    for name in TASKS:
        task = learning_task(name, **sets(preprocessed), seed=0)
        parts = [{tuple(row) for row in part.x.tolist()} for part in (task.train, task.validation, task.test)]
        assert not parts[0] & parts[1]
        assert name == "molecules-mlp" or not parts[0] & parts[2]  # two molecules may have one spectrum
    with pytest.raises(ContractError, match="digits-mlp"):
        learning_task("other", **sets(preprocessed), seed=0)


def test_the_geometry_is_measured_and_nothing_is_proven(preprocessed: PreprocessOutputs) -> None:
    params = GeometryParams(rows=(60, 200), steps=(5, 60), repetitions=2, measured=40, seed=0)
    found = geometry(**sets(preprocessed), params=params)
    assert set(found.gaps) == {"digits-mlp", "signals-mlp", "molecules-mlp"}
    for gap in found.gaps.values():
        assert len(gap.models) == 8
        rank = stats.spearmanr(
            [math.sqrt(model.exact / model.rows) for model in gap.models],
            [model.test - model.train for model in gap.models],
        ).statistic
        assert gap.bound == pytest.approx(rank)
        assert all(model.exact > 0 for model in gap.models)
    assert [errors.steps for errors in found.matrices] == [0, 5, 60]
    # The sphere of the categorical family is an exponential family with positive curvature.
    assert found.curvature["categorical"] == pytest.approx(0.25, abs=1e-8)
    assert found.curvature["poisson"] == pytest.approx(0, abs=1e-8)
    assert found.curvature["normal"] == pytest.approx(-0.5, abs=1e-8)
    for distances in found.distances.values():
        assert 0 < distances.smallest <= distances.mean <= distances.largest
        assert len(set(distances.nearest)) == 2
