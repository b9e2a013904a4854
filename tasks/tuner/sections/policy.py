"""Section of the report on the policy that Q-learning finds."""

from __future__ import annotations

from functools import partial

from tasks.report.blocks import Figure, Picture, Prose, Section, count, grid, joined, share
from tasks.report.drawing import svg
from tasks.tuner.contracts.policy import PolicyMetrics
from tasks.tuner.sections.figures import lines as draw


def finding(policy: PolicyMetrics) -> list[str]:
    """Return the worst ratio to the best policy, and the share after 50 episodes."""
    ratios = [seed.ratio for seed in policy.seeds if seed.ratio is not None]
    carried = [seed.carried for seed in policy.seeds if seed.carried is not None]
    stuck = len(policy.seeds) - min(len(ratios), len(carried))
    after = f"After {count(policy.episodes)} episodes"
    sentences = [
        f"{after}, {stuck} of {len(policy.seeds)} learnt policies can be stuck."
        if stuck
        else f"{after}, the learnt policy needs at most {max(ratios):.3f} times the expected evaluations "
        f"of the best one on {policy.n} bits, and {max(carried):.3f} times on {policy.carried_to}."
    ]
    if all(50 in seed.shares for seed in policy.seeds):
        shares = [seed.shares[50] for seed in policy.seeds]
        sentences.append(
            f"After 50 episodes it is at {share(min(shares))} to {share(max(shares))} of the optimum; the "
            "specification states 90%."
        )
    return sentences


def _times(ratio: float | None) -> str:
    return "can be stuck" if ratio is None else f"{ratio:.4f}"


def section(policy: PolicyMetrics) -> Section:
    """Return the section: bits by leading ones, ratios by seed, shares by episodes."""
    lines = {"best": policy.best_bits, "learnt, first seed": policy.seeds[0].bits}
    alt = "Number of bits to flip by leading ones: the best policy and a learnt one"
    picture = svg(
        "policy", (7.6, 2.8), alt,
        partial(draw.steps, lines=lines, axis=("leading ones", "bits to flip")),
    )  # fmt: skip
    episodes = sorted(policy.seeds[0].shares)
    return Section(
        "policy",
        "Does Q-learning find the best policy?",
        (
            *(Prose(sentence) for sentence in finding(policy)),
            Prose(
                "On LeadingOnes the expected time of every policy has a formula, so no figure here is an "
                f"estimate. Always one bit needs {policy.one_bit:.0f} evaluations, the best fixed number "
                f"{policy.fixed:.0f}, the best policy {policy.best:.0f}. A table is learnt: there are as "
                "many "
                "states as bits, and each is visited often."
            ),
            Figure((Picture(picture),), "Bits to flip by the number of leading ones."),
            grid(
                "Expected time over that of the best policy, by seed, on the bits that it was learnt on and "
                "carried over.",
                ("seed", f"{policy.n} bits", f"{policy.carried_to} bits"),
                [(str(s.seed), _times(s.ratio), _times(s.carried)) for s in policy.seeds],
            ),
            grid(
                "Expected time of the best policy over that of the greedy policy after some episodes: "
                "100% is "
                "the optimum; 0% is a policy that can be stuck.",
                ("seed", *(f"{count(number)} episodes" for number in episodes)),
                [(str(s.seed), *(share(s.shares[number]) for number in episodes)) for s in policy.seeds],
            ),
            Prose(f"Seeds: {joined(str(s.seed) for s in policy.seeds)}."),
        ),
        finding(policy)[0],
    )
