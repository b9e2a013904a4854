"""Attention between the layers of a program predicts its cost."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import pearsonr

from methods.search.fragments import CostModel, Programs, fit

POSITIONS = (3, 2, 4)
OFFSETS = np.cumsum((0, *POSITIONS[:-1]))
ALL = np.array(list(product(*(range(size) for size in POSITIONS)))) + OFFSETS
VOCABULARY = sum(POSITIONS)


def log_costs(rows: float) -> np.ndarray:
    """Return costs in which the third position matters with two engines only."""
    engine, threads, batch = (ALL - OFFSETS).T
    interaction = np.where(engine == 1, 0.5 * batch, np.where(engine == 2, -0.4 * batch, 0.0))
    cpu = np.array([0.0, 0.8, 0.4])[engine] * (rows - 4) + interaction
    return np.stack([cpu, cpu - 0.3 * threads * (rows - 3)], axis=1)


def programs(rows: float) -> Programs:
    return Programs(ALL, np.tile([rows, 1.0], (len(ALL), 1)), VOCABULARY)


def fitted(sizes: list[float], *, attend: bool = True, seed: int = 0) -> CostModel:
    together = Programs(
        np.concatenate([ALL] * len(sizes)),
        np.concatenate([programs(rows).features for rows in sizes]),
        VOCABULARY,
    )
    costs = np.concatenate([log_costs(rows) for rows in sizes])
    return fit(together, costs, np.repeat(sizes, len(ALL)), seed=seed, attend=attend)


SIZES = [3.0, 3.5, 4.5, 5.5, 6.0]


@pytest.fixture(scope="module")
def model() -> CostModel:
    return fitted(SIZES)


@pytest.mark.parametrize("rows", [4.0, 5.0])
def test_costs_on_a_table_that_was_not_measured_are_predicted(model, rows):
    predicted, truth = model.predict(programs(rows)), log_costs(rows)
    for cost in range(2):
        assert pearsonr(predicted[:, cost], truth[:, cost]).statistic > 0.97


def test_without_earlier_fragments_an_interaction_is_not_seen(model):
    def error(predictor: CostModel) -> float:
        difference = predictor.predict(programs(5.0)) - log_costs(5.0)
        return float(np.square(difference - difference.mean(axis=0)).mean())

    assert error(model) < 0.2 * error(fitted(SIZES, attend=False))


def test_a_score_depends_on_earlier_fragments_only(model):
    scores = model.scores(programs(4.0))
    for position in range(len(POSITIONS)):
        for prefix in {tuple(row) for row in ALL[:, : position + 1]}:
            same = (ALL[:, : position + 1] == prefix).all(axis=1)
            assert np.ptp(scores[same, position], axis=0) == pytest.approx([0.0, 0.0], abs=1e-5)


def test_weights_are_shares_of_features_and_earlier_positions(model):
    weights = model.weights(programs(4.0))
    assert weights.shape == (len(ALL), 3, 2 + 3)
    assert weights.sum(axis=2) == pytest.approx(np.ones((len(ALL), 3)), abs=1e-5)
    later = np.triu(np.ones((3, 3), bool))
    assert (weights[:, :, 2:][:, later] == 0).all()
    assert (weights[:, 2, 2:4] > 0).all()


def test_equal_seeds_give_equal_predictions(model):
    again = fitted(SIZES)
    assert np.array_equal(model.predict(programs(4.0)), again.predict(programs(4.0)))


def test_a_constant_feature_and_bad_costs_are_handled():
    assert np.isfinite(fitted([3.0]).predict(programs(3.0))).all()
    broken = log_costs(3.0)
    broken[4, 0] = np.nan
    with pytest.raises(ValueError, match="leave out programs that failed"):
        fit(programs(3.0), broken, np.zeros(len(ALL)), seed=0)
    with pytest.raises(ValueError, match="expected equal numbers"):
        fit(programs(3.0), broken[:3], np.zeros(len(ALL)), seed=0)
