"""Kill a training with SIGKILL and compare the resumed one bit by bit."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from methods.training.checkpoint import Saved, read, write
from tests.methods.training import killed_training as script

SECONDS = 60
"""Limit for a process to reach an update, or to end."""


@pytest.fixture(scope="module")
def processes():
    """Return a context whose processes start from one that has imported torch."""
    context = multiprocessing.get_context("forkserver")
    # torch imports its compiler with the first optimiser, which takes seconds.
    context.set_forkserver_preload(["torch._dynamo", "torch.optim.swa_utils", "safetensors.torch"])
    return context


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("uninterrupted")
    state = torch.get_rng_state(), random.getstate()
    script.train(folder)
    torch.set_rng_state(state[0])
    random.setstate(state[1])
    return read(folder)


def assert_equal_bits(folder: Path, expected: Saved) -> None:
    """Compare weights, averages, optimiser, batches, random states and history."""
    saved = read(folder)
    assert set(saved.tensors) == set(expected.tensors)
    for name, tensor in saved.tensors.items():
        assert tensor.numpy().tobytes() == expected.tensors[name].numpy().tobytes(), name
    for name in set(expected.values) - {"tensors"}:
        assert saved.values[name] == expected.values[name], name


@pytest.mark.parametrize("every", [1, 4])
def test_a_training_killed_at_random_moments_ends_with_the_same_bits(
    tmp_path: Path, processes, uninterrupted: Saved, every: int
):
    draw, kills = random.Random(every), 0
    while True:
        updates, target, end = processes.Value("i", 0), draw.randint(1, 12), time.monotonic() + SECONDS
        arguments = (tmp_path, every, updates, target)
        process = processes.Process(target=script.train_until_killed, args=arguments, daemon=True)
        process.start()
        while updates.value < target and process.is_alive():
            assert time.monotonic() < end
            time.sleep(0.0005)
        time.sleep(draw.uniform(0, 0.01))
        process.kill()
        process.join(SECONDS)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert_equal_bits(tmp_path, uninterrupted)


@pytest.mark.parametrize("moment", [".safetensors", ".new", "before", "after"])
def test_a_process_that_dies_while_it_writes_leaves_a_checkpoint(
    tmp_path: Path, processes, uninterrupted: Saved, moment: str
):
    for number in (0, 3, 8):  # the first checkpoint; within an epoch; where an epoch ends
        process = processes.Process(target=script.train_and_die, args=(tmp_path, moment, number))
        process.start()
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL
        assert len(list(tmp_path.iterdir())) <= 4
    script.train(tmp_path)
    assert_equal_bits(tmp_path, uninterrupted)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_a_training_that_has_ended_is_not_repeated(tmp_path: Path):
    first = script.train(tmp_path)
    again = script.train(tmp_path, on_update=lambda: pytest.fail("an update after the end"))
    assert again == first


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script.train(tmp_path)
    monkeypatch.setattr(script, "EPOCHS", script.EPOCHS + 1)
    with pytest.raises(ValueError, match=r"epochs=6.*epochs=7.*or delete the checkpoint"):
        script.train(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path):
    write(tmp_path, Saved({"a": torch.ones(2)}, {"b": 1}))
    state = json.loads((tmp_path / "state.json").read_text())
    assert torch.equal(read(tmp_path).tensors["a"], torch.ones(2)) and read(tmp_path).values["b"] == 1
    (tmp_path / state["tensors"]).unlink()
    with pytest.raises(ValueError, match="found version 1 with tensors 'tensors-1"):
        read(tmp_path)
    (tmp_path / "state.json").write_text(json.dumps(state | {"version": 2}))
    with pytest.raises(ValueError, match="found version 2"):
        read(tmp_path)
    assert read(tmp_path / "elsewhere") is None
