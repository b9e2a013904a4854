"""The ensemble of the benchmark `learning trust` on simulated and shipped rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shipped import ROOT
from sklearn.linear_model import LinearRegression

from benchmarks.learning import _bagging
from benchmarks.learning._bagging import chosen_kind, ensemble, split_scores, table, variance
from methods.trust.bagging import gaussian_log_likelihood


def test_the_variance_follows_the_spread_of_the_errors():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, size=(1500, 2))
    spread = np.where(x[:, 0] > 0, 2.0, 0.5)
    squares = (spread * generator.normal(size=1500)) ** 2
    new = np.array([[0.6, 0.0], [-0.6, 0.0]])
    # At least 5 % of the mean variance of 2.1 is added, so 0.5 is found as 0.6 or more.
    wide, narrow = np.sqrt(variance(x, squares, new, seed=1))
    assert abs(wide - 2) < 0.25
    assert 0.5 < narrow < 0.75
    # Errors without structure give nearly one variance, of the right size.
    flat = variance(x, generator.normal(size=1500) ** 2, x[:200], seed=1)
    assert flat.std() < 0.15
    assert abs(flat.mean() - 1) < 0.15


def test_the_ensemble_is_more_likely_than_a_line_with_one_variance():
    frame = pd.read_parquet(ROOT / "data/source/regression_yacht.parquet")
    x, y = frame.drop(columns="y").to_numpy(float), frame["y"].to_numpy(float)
    order = np.random.default_rng(0).permutation(len(x))
    test, learn = order[:60], order[60:]
    mean, spread = ensemble(x[learn], y[learn], x[test], "trees", seed=0)
    line = LinearRegression().fit(x[learn], y[learn])
    residual = y[learn] - line.predict(x[learn])
    theirs = gaussian_log_likelihood(y[test], line.predict(x[test]), np.full(60, residual.var()))
    assert gaussian_log_likelihood(y[test], mean, spread).mean() > theirs.mean() + 1


def test_members_are_networks_for_smooth_and_trees_for_stepwise_functions():
    x = np.random.default_rng(1).uniform(-2, 2, size=(1200, 6))
    assert chosen_kind(x, np.sin(x.sum(axis=1)), seed=0) == "network"
    assert chosen_kind(x, np.sign(x[:, 0]) * np.sign(x[:, 1]) + np.floor(x[:, 2]), seed=0) == "trees"


def test_an_interrupted_run_resumes_after_the_stored_splits(tmp_path, monkeypatch):
    pd.DataFrame({"test_in": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"test_in": [1, 2]}).to_parquet(tmp_path / "b.parquet")
    published = {"dataset": ["a", "a", "b", "b"], "measure": ["test_ll", "test_MC_rmse"] * 2}
    pd.DataFrame(published | {"mean": [-1.5, 0.5, -3.0, 0.5]}).to_csv(
        tmp_path / "published_mc_dropout.csv", index=False
    )
    calls = []

    def split(frame: pd.DataFrame, number: int) -> tuple[str, float, float]:
        calls.append(number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return "trees", -1.0 - len(calls), 0.25

    monkeypatch.setattr(_bagging, "_split", split)
    store = tmp_path / "splits.csv"
    with pytest.raises(KeyboardInterrupt):
        split_scores(tmp_path, ("a", "b"), 2, store)
    assert len(pd.read_csv(store)) == 2
    scores = split_scores(tmp_path, ("a", "b"), 2, store)
    assert calls == [0, 0, 1, 1, 1]
    assert scores["log_likelihood"].tolist() == [-2.0, -3.0, -5.0, -6.0]
    rows = table(tmp_path, scores).rows
    # Means -3.5 and -4.5 are below the published -1.5 and -3; half the range is the standard error of two.
    assert [row[6] for row in rows] == ["no", "no"]
    np.testing.assert_allclose([row[3:6] for row in rows], [[-3.5, 1.5, -1.5], [-4.5, 1.5, -3.0]])
    # Other code: nothing stored counts.
    monkeypatch.setattr(_bagging, "MEMBERS", 11)
    split_scores(tmp_path, ("a",), 1, store)
    assert len(calls) == 6
