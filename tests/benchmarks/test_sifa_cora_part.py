"""The table of Cora: accuracies, paired intervals, missing data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.parts import Omission
from benchmarks.sifa import cora
from methods.graph.nodes import Graph

NODES = 300


def test_gains_are_paired_by_seed_and_shown_only_if_both_intervals_agree() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=NODES)
    graph = Graph(torch.zeros(NODES, 1), torch.zeros(2, 0), torch.from_numpy(y), 3)
    parts = {"val": np.arange(100), "test": np.arange(100, NODES)}

    def wrong(share: float, seeds: int) -> np.ndarray:
        return np.where(np.random.default_rng(1).random((seeds, NODES)) < share, y + 1, y)

    predicted = {"sifa": wrong(0.1, 1), "blocks": wrong(0.1, 1), "gcn": wrong(0.5, 6), "gat": wrong(0.1, 6)}
    table = cora.table(predicted, graph, parts)
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    accuracy = {model: 100 * (classes == y)[:, 100:].mean(1) for model, classes in predicted.items()}
    assert rows["gcn"]["accuracy"] == pytest.approx(accuracy["gcn"].mean())
    assert rows["gcn"]["deviation"] == pytest.approx(accuracy["gcn"].std(ddof=1))
    gains = accuracy["sifa"] - accuracy["gcn"]
    low, high = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert rows["gcn"]["low by seed"] == pytest.approx(low)
    assert rows["gcn"]["high by seed"] == pytest.approx(high)
    assert (rows["gcn"]["verdict"], rows["gcn"]["published"]) == ("gain", 81.5)
    assert rows["gat"]["verdict"] == "not shown"
    assert (rows["blocks"]["gain of sifa"], rows["blocks"]["verdict"]) == (0.0, "not shown")
    assert rows["blocks"]["low by seed"] is None
    assert rows["sifa"]["verdict"] is None


def test_without_the_data_the_part_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("STATEWRIGHT_DATA", str(tmp_path))
    (missing,) = cora.tables(3)
    assert isinstance(missing, Omission)
    assert "cora.npz is missing" in missing.reason
