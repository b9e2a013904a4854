"""Networks with the parameters or operations of the field over atoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.sifa import _cells, equal_cost
from benchmarks.sifa._chemistry import Division, Molecules
from benchmarks.sifa.equal_cost import Setting, network_width, operations, table
from methods.sifa.atom_networks import AtomTransformer


def waters(count: int) -> Setting:
    """Return bent molecules of three atoms, and the length of a bond."""
    rng = np.random.default_rng(0)
    x = np.zeros((count, 3, 4))
    x[..., 0] = 8, 1, 1
    x[:, 1, 1:], x[:, 2, 1:] = [0.76, 0.59, 0.0], [-0.76, 0.59, 0.0]
    x[..., 1:] += 0.05 * rng.normal(size=(count, 3, 3))
    y = np.linalg.norm(x[:, 1, 1:] - x[:, 0, 1:], axis=1)
    divisions = [
        Division(np.arange(30), np.arange(30, count), 0),
        Division(np.arange(10, count), np.arange(10), 1),
    ]
    return Setting("molecules", Molecules(x, y, pd.DataFrame()), divisions, graph=False)


@pytest.mark.parametrize(("places", "width"), [(23, 32), (5, 8)])
def test_operations_are_those_of_a_count_by_hand(places: int, width: int) -> None:
    layer = 2 * width * (3 * width + width + 2 * width + 2 * width)
    token = 2 * 3 * width + 2 * layer + 2 * width * width + 2 * width
    attention = 2 * 2 * (2 * places**2 * width)  # two layers, scores and values
    example = torch.zeros(1, places, 4)
    example[0, :3, 0] = 6
    assert operations(AtomTransformer("plain", width), width, example) == places * token + attention


def test_the_width_is_the_nearest_of_its_kind() -> None:
    of = waters(40)
    example = torch.as_tensor(of.data.x[:1], dtype=torch.float32)
    sizes = {width: operations(AtomTransformer("plain", width), width, example) for width in range(4, 257, 4)}
    wanted = sizes[64] + 10
    assert network_width(of, "plain", "operations", {"operations": wanted}) == 64
    assert network_width(of, "plain", "pipeline", {}) == 32
    parameters = {
        width: sum(value.numel() for value in AtomTransformer("attention", width).parameters())
        for width in (4, 8, 12)
    }
    assert network_width(of, "attention", "parameters", {"parameters": parameters[8] - 5}) == 8


def test_a_table_pairs_each_network_with_the_field_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cells, "ROOT", tmp_path)
    monkeypatch.setattr(equal_cost, "code_key", lambda function, values: "key")
    monkeypatch.setattr(equal_cost, "EPOCHS", 1)
    monkeypatch.setattr(equal_cost, "SIZES", ("parameters",))
    of = waters(40)
    first = table(of)
    rows = [dict(zip(first.columns, row, strict=True)) for row in first.rows]
    assert [row["model"] for row in rows] == ["sifa", "attention", "plain"]
    ours, network = rows[:2]
    assert ours["parameters"] == 30 + 6 + 1  # stored molecules, lengths of two scales, noise
    assert network["excess over sifa"] == pytest.approx(network["error"] - ours["error"])
    assert network["low"] < network["excess over sifa"] < network["high"]
    assert network["rate"] in equal_cost.RATES

    def trained(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(equal_cost, "fit_network", trained)
    monkeypatch.setattr(equal_cost, "fitted", trained)
    assert table(of) == first
