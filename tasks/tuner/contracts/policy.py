"""Contract of the output of tuner-policy."""

from __future__ import annotations

from statewright.contracts import Document


class SeedPolicy(Document):
    """Policy of one seed.

    `ratio` and `carried` are its exact expected time over that of the best policy with the same actions, on
    the number of bits that it was learnt on, and on more bits; None if it can be stuck. `shares` is, by
    number of episodes, the expected time of the best policy over that of the policy: 1 is the optimum, 0 a
    policy that can be stuck.
    """

    seed: int
    ratio: float | None
    carried: float | None
    shares: dict[int, float]
    bits: list[int]


class PolicyMetrics(Document):
    """Q-learning of the number of bits to flip on LeadingOnes.

    `one_bit`, `fixed` and `best` are exact expected times: always one bit, the best constant number, and the
    best policy, whose number of bits by leading ones is `best_bits`.
    """

    n: int
    carried_to: int
    episodes: int
    one_bit: float
    fixed: float
    best: float
    best_bits: list[int]
    seeds: list[SeedPolicy]
