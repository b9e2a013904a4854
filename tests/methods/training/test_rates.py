"""Compare learning rates with their formula and with the schedulers of torch."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.training.schedule import Cosine, Plateau, PlateauState


def test_the_rate_rises_linearly_and_falls_along_the_cosine_to_its_floor():
    rate = Cosine(100, warm_up=10, floor=0.01)
    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate(10) == 1
    assert rate(55) == pytest.approx(0.01 + 0.99 / 2)
    assert rate(100) == rate(1000) == pytest.approx(0.01)
    falling = [(1 + math.cos(math.pi * s / 8)) / 2 for s in range(9)]
    assert [Cosine(10, 2)(step) for step in range(2, 11)] == pytest.approx(falling)
    assert Cosine(1)(0) == 1.0


def test_a_rate_by_epoch_equals_the_cosine_annealing_of_torch():
    """Compare with the recursion of torch, 12 epochs of 5 updates: equal to 1e-12."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 12)
    rate = Cosine(12, every=5)
    for update in range(60):
        assert 0.3 * rate(update) == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)
        if update % 5 == 4:
            optimiser.step()
            scheduler.step()


@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=60),
    st.sampled_from([0.1, 0.5]), st.integers(0, 4), st.sampled_from([0.0, 1e-4, 0.2]),
)  # fmt: skip
def test_a_plateau_reduces_the_rate_when_torch_does(losses, factor, patience, threshold):
    rule, state = Plateau(factor, patience, threshold), PlateauState()
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=factor, patience=patience, threshold=threshold, eps=0.0
    )
    for loss in losses:
        state.update(rule, loss)
        scheduler.step(loss)
        assert state.scale == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
