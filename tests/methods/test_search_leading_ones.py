"""Q-learning of the number of bits to flip, against chains over all strings."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from methods.search.qlearning import (
    LeadingOnes,
    Policy,
    best_policy,
    expected_time,
    improvement,
    train,
)

ACTIONS = (1, 2, 4, 8, 16, 32)


def leading_ones(bits):
    return int(np.cumprod(bits).sum())


def chain_time(policy, n):
    """Solve the Markov chain over all 2^n strings, and average the times."""
    strings = list(itertools.product((0, 1), repeat=n))
    number = {bits: i for i, bits in enumerate(strings)}
    transition = np.zeros((2**n, 2**n))
    for bits in strings[:-1]:
        flips = list(itertools.combinations(range(n), policy(leading_ones(bits))))
        for flipped in flips:
            after = tuple(bit ^ (i in flipped) for i, bit in enumerate(bits))
            kept = after if leading_ones(after) >= leading_ones(bits) else bits
            transition[number[bits], number[kept]] += 1 / len(flips)
    inner = transition[:-1, :-1]
    times = np.linalg.solve(np.eye(2**n - 1) - inner, np.ones(2**n - 1))
    return times.sum() / 2**n


@pytest.mark.parametrize("policy", [lambda i: 1, lambda i: 3 - min(i, 2), lambda i: [4, 3, 1, 2, 1, 1, 1][i]])
def test_the_time_is_that_of_the_chain_over_all_strings(policy):
    assert expected_time(policy, 7) == pytest.approx(chain_time(policy, 7), rel=1e-10)


def test_one_bit_needs_half_the_square():
    assert expected_time(lambda i: 1, 60) == pytest.approx(60**2 / 2)


def test_the_best_policy_approaches_the_published_constant():
    # Doerr and Wagner 2018: 0.388 n^2 with any number of bits.
    assert expected_time(best_policy(400, range(1, 201)), 200) / 200**2 == pytest.approx(0.388, abs=2e-3)


def test_the_best_policy_is_the_best_of_all():
    actions = (1, 2, 4)
    times = [expected_time(lambda i, bits=bits: bits[i], 5) for bits in itertools.product(actions, repeat=5)]
    assert expected_time(best_policy(5, actions), 5) == pytest.approx(min(times))


def test_a_policy_that_cannot_improve_never_ends():
    assert improvement(5, 4, 2) == 0
    assert expected_time(lambda i: 2, 5) == math.inf


def test_the_process_takes_as_long_as_flipping_bits():
    # Means of 1,000 runs each; their standard errors are about 2 % (seeded).
    environment, policy = LeadingOnes(8, (1, 2, 3, 4)), best_policy(8, (1, 2, 3, 4))
    rng = np.random.default_rng(0)
    drawn, flipped = [], []
    for _ in range(1000):
        state, total = environment.start(rng), 0.0
        while state is not None:
            reward, state = environment.step(state, environment.actions.index(policy(state)), rng)
            total -= reward
        drawn.append(total)
        bits, count = rng.integers(2, size=8), 0
        while not bits.all():
            after = bits.copy()
            after[rng.choice(8, policy(leading_ones(bits)), replace=False)] ^= 1
            bits = after if leading_ones(after) >= leading_ones(bits) else bits
            count += 1
        flipped.append(count)
    assert np.mean(flipped) == pytest.approx(expected_time(policy, 8), rel=0.06)
    assert np.mean(drawn) == pytest.approx(expected_time(policy, 8), rel=0.06)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_learned_policy_is_near_the_best_also_for_twice_the_bits(seed):
    policy = train(LeadingOnes(50, ACTIONS), episodes=10_000, seed=seed)
    assert {policy(i) for i in range(50)} <= set(ACTIONS)
    assert expected_time(policy, 50) <= 1.02 * expected_time(best_policy(50, ACTIONS), 50)
    assert expected_time(policy, 100) <= 1.05 * expected_time(best_policy(100, ACTIONS), 100)
    # A caller that carries the policy itself, by the share of leading ones, gets the same time.
    assert expected_time(lambda i: policy(i / 2), 100) == expected_time(policy, 100)


def test_little_experience_gives_a_worse_policy():
    policy = train(LeadingOnes(50, ACTIONS), episodes=50, seed=0)
    assert expected_time(policy, 50) > 1.05 * expected_time(best_policy(50, ACTIONS), 50)


def test_training_is_reproducible():
    first, second, other = (train(LeadingOnes(20, (1, 2, 4)), episodes=200, seed=s) for s in (3, 3, 4))
    assert first == second
    assert first != other


def test_a_policy_is_carried_by_the_share_of_leading_ones():
    assert Policy(4, (4, 2, 1, 1)).carry(8).bits == (4, 4, 2, 2, 1, 1, 1, 1)
    assert Policy(4, (4, 2, 1, 1)).carry(2).bits == (4, 1)


@pytest.mark.parametrize("actions", [(), (0, 1), (1, 6)])
def test_impossible_actions_are_refused(actions):
    with pytest.raises(ValueError, match="from 1 to 5"):
        LeadingOnes(5, actions)


def test_a_policy_that_flips_too_many_bits_is_refused():
    with pytest.raises(ValueError, match="flips 6 bits from 0 leading ones"):
        expected_time(lambda i: 6, 5)
