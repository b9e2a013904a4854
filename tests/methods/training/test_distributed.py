"""Compare two processes with one: gradients in float64, and whole trainings."""

from __future__ import annotations

import json
import multiprocessing

import pytest
from torch import nn

from methods.training.distributed import split_layers
from tests.methods.training import distributed_training as script

SECONDS = 120


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    """Return what the two processes found."""
    folder = tmp_path_factory.mktemp("group")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=script.compare, args=(rank, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
        process.kill()
        assert process.exitcode == 0
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("batch", ["11 rows", "1 row"])
def test_gradients_of_unequal_shares_equal_those_of_one_process(differences: list, batch: str):
    """Divide 11 rows as 6 and 5, and 1 row as 1 and 0: equal to 1e-12."""
    for result in differences:
        assert result[batch] < 1e-12
        assert result[f"{batch}, loss"] < 1e-12
        assert result["without weights"] > 1e-3  # the error of the plain average


def test_a_training_in_two_processes_equals_one(differences: list):
    """Sums are in another order, and AdamW divides by their roots: equal to 1e-9."""
    assert max(result["fit"] for result in differences) < 1e-9


def test_a_pipeline_equals_one_process(differences: list):
    """Compare three updates of batches of 6, 4 and 10 rows: gradients equal to 1e-12."""
    for result in differences:
        pipeline = [value for name, value in result.items() if name.startswith("pipeline ")]
        assert len(pipeline) == 6
        assert max(pipeline) < 1e-12
        assert result["pipeline, weights"] < 1e-9


def test_layers_are_divided_into_runs_of_neighbours():
    layers = [nn.Linear(2, 2) for _ in range(5)]
    parts = split_layers(layers, 2)
    assert [len(part) for part in parts] == [3, 2]
    assert [layer for part in parts for layer in part] == layers
    with pytest.raises(ValueError, match="5 layers, 6 processes"):
        split_layers(layers, 6)
