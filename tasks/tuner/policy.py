"""Stage tuner-policy: learn how many bits to flip, by Q-learning."""

from __future__ import annotations

import math

from tqdm import tqdm

from tasks.tuner.contracts.policy import PolicyMetrics, SeedPolicy
from tasks.tuner.params import PolicyParams


def policy(*, params: PolicyParams) -> PolicyMetrics:
    """Compare learnt policies on LeadingOnes with the best one, exactly."""
    from methods.search.qlearning import best_policy, expected_time

    n, actions = params.bits, params.actions
    best = best_policy(n, actions)
    return PolicyMetrics(
        n=n,
        carried_to=params.carried_to,
        episodes=params.checkpoints[-1],
        one_bit=expected_time(lambda _: 1, n),
        fixed=min(expected_time(best_policy(n, [action]), n) for action in actions),
        best=expected_time(best, n),
        best_bits=list(best.bits),
        seeds=[_learn(seed, params) for seed in tqdm(params.seeds, desc="seeds")],
    )


def _learn(seed: int, params: PolicyParams) -> SeedPolicy:
    from methods.search.qlearning import LeadingOnes, best_policy, expected_time, train

    environment = LeadingOnes(params.bits, params.actions)
    best = expected_time(best_policy(params.bits, params.actions), params.bits)
    policies = {count: train(environment, episodes=count, seed=seed) for count in params.checkpoints}
    learnt = policies[params.checkpoints[-1]]
    carried_best = expected_time(best_policy(params.carried_to, params.actions), params.carried_to)
    return SeedPolicy(
        seed=seed,
        ratio=_ratio(expected_time(learnt, params.bits), best),
        carried=_ratio(expected_time(learnt, params.carried_to), carried_best),
        shares={
            count: round(best / expected_time(policy, params.bits), 6) for count, policy in policies.items()
        },
        bits=list(learnt.bits),
    )


def _ratio(time: float, best: float) -> float | None:
    """Return a time over the best one; None for an infinite time."""
    return round(time / best, 6) if math.isfinite(time) else None
