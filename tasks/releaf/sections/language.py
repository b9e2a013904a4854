"""Section of the report on the language model: what the adapter costs, teaches, and fails to teach."""

from __future__ import annotations

from tasks.releaf.adapter.scores import AdaptSummary
from tasks.report.blocks import Block, Prose, Section, count, grid, joined, plural, share


def verdict(adapt: AdaptSummary) -> str:
    """Right bins before and after, beside the best simple baseline."""
    before, after = adapt.answers_before.right_bin, adapt.answers_after.right_bin
    best = max(adapt.baselines, key=lambda name: adapt.baselines[name])
    word = "above" if after > adapt.baselines[best] else "not above"
    return (
        f"The language model names the right bin in {share(after)} of {count(adapt.answers_after.asked)} "
        "held-out "
        f"questions with its adapter and in {share(before)} without: {word} the simple baseline “{best}” "
        f"({share(adapt.baselines[best])})."
    )


def language(adapt: AdaptSummary) -> Section:
    """Size of the adapter, perplexities, answers."""
    equal = "equal to" if adapt.formula_holds else "not equal to"
    blocks: list[Block] = [
        Prose(
            f"{adapt.model} with an adapter of rank {adapt.rank} on {plural(adapt.matrices, 'matrix')}: "
            f"{count(adapt.trainable)} trained parameters ({adapt.trainable_share:.2%}), {equal} the sum of "
            f"r (d + k), {adapt.reduction:.1f} times fewer than their weights; best after {adapt.best_step} "
            "of "
            f"{plural(adapt.steps, 'step')}.".replace("matrixs", "matrices")
        ),
        Prose(f"{verdict(adapt)} {_perplexity(adapt)}"),
        grid(
            "Perplexity without and with the adapter; lower is better.",
            ("texts", "without", "with"),
            [(name, f"{one.before:.2f}", f"{one.after:.2f}") for name, one in adapt.perplexity.items()],
        ),
        _answers(adapt),
        Prose(f"Where it ends: {adapt.forgetting}"),
    ]
    return Section("language", "What the language model learnt", tuple(blocks))


def _perplexity(adapt: AdaptSummary) -> str:
    better = [name for name, one in adapt.perplexity.items() if one.after < one.before]
    worse = [name for name, one in adapt.perplexity.items() if one.after > one.before]
    parts = [f"falls on {joined(better)}"] if better else []
    parts += [f"rises on {joined(worse)}"] if worse else []
    return f"Its perplexity {joined(parts)}." if parts else "Its perplexity stays."


def _answers(adapt: AdaptSummary) -> Block:
    said = {
        "right_bin": "written: names the right bin",
        "cites": "written: cites the passage of the card",
        "shown_right": "shown: names the right bin",
        "grounded": "shown: rests on its passages",
        "refused": "refused",
    }
    rows = [
        (text, share(getattr(adapt.answers_before, key)), share(getattr(adapt.answers_after, key)))
        for key, text in said.items()
    ]
    return grid(
        f"Answers to {count(adapt.answers_after.asked)} held-out questions; simple baselines of the right "
        "bin: " + joined(f"{name} {share(value)}" for name, value in adapt.baselines.items()) + ".",
        ("answers", "without", "with"),
        rows,
    )
