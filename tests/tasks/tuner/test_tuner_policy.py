"""The stage tuner-policy reports exact expected times."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.tuner.params import PolicyParams
from tasks.tuner.policy import policy
from tasks.tuner.sections.policy import finding

PARAMS = PolicyParams(bits=12, carried_to=24, actions=(1, 2, 4), checkpoints=(1, 50, 2000), seeds=(0, 1))


def simulated(bits: list[int], n: int, runs: int) -> float:
    """Return the mean number of evaluations of a policy, by simulation of RLS_k."""
    rng = np.random.default_rng(0)
    total = 0
    for _ in range(runs):
        string = rng.integers(0, 2, n)
        while not string.all():
            ones = int(np.argmin(string))
            flipped = string.copy()
            flipped[rng.choice(n, bits[ones], replace=False)] ^= 1
            after = n if flipped.all() else int(np.argmin(flipped))
            string = flipped if after >= ones else string
            total += 1
    return total / runs


def test_ratios_are_those_of_simulated_runs():
    metrics = policy(params=PARAMS)
    assert metrics.episodes == 2000
    assert metrics.best <= metrics.fixed <= metrics.one_bit == pytest.approx(12**2 / 2)
    best = simulated(metrics.best_bits, 12, 800)
    assert best == pytest.approx(metrics.best, rel=0.06)
    for seed in metrics.seeds:
        assert simulated(seed.bits, 12, 800) / best == pytest.approx(seed.ratio, rel=0.1)
        assert seed.ratio < 1.1
        assert seed.shares[2000] == pytest.approx(1 / seed.ratio, abs=1e-5)
        assert all(0 <= share <= 1 for share in seed.shares.values())


def test_a_policy_that_can_be_stuck_has_no_ratio():
    metrics = policy(params=PARAMS.model_copy(update={"checkpoints": (1,)}))
    assert [(seed.ratio, seed.shares[1]) for seed in metrics.seeds] == [(None, 0.0)] * 2
    assert "After 1 episodes, 2 of 2 learnt policies can be stuck." in finding(metrics)
